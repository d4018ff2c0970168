#!/usr/bin/env bash
# dict_series.sh - the shared dictionary under load: RANKS ranks (default 8) with four clients each, every client INCREMENTS
# (default 100000) increments of 100 shared keys, pipelined: totals are exact. Then counters by compare-and-swap, SWAPS (default 200)
# of each client on ten keys: exact, too. 1e5 uniform keys: no owner has over twice the mean of them. And clients that go too far: a
# pipeline of a million commands, values of 100 MB, a client that reads nothing, one that dies in the middle.
. "$(dirname "$0")/../cli/lib.sh"
ranks=${RANKS:-8} increments=${INCREMENTS:-100000} swaps=${SWAPS:-200}
clients=$((4 * ranks))
cat >clients.py <<END
import os, sys
sys.path.insert(0, "$here/../../scripts/examples")
from mpart_dict import Dict

def work(client):
    d = Dict()
    for at in range(0, $increments, 500):
        answers = d.many([("INCR", "shared%d" % (i % 100)) for i in range(at, min(at + 500, $increments))])
        assert all(isinstance(a, int) for a in answers)
    d("INCR", "ended")
    for i in range($swaps):
        key = "swapped%d" % ((client + i) % 10)
        while True:
            old = d("GET", key)
            if d("SETNX", key, 1) if old is None else d("CAS", key, old, int(old) + 1):
                break

children = []
for i in range(4):
    pid = os.fork()
    if pid == 0:
        work(int(sys.argv[1]) * 4 + i)
        os._exit(0)
    children.append(pid)
sys.exit(any([os.waitpid(pid, 0)[1] for pid in children]))
END
cat >uniform.py <<END
import sys
sys.path.insert(0, "$here/../../scripts/examples")
from mpart_dict import Dict
d, part = Dict(), int(sys.argv[1]) - 1
keys = range(part * 100000 // $ranks, (part + 1) * 100000 // $ranks)
for at in range(0, len(keys), 1000):
    d.many([("SET", "key%d" % k, k) for k in keys[at : at + 1000]])
END
# long_run ARGS...: as run, with more time.
long_run() {
    last="-np $ranks mpart $*"
    timeout 2400 mpirun -np "$ranks" "$MPART" "$@" >"$out" 2>"$err"
    rc=$?
    check "exit code 0" has_code 0
}
seq "$ranks" >list
start=$SECONDS
long_run map --items list --dict-out d.csv -- python3 clients.py
check "increments are exact" [ "$(grep -c "^shared[0-9]*,$((clients * increments / 100))$" d.csv)" = 100 ]
check "all clients came to the end" grep -qx "ended,$clients" d.csv
check "swaps are exact" [ "$(awk -F, '/^swapped/ { n += $2 } END { print n }' d.csv)" = $((clients * swaps)) ]
echo "$ranks ranks, $clients clients: $((clients * increments)) increments, $((clients * swaps)) swaps in $((SECONDS - start)) s"

long_run map --items list --dict --stats s.json -- python3 uniform.py
check "no owner has over twice the mean" python3 -c '
import json
for name in "dict_keys", "dict_operations":
    n = [r[name] for r in json.load(open("s.json"))["ranks"]]
    assert sum(n) >= 100000 and max(n) <= 2 * sum(n) / len(n), (name, n)'

# ---- clients that go too far ----
cat >hostile.py <<END
import os, socket, sys, threading
sys.path.insert(0, "$here/../../scripts/examples")
from mpart_dict import Dict
d, me = Dict(), sys.argv[1]
deaf, half, dies = (Dict().socket for _ in range(3))
half.sendall(b"*3\r\n\$3\r\nSET\r\n\$400000000\r\nabc")
dies.sendall(b"*2\r\n\$4\r\nINCR\r\n\$100\r\nabc")
dies.close()
n = 1000000
threading.Thread(target=d.socket.sendall, args=(b"INCR pipe%s\r\n" % me.encode() * n,)).start()
assert all(d._read() == i + 1 for i in range(n))
value = os.urandom(1 << 20) * 100
assert d("SET", "big" + me, value) == "OK" and d("STRLEN", "big" + me) == len(value)
deaf.setblocking(False)
sent = 0
try:
    while sent < 1 << 24: sent += deaf.send(b"GET big%s\r\n" % me.encode() * 1000)
except BlockingIOError: pass
assert d("GET", "big" + me) == value
assert d("APPEND", "big" + me, "x") == len(value) + 1 and d("GETDEL", "big" + me) == value + b"x"
deaf.close()
print("well", sent < 1 << 24)
END
seq 2 >two
ranks=2 long_run map --items two --dict --memory 4G -- python3 hostile.py
check "both came to the end" [ "$(grep -c '^well True$' "$out")" = 2 ]
cat >refused.py <<END
import sys
sys.path.insert(0, "$here/../../scripts/examples")
from mpart_dict import Dict
d = Dict()
d("SET", "kept", 1)
for command in ("SET", "APPEND"):
    try: Dict()(command, "big", b"v" * 100000000)
    except (RuntimeError, ConnectionError) as why: print(command, "OOM" in str(why) or type(why))
print(d("GET", "kept"), d("EXISTS", "big"))
END
ranks=2 long_run map --items two --dict --memory 64M -- python3 refused.py
check "100 MB do not fit in 64" [ "$(grep -c "^b'1' 0$" "$out")" = 2 ]
cat "$out"
finish
