#!/usr/bin/env bash
# dict_clients.sh - the dictionary's socket with the clients that people have: redis-cli (which is hiredis) and redis-py.
. "$(dirname "$0")/lib.sh"
python=/usr/bin/python3
$python -c 'import redis' 2>/dev/null && command -v redis-cli >/dev/null || {
    echo "skip: redis-tools, python3-redis are not here"
    exit 77
}
seq 1 12 >list
cat >shell.sh <<'END'
ask() { redis-cli -s "$MPART_DICT" "$@"; }
set -e
[ "$(ask PING)" = PONG ]
ask INCRBY sum "$1" >/dev/null
ask HINCRBY "by three" "rest $(($1 % 3))" 1 >/dev/null
printf 'SADD seen "a b" m%d\nINCR lines\nINCR lines\n' "$1" | ask >/dev/null
printf '*2\r\n$4\r\nINCR\r\n$4\r\nmass\r\n%.0s' $(seq 100) | ask --pipe | grep -q 'errors: 0, replies: 100'
ask SET "mine $1" $'x\ny' NX
END
cat >client.py <<'END'
import os, sys
import redis
d, i = redis.Redis(unix_socket_path=os.environ["MPART_DICT"], client_name="me"), int(sys.argv[1])
d.incrby("sum", i)
d.hincrby("by three", "rest %d" % (i % 3))
d.sadd("seen", "a b", "m%d" % i)
p = d.pipeline(transaction=False)
for _ in range(100):
    p.incr("mass")
p.incrby("lines", 2)
p.execute()
assert d.set("mine %d" % i, "x\ny", nx=True) and not d.set("mine %d" % i, "z", nx=True)
assert d.mget("mine %d" % i, "none") == [b"x\ny", None] and d.sismember("seen", "a b")
assert d.hset("own %d" % i, mapping={"a": 1, "b": b"\0\r\n"}) == 2
assert d.hgetall("own %d" % i) == {b"a": b"1", b"b": b"\0\r\n"} and d.delete("own %d" % i) == 1
assert b"mine %d" % i in d.keys("mine*") and b"mine %d" % i in set(d.scan_iter("mine*", count=1))
assert d.info()["redis_mode"] == "standalone" and d.incrbyfloat("float %d" % i, 1.5) == 1.5
for wrong, says in [(lambda: d.pipeline().incr("never").execute(), "without a transaction"), (lambda: d.incr("seen"), "WRONGTYPE"),
                    (lambda: d.set("k", 1, ex=5), "do not expire"), (lambda: d.lpush("list", 1), "unknown command")]:
    try:
        wrong()
        raise SystemExit("no error of " + says)
    except redis.ResponseError as e:
        assert says in str(e), e
d.delete("never", "float %d" % i)
print("OK")
END
for np in 0 3; do
    succeeds $np map --items list --dict-out shell$np.csv -o said -- bash shell.sh
    check "redis-cli's answers" [ "$(grep -c OK said)" = 12 ]
    succeeds $np map --items list --dict-out client$np.csv -o said -- $python client.py
    check "redis-py's answers" [ "$(grep -c OK said)" = 12 ]
    check "both do the same" same client$np.csv shell$np.csv
    check "and for any number of ranks" same client$np.csv client0.csv
done
check "exact" [ "$(grep -E '^(sum|mass|lines),' client0.csv | sort | tr '\n' ' ')" = "lines,24 mass,1200 sum,78 " ]
echo 1 >one
succeeds 3 map --items one --dict -- bash -c 'redis-cli -s "$MPART_DICT" MSET a 1 b 2 c 3 d 4 e 5; redis-cli -s "$MPART_DICT" INFO'
check "INFO counts the keys of all ranks" grep -q 'db0:keys=5,' "$out"
finish
