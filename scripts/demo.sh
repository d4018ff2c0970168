#!/usr/bin/env bash
# The main job in a few seconds: sample orders from 4 ranks, grouped by region and month on 4 ranks and on 1, the same bytes.
set -eu
cd "$(dirname "$0")/.."
mpart=${MPART:-$PWD/mpart}
if [ "$(id -u)" = 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
PATH=$(dirname "$mpart"):$PATH

# show COMMAND...: the command as one would type it, then its run.
show() {
    local word line=
    for word in "$@"; do
        case $word in
        *[!A-Za-z0-9_./:=,+-]*) line="$line '$word'" ;;
        *) line="$line $word" ;;
        esac
    done
    printf '\n$%s\n' "$line"
    "$@"
}

run="mpirun --oversubscribe -np 4 mpart"
echo "mpart: sample data, then one question about it, on 4 ranks"
show $run gen orders --rows 1e6 -o orders.csv
show head -n 4 orders.csv
echo "($(wc -c <orders.csv) bytes)"
show $run query orders.csv --where "paid and region is not null" --by "region, month(day) as month" \
    --agg "sum(price*quantity) as total, count() as orders" --sort "region, month" -o answer.csv
echo
echo "the answer, answer.csv, as a table (the first and last lines of $(($(wc -l <answer.csv) - 1))):"
awk -F, '{ for (i = 1; i <= NF; i++) cell[NR, i] = $i; if (NF > n) n = NF }
    END { for (r = 1; r <= NR; r++) {
              if (r == 8 && NR > 16) { print "   ..."; r = NR - 5 }
              for (i = 1; i <= n; i++) printf i == 1 ? "   %-8s" : "%14s", cell[r, i]
              print "" } }' answer.csv
show mpart query orders.csv --where "paid and region is not null" --by "region, month(day) as month" \
    --agg "sum(price*quantity) as total, count() as orders" --sort "region, month" -o alone.csv
if cmp answer.csv alone.csv; then
    echo "1 rank and 4 ranks: same bytes"
else
    echo "1 rank and 4 ranks: the answers differ"
    exit 1
fi
