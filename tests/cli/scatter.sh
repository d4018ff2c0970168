#!/usr/bin/env bash
# Files that not every rank can open: rank 0 reads them and hands out the rows, and --scatter paths says what is missing.
. "$(dirname "$0")/lib.sh"
if [ "$(id -u)" != 0 ] || ! unshare -m true 2>/dev/null; then
    echo "needs root and mount namespaces"
    exit 77
fi
mkdir data empty
seq 1 50000 | awk 'BEGIN { print "k,v" } { print $1 % 7 "," $1 }' > data/t.csv
gzip -k data/t.csv
"$MPART" query data/t.csv -o data/blocks.csv.gz
cat > hide.sh <<'EOS'
#!/bin/sh
# Rank 1 sees an empty folder in place of data.
[ "$OMPI_COMM_WORLD_RANK" = 1 ] || exec "$@"
exec unshare -m sh -c 'mount --bind empty data && exec "$@"' sh "$@"
EOS
chmod +x hide.sh
"$MPART" query data/t.csv --by k --agg 'sum(v)' > expected
for input in data/t.csv 'data/*.csv' data/t.csv.gz data/blocks.csv.gz; do
    timeout 60 mpirun -np 3 ./hide.sh "$MPART" query "$input" --by k --agg 'sum(v)' > "$out" 2> "$err"
    rc=$? last="query $input, hidden from rank 1"
    check "exit code 0" has_code 0
    check "the same answer" same "$out" expected
done
timeout 60 mpirun -np 3 ./hide.sh "$MPART" query data/t.csv --by k --agg 'sum(v)' --scatter paths > "$out" 2> "$err"
rc=$? last="query data/t.csv --scatter paths, hidden from rank 1"
check "exit code 74" has_code 74
check "one message" one_message
check "names the file" grep -q "data/t.csv" "$err"
finish
