#!/usr/bin/env bash
# dict_bad.sh - clients of the dictionary's socket that go too far: commands and answers that are larger than the memory, half a
# command and silence, answers that nobody reads, a million commands in one go, clients that leave before they are answered.
# Each is told why, or hurts itself alone. (Bytes that are not RESP, arity and types: test_resp.c and dict_redis.sh.)
. "$(dirname "$0")/lib.sh"
export TMPDIR=$work/tmp
mkdir "$TMPDIR"
cp "$here/../../scripts/examples/mpart_dict.py" .
seq 1 2 >two
echo 1 >one

# ---- 64 MiB a rank ----
cat >large.py <<'END'
import sys
from mpart_dict import Dict
me = sys.argv[1]

def refused(d, *words):
    try:
        return d(*words)
    except RuntimeError as why:
        assert str(why).startswith("OOM command not allowed when used memory > 'maxmemory': "), why
        assert "do not fit in the budget of" in str(why) and "--memory" in str(why), why

d, large = Dict(), b"v" * 20000000
d("SET", "kept" + me, 1)
d("SET", "wide" + me, b"w" * 1000000)
# the client is still sending when it is clear that there is no room: it gets its answer all the same, and stays
for words in ("SET", "big" + me, large), ("APPEND", "big" + me, large), ("HSET", "big" + me, "a", 1, "b", large), ("ECHO", large), \
        ("MSET", "x" + me, 1, "y" + me, large, "z" + me, 2), ("SET", large, 1), [b"SADD", "big" + me] + [b"m%d" % i for i in range(700000)]:
    assert refused(d, *words) is None, words[0]
    assert d("PING") == "PONG"
assert d("MGET", "kept" + me, "x" + me, "z" + me) == [b"1", None, None] and d("EXISTS", "big" + me) == 0
answers = d.many([("INCR", "n" + me), ("SET", "big" + me, large), ("INCR", "n" + me), ("GET", "big" + me)])
assert answers[0::2] == [1, 2] and isinstance(answers[1], RuntimeError) and answers[3] is None, answers

# half of a large command and silence, five times: others do not notice
silent = []
for i in range(5):
    s = Dict().socket
    s.setblocking(False)
    s.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$400000000\r\n")
    for _ in range(400):
        try:
            s.send(large[:65536])
        except BlockingIOError:
            Dict()("PING")
    silent.append(s)
for i in range(300):
    assert d("SET", "small%s-%d" % (me, i), b"v" * 1000) == "OK"
# many who are silent at the beginning
silent += [Dict().socket for _ in range(200)]
for s in silent[5:]:
    s.send(b"*3\r\n$3\r\nSET\r\n$400000000\r\n")
assert d("STRLEN", "small%s-299" % me) == 1000

# some that never read: they are not read from any more, and that is all
for i in range(20):
    silent.append(Dict().socket)
    silent[-1].setblocking(False)
    try:
        while True:
            silent[-1].send(b"GET wide%s\r\n" % me.encode() * 100)
    except BlockingIOError:
        pass
for i in range(300):
    assert d("STRLEN", "wide" + me) == 1000000
print("well")
END
succeeds 2 map --items two --memory 64M --dict --stats s.json -- python3 large.py
check "both came to the end" [ "$(grep -c '^well$' "$out")" = 2 ]
# 20 MiB more than the limit are the program and MPI
check "within --memory" python3 -c '
import json
assert all(r["peak_rss"] < 84 << 20 for r in json.load(open("s.json"))["ranks"])'

# ---- a million commands before anything is read; values of 100 MB ----
cat >million.py <<'END'
from mpart_dict import Dict
d, n = Dict(), 1000000
d.socket.sendall(b"*2\r\n$4\r\nINCR\r\n$4\r\npipe\r\n" * n)
assert all(d._read() == i + 1 for i in range(n))
assert d.many([("INCR", "pipe")] * 200000)[-1] == n + 200000
large = bytes(range(256)) * 390625
assert d("SET", b"\0\r\n", large) == "OK" and d("GET", b"\0\r\n") == large and d("APPEND", b"\0\r\n", "x") == len(large) + 1
print("well")
END
succeeds 2 map --items one --memory 2G --dict -- python3 million.py
check "all answers, in order" prints well

# ---- clients that leave ----
# A pipeline whose answers nobody reads is carried out, also where its client leaves at the very end of the run.
cat >forget.py <<'END'
from mpart_dict import Dict
for i in range(20):
    d = Dict().socket
    d.sendall(b"INCR forgotten\r\nINCR forgotten%d\r\n" % i * 3000)
END
for np in 0 2; do
    succeeds $np map --items one --dict-out d.csv -- python3 forget.py
    check "all is carried out" grep -qx forgotten,60000 d.csv
done
# A process of another session outlives its command, asks for more than it reads, and does not keep the run from its end.
cat >stay.py <<'END'
import os, time
from mpart_dict import Dict
Dict()("SET", "wide", b"w" * 1000000)
if os.fork() == 0:
    os.setsid()
    os.closerange(0, 3)
    deaf = Dict().socket
    deaf.setblocking(False)
    try:
        while True:
            deaf.send(b"GET wide\r\n" * 100)
    except BlockingIOError:
        pass
    open("stays", "w").write("%d" % os.getpid())
    time.sleep(60)
    os._exit(0)
while not os.path.exists("stays"):
    time.sleep(0.01)
END
for np in 0 2; do
    rm -f stays
    start=$SECONDS
    succeeds $np map --items one --dict-out d.csv -- python3 stay.py
    check "the run ends" [ $((SECONDS - start)) -lt 15 ]
    kill "$(cat stays)" 2>/dev/null
done
# ---- no descriptor is left for a client, and none is connected that could leave ----
cat >again.py <<'END'
import os, resource, socket, time
pid = os.getppid()
while open("/proc/%d/comm" % pid).read().strip() != "mpart":
    pid = int(open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[1])
old = resource.prlimit(pid, resource.RLIMIT_NOFILE)
resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, old[1]))
s = socket.socket(socket.AF_UNIX)
s.settimeout(10)
s.connect(os.environ["MPART_DICT"])
s.sendall(b"PING\r\n")
time.sleep(0.2)
resource.prlimit(pid, resource.RLIMIT_NOFILE, old)
assert s.recv(100) == b"+PONG\r\n"
END
succeeds 0 map --items one --dict -- python3 again.py
check "no folder of a socket is left" [ -z "$(ls -A "$TMPDIR")" ]
finish
