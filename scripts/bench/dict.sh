#!/bin/sh
# dict.sh - the shared dictionary against its peers, in one run of some two minutes: the library on 2 ranks and on 8, Python's
# Manager().dict(); RESP on one client per rank (1, 2, 8) against redis-server with as many clients and the same pipelining
# (package redis-tools; else skipped). Prints figures as they come, then the ratios; the last column of the
# library's is operations a second of processor time.
# Usage: scripts/bench/dict.sh [OPERATIONS]
set -u
cd "$(dirname "$0")/../.." || exit 1
n=${1:-4000000}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
work=$(mktemp -d) || exit 1
server=
trap '[ -n "$server" ] && kill "$server"; rm -rf "$work"' EXIT
mpicc -O2 -Iinclude scripts/bench/dict_bench.c -Lbuild -lmpart -o "$work/dict_bench" || exit 1
ln -s "$PWD/build/libmpart.so" "$work/libmpart.so.0"
export LD_LIBRARY_PATH="$work"

manager() {
    python3 -c '
import multiprocessing, time
if __name__ == "__main__":
    d = multiprocessing.Manager().dict(); n = 30000; t = time.time()
    for i in range(n): d["key%05d" % (i * 7919 % 100000)] = i
    print("Manager().dict() put                             %10.0f/s" % (n / (time.time() - t)))'
}
{
    manager
    for ranks in 2 8; do
        mpirun -np $ranks "$work/dict_bench" $((n / ranks))
    done
    manager
} | tee "$work/library"
# Rates are in the fifth column of the library's lines from the end but one.
awk '/^Manager/ { sub("/s", "", $NF); manager = manager > $NF ? manager : $NF; next }
     { name = $0; sub(/ +[0-9]+ ranks.*/, "", name); sub("/s", "", $(NF - 1)); rate[name, $(NF - 7)] = $(NF - 1) }
     END { for (i = 1; i <= 2; i++) { r = i == 1 ? 2 : 8
               printf "library, %d ranks: add %.0f x Manager().dict() put, one key %.2f x uniform, get batched %.0f x\n", r,
                   rate["add", r] / manager, rate["add one key", r] / rate["add", r], rate["get batched", r] / manager } }' "$work/library"

# Debian's redis-tools have the server, too, under another name.
redis=$(command -v redis-server || command -v redis-check-rdb)
[ "$redis" ] && command -v redis-benchmark >/dev/null || {
    echo 'redis-server and redis-benchmark are not there: no comparison of RESP'
    exit 0
}
ln -s "$redis" "$work/redis-server" # a program of several uses, by its name
"$work/redis-server" --port 0 --unixsocket "$work/redis" --save '' --appendonly no >/dev/null 2>&1 &
server=$!
while [ ! -S "$work/redis" ] && kill -0 $server; do sleep 0.1; done
cat >"$work/load" <<'END'
p=$1 ranks=$2 socket=${3:-$MPART_DICT}
redis-benchmark -s "$socket" -c 1 -P "$p" -n $((p * 15000 / ranks)) -r 100000 -t set,get,incr -q 2>/dev/null |
    tr '\r' '\n' | awk '/requests per/ { print $1, $2 }'
END
# The sum of all clients' rates: "NAME RANKS PIPELINE SET: 1 GET: 2 INCR: 3".
sum() {
    awk -v head="$*" '{ n[$1] += $2 } END { printf "%s", head; m = split("SET: GET: INCR:", c); for (i = 1; i <= m; i++)
        printf " %s %.0f/s", c[i], n[c[i]]; print "" }' | tee -a "$work/resp"
}
# As many clients on both sides: one on each rank.
for round in 1 2; do
    for p in 1 32; do
        for ranks in 1 2 8; do
            seq $ranks >"$work/list"
            xargs -P $ranks -I{} sh "$work/load" $p $ranks "$work/redis" <"$work/list" | sum redis-server $ranks clients, pipeline $p:
            mpirun -np $ranks ./mpart map --items "$work/list" --dict -- sh -c 'sh $0 $1 $2' "$work/load" $p $ranks |
                sum mpart $ranks ranks, pipeline $p:
        done
    done
done
awk '{ for (i = 7; i <= NF; i += 2) { v = $i; sub("/s", "", v); k = $2 " " $5 " " $(i - 1); if ($1 == "mpart") mine[k] += v; else theirs[k] += v } }
     END { for (k in mine) { split(k, f, " "); printf "RESP, %s ranks, pipeline %s %s %.2f x redis-server\n", f[1], f[2], f[3], mine[k] / theirs[k] } }' \
    "$work/resp" | sort -V
