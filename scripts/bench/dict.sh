#!/bin/sh
# dict.sh - the shared dictionary against its peers, in one run: the library on 2 ranks and on 8, Python's Manager().dict();
# RESP on one client per rank against redis-server with as many clients and the same pipelining (packages redis-server, redis-tools; else skipped).
# Prints figures; the last column of the library's is operations a second of processor time.
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
import multiprocessing, resource, time
if __name__ == "__main__":
    d = multiprocessing.Manager().dict(); n = 30000; t = time.time()
    for i in range(n): d["key%05d" % (i * 7919 % 100000)] = i
    print("Manager().dict() put                             %10.0f/s" % (n / (time.time() - t)))'
}
manager
for ranks in 2 8; do
    mpirun -np $ranks "$work/dict_bench" $((n / ranks))
done
manager

command -v redis-server >/dev/null && command -v redis-benchmark >/dev/null || {
    echo 'redis-server and redis-benchmark are not there: no comparison of RESP'
    exit 0
}
redis-server --port 0 --unixsocket "$work/redis" --save '' --appendonly no >/dev/null 2>&1 &
server=$!
while [ ! -S "$work/redis" ]; do sleep 0.1; done
cat >"$work/load" <<'END'
p=$1 socket=${2:-$MPART_DICT}
redis-benchmark -s "$socket" -c 1 -P "$p" -n $((p * 15000)) -r 100000 -t set,get,incr -q 2>/dev/null |
    tr '\r' '\n' | awk '/requests per/ { printf "%s%s", n++ ? ", " : "", $1 " " $2 } END { print "" }'
END
# As many clients on both sides: one on each rank.
for p in 1 32; do
    for round in 1 2; do
        for ranks in 1 2; do
            seq $ranks | xargs -P $ranks -I{} sh "$work/load" $p "$work/redis" |
                sed "s/^/redis-server, $ranks clients, pipeline $p: /"
            seq $ranks >"$work/list"
            mpirun -np $ranks ./mpart map --items "$work/list" --dict -- sh -c 'sh $0 $1' "$work/load" $p |
                sed "s/^/mpart, $ranks ranks, pipeline $p: /"
        done
    done
done
