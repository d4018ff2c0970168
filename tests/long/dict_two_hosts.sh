#!/usr/bin/env bash
# dict_two_hosts.sh - the shared dictionary over TCP between two hosts: two network namespaces with a wire of MBIT (1000) and
# MICROSECONDS (1000, each way) between them, since few kernels have netem. Counters are exact, those by compare-and-swap, too, also
# with two ranks on each host, which reach each other in shared memory and the others by messages. Runs with a rank that is killed
# end by themselves. The figures of dict_bench and, where it is here, redis-benchmark are printed. Needs root, namespaces and /dev/net/tun; else it says `skip: why`.
. "$(dirname "$0")/../cli/lib.sh"
top=$(cd "$here/../.." && pwd)
tag=mpart$$ wire=

skip() {
    echo "skip: $1"
    exit 77
}

tear_down() {
    [ -n "$wire" ] && kill "$wire" 2>/dev/null
    for node in node1 node2; do
        [ -e "/run/netns/$tag-$node" ] || continue
        for pid in $(ip netns pids "$tag-$node"); do
            kill -KILL "$pid" 2>/dev/null
        done
        ip netns del "$tag-$node"
    done
    rm -rf "$work"
}
trap tear_down EXIT

[ "$(id -u)" = 0 ] || skip 'not root'
command -v ip >/dev/null && command -v nsenter >/dev/null || skip 'no iproute2 or no nsenter'
[ -c /dev/net/tun ] || skip 'no /dev/net/tun'
unshare -n -m -u true 2>/dev/null || skip 'no network namespaces here'
cc -O2 -D_GNU_SOURCE "$top/tests/long/wire.c" -o "$work/wire" || exit 1
mpicc -O2 -I"$top/include" "$top/scripts/bench/dict_bench.c" -L"$top/build" -lmpart -o "$work/dict_bench" || exit 1
ln -s "$top/build/libmpart.so" "$work/libmpart.so.0"

# ---- two hosts ----
for node in node1 node2; do
    ip netns add "$tag-$node" 2>/dev/null || skip 'cannot make network namespaces'
    ip -n "$tag-$node" link set lo up
done
"$work/wire" "/run/netns/$tag-node1" "/run/netns/$tag-node2" "${MBIT:-1000}" "${MICROSECONDS:-1000}" >"$work/ready" &
wire=$!
for _ in $(seq 50); do
    grep -q ready "$work/ready" && break
    kill -0 $wire 2>/dev/null || skip 'cannot make tun interfaces'
    sleep 0.1
done
for i in 1 2; do
    ip -n "$tag-node$i" addr add 10.77.0.$i/24 dev wire0
    ip -n "$tag-node$i" link set wire0 mtu 9000 up
done
printf '127.0.0.1 localhost\n10.77.0.1 node1\n10.77.0.2 node2\n' >"$work/hosts"
mkdir "$work/tmp-node1" "$work/tmp-node2"
# What mpirun starts its daemon with: on the node, under its name, with a /tmp of its own (else two daemons meet there).
cat >"$work/on" <<END
#!/bin/sh
node=\$1
shift
exec nsenter --net=/run/netns/$tag-\$node unshare -m -u sh -c '
    hostname "\$0" && mount --bind $work/hosts /etc/hosts && mount --bind $work/tmp-\$0 /var/tmp && exec sh -c "\$*"' \$node "\$@"
END
chmod +x "$work/on"
# cluster NP COMMAND...: half of the ranks on each host. Words without blanks: a remote shell joins them.
cluster() {
    local np=$1
    shift
    last="$np ranks: $*"
    TMPDIR=/var/tmp timeout 300 "$work/on" node1 exec mpirun -np "$np" --mca plm rsh --mca plm_rsh_agent "$work/on" \
        --host "node1:$((np / 2)),node2:$((np / 2))" --mca btl self,vader,tcp --mca btl_tcp_if_include 10.77.0.0/24 \
        --mca oob_tcp_if_include 10.77.0.0/24 -x LD_LIBRARY_PATH="$work" "$@" >"$out" 2>"$err" </dev/null
    rc=$?
    return $rc
}
# A round trip of one byte, in milliseconds.
cat >trip.py <<END
import socket, sys, time
if sys.argv[1] == "serve":
    s = socket.create_server(("10.77.0.2", 7777))
    print("ready", flush=True)
    c = s.accept()[0]
    while b := c.recv(1): c.send(b)
else:
    c = socket.create_connection(("10.77.0.2", 7777)); t = time.time()
    for _ in range(20): c.send(b"x"), c.recv(1)
    print("round trip: %.2f ms" % ((time.time() - t) * 50))
END
"$work/on" node2 exec python3 "$PWD/trip.py" serve >served &
until grep -q ready served; do sleep 0.1; done
"$work/on" node1 exec python3 "$PWD/trip.py" ask

# ---- exact, and how fast ----
seq 4 >list
cat >count.py <<END
import sys
sys.path.insert(0, "$top/scripts/examples")
from mpart_dict import Dict
d = Dict()
for _ in range(20):
    d.many([("INCR", "shared%d" % (k % 10)) for k in range(100)])
for i in range(60):
    key, done = "swapped%d" % (i % 6), 0
    while not done:
        old = d("GET", key)
        done = d("SETNX", key, 1) if old is None else d("CAS", key, old, int(old) + 1)
END
cluster 4 "$MPART" map --items "$PWD/list" -o "$PWD/o" --dict-out "$PWD/d.csv" --stats "$PWD/s.json" -- python3 "$PWD/count.py"
check "exit code 0" has_code 0
check "exact over two hosts" [ "$(grep -c '^shared[0-9],800$' d.csv)" = 10 ]
check "by compare-and-swap, too" [ "$(grep -c '^swapped[0-5],40$' d.csv)" = 6 ]
check "on two hosts" [ "$(grep -o '"host": "node[12]"' s.json | sort -u | wc -l)" = 2 ]

if [ -x "$top/build/tests/mpi/test_dict" ]; then
    for i in 1 2; do
        cluster 4 "$top/build/tests/mpi/test_dict"
        check "the tests of one host pass on two" has_code 0
    done
fi

# ---- a rank is killed, on either host ----
cat >never.py <<END
import sys
sys.path.insert(0, "$top/scripts/examples")
from mpart_dict import Dict
d, i = Dict(), 0
while True:
    i += 1
    d.many([(c, "%s%d" % (c, k), *more) for k in range(i % 50) for c, *more in (("SET", "v" * i), ("INCR",), ("DEL",))])
END
for i in $(seq "${KILLS:-6}"); do
    node=$tag-node$((1 + i % 2))
    cluster 4 "$MPART" map --items "$PWD/list" -o "$PWD/o$i" --dict -- python3 "$PWD/never.py" &
    job=$!
    for _ in $(seq 200); do
        [ "$(pgrep -cf "$PWD/never.py [1-4]$")" = 4 ] && break
        sleep 0.05
    done
    sleep "0.$((RANDOM % 10))"
    start=$SECONDS
    kill -9 "$(ip netns pids "$node" | xargs -r ps -o pid=,comm= -p | awk -v n=$((1 + i / 2 % 2)) '$2 == "mpart" && !--n { print $1 }')"
    wait "$job"
    rc=$?
    last="kill -9 of a rank on $node"
    check "exit code 137" has_code 137
    check "it ends by itself, soon" [ $((SECONDS - start)) -lt 20 ]
    check "nothing is written" [ ! -e "o$i" ]
    sleep 0.5
    check "no rank is left, no client" [ -z "$(pgrep -f "$PWD/never.py|$PWD/o$i")" ]
    check "no socket is left" [ -z "$(find "$work"/tmp-node? -name 'mpart-*')" ]
done

# ---- killed and gone on from: each unit counts once ----
seq 60 >many
cat >once.py <<END
import sys, time
sys.path.insert(0, "$top/scripts/examples")
from mpart_dict import Dict
Dict().many([("INCR", "units"), ("INCRBY", "sum", sys.argv[1])])
time.sleep(0.05)
END
for i in 1 2; do
    node=$tag-node$i
    rm -rf once.csv*
    run=("$MPART" map --items "$PWD/many" --dict-out "$PWD/once.csv" --dict-keep 0.1)
    cluster 4 "${run[@]}" -- python3 "$PWD/once.py" &
    job=$!
    for _ in $(seq 200); do
        grep -q '^dict' once.csv.mpart-run/journal 2>/dev/null && break
        sleep 0.05
    done
    kill -9 "$(ip netns pids "$node" | xargs -r ps -o pid=,comm= -p | awk '$2 == "mpart" { print $1; exit }')"
    wait "$job"
    check "it was killed" [ ! -e once.csv ]
    check "some units are kept" grep -q '^dict' once.csv.mpart-run/journal
    cluster 4 "${run[@]}" --resume -- python3 "$PWD/once.py"
    check "exit code 0" has_code 0
    check "each unit counts once" [ "$(tail -n 2 once.csv | tr '\n' ' ')" = "sum,1830 units,60 " ]
done

for np in 2 4; do
    cluster $np "$work/dict_bench" "${OPERATIONS:-400000}"
    check "exit code 0" has_code 0
    cat "$out"
done
if command -v redis-benchmark >/dev/null; then
    seq 2 >list
    cat >load.sh <<'END'
for p in 1 32 512; do
    redis-benchmark -s "$MPART_DICT" -c 1 -P $p -n $((p * 1000)) -r 100000 -t set,get -q 2>&1 | tr '\r' '\n' |
        awk -v p=$p '/requests per/ { printf "RESP, pipeline %d: %s %s/s\n", p, $1, $2 }'
done
END
    cluster 2 "$MPART" map --items "$PWD/list" -o "$PWD/o" --dict -- sh "$PWD/load.sh"
    check "exit code 0" has_code 0
    cat o
fi
finish
