#!/usr/bin/env bash
# dict_redis.sh - the dictionary's socket against redis-server: a long series of random commands, right and wrong, must get
# the same bytes from both (lists without order are compared as sets). Left out are the commands that differ by design:
# expiry, MULTI and channels, SCAN's cursors, INFO, CLIENT, COMMAND, CONFIG.
. "$(dirname "$0")/lib.sh"
# Debian's redis-tools have the server, too, under another name.
program=$(command -v redis-server || command -v redis-check-rdb)
[ "$program" ] || { echo "skip: redis-server is not there"; exit 77; }
server=$work/redis
ln -s "$program" "$work/redis-server" # a program of several uses, by its name
"$work/redis-server" --port 0 --unixsocket "$server" --save '' --appendonly no >redis.log 2>&1 &
redis=$!
trap 'kill $redis; rm -rf "$work"' EXIT
for _ in $(seq 100); do
    [ -S "$server" ] && break
    sleep 0.1
done
cat >both.py <<'PY'
import os, random, socket, sys

class Peer:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def send(self, words):
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))

    def reply(self):
        """As bytes; of an array the list of its elements."""
        line = self.file.readline()
        if line[:1] == b"$" and line != b"$-1\r\n":
            return line + self.file.read(int(line[1:]) + 2)
        if line[:1] == b"*" and line != b"*-1\r\n":
            return [self.reply() for _ in range(int(line[1:]))]
        return line

rng = random.Random(int(sys.argv[1]))
pick = rng.choice
KEYS = [b"a", b"b", b"c", b"h", b"h2", b"s", b"s2", b"n", b"", b"k\0\r\n", b"x y", b"\xff\xfe", b"none"]
NAMES = [b"f1", b"f2", b"", b"\0", b"a b", b"n", b"12"]
INTS = [b"0", b"1", b"-1", b"10", b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808", b"",
        b"007", b"+5", b" 5", b"5 ", b"-0", b"1.0", b"1e3", b"x", b"99999999999999999999999"]
# Sums of floats are on keys and fields of their own, since Redis adds long doubles: there all numbers are short binary
# fractions, whose sums are exact for both.
FLOAT_KEYS, FLOAT_NAMES = [b"f", b"f2", b"fh", b"fs"], [b"q", b"\xe9"]
FLOATS = [b"0.5", b"-0.25", b"3", b"1e3", b"-1.5e2", b".5", b"5.", b"inf", b"-inf", b"nan", b"abc", b"", b" 1", b"1 ", b"0",
          b"-0", b"1024.125", b"1.", b"12"]
VALUES = INTS + [b"text", b"\0\n\r\n", b"v" * 300, b"\xe9", b"1.5"]
PATTERNS = [b"*", b"?", b"h*", b"[a-c]", b"[^a]", b"\\*", b"*y", b"", b"[", b"[a", b"k*", b"*\xfe", b"[c-a]", b"h?", b"**2"]
key, name, value, number = lambda: pick(KEYS), lambda: pick(NAMES), lambda: pick(VALUES), lambda: pick(INTS)
fkey, fname, real = lambda: pick(FLOAT_KEYS), lambda: pick(FLOAT_NAMES), lambda: pick(FLOATS)
pair = lambda: pick([lambda: [key(), value()], lambda: [fkey(), real()]])()
field = lambda: pick([lambda: [name(), value()], lambda: [fname(), real()]])()
any_key, any_name = lambda: pick(KEYS + FLOAT_KEYS), lambda: pick(NAMES + FLOAT_NAMES)
hash_key = lambda: pick([b"h", b"h2", b"fh", any_key()])

def some(of):
    return [of() for _ in range(rng.randint(1, 4))]

def pairs(of):
    return sum(some(of), [])

COMMANDS = {
    "GET": lambda: [any_key()], "SETNX": pair, "GETSET": pair, "APPEND": lambda: [key(), value()], "STRLEN": lambda: [any_key()],
    "SET": lambda: pair() + pick([[], [], [], [b"NX"], [b"XX"], [b"GET"], [b"nx", b"get"], [b"XX", b"GET"], [b"NX", b"XX"],
                                  [b"KEEPTTL"], [b"FOO"], [b"GET", b"GET"], [b"NX", b"NX"]]),
    "DEL": lambda: some(any_key), "UNLINK": lambda: some(any_key), "EXISTS": lambda: some(any_key), "TOUCH": lambda: some(any_key),
    "INCR": lambda: [any_key()], "DECR": lambda: [any_key()], "INCRBY": lambda: [key(), number()], "DECRBY": lambda: [key(), number()],
    "INCRBYFLOAT": lambda: [fkey(), real()], "MGET": lambda: some(any_key), "MSET": lambda: pairs(pair), "GETDEL": lambda: [any_key()],
    "TYPE": lambda: [any_key()], "HSET": lambda: [hash_key()] + pairs(field), "HMSET": lambda: [hash_key()] + pairs(field),
    "HSETNX": lambda: [hash_key()] + field(), "HGET": lambda: [hash_key(), any_name()], "HMGET": lambda: [hash_key()] + some(any_name),
    "HEXISTS": lambda: [hash_key(), any_name()], "HINCRBY": lambda: [hash_key(), name(), number()],
    "HINCRBYFLOAT": lambda: [hash_key(), fname(), real()], "HGETALL": lambda: [hash_key()], "HKEYS": lambda: [hash_key()],
    "HVALS": lambda: [hash_key()], "HLEN": lambda: [hash_key()], "HDEL": lambda: [hash_key()] + some(any_name),
    "SADD": lambda: [any_key()] + some(name), "SREM": lambda: [any_key()] + some(name), "SMEMBERS": lambda: [any_key()],
    "SISMEMBER": lambda: [any_key(), name()], "SMISMEMBER": lambda: [any_key()] + some(name), "SCARD": lambda: [any_key()],
    "KEYS": lambda: [pick(PATTERNS)], "DBSIZE": lambda: [], "PING": lambda: pick([[], [value()]]), "ECHO": lambda: [value()],
    "SELECT": lambda: [pick([b"0", b"0", b"16", b"-1", b"x", b""])], "TTL": lambda: [any_key()], "FLUSHALL": lambda: [],
    "NOSUCH": lambda: some(value), "HELLO": lambda: [pick([b"4", b"x", b"1"])],
}
COMMANDS = {verb.encode(): make for verb, make in COMMANDS.items()}
OFTEN = [c for c in COMMANDS if c not in (b"FLUSHALL", b"NOSUCH", b"SELECT", b"PING", b"ECHO", b"HELLO", b"DBSIZE")]
UNORDERED = (b"KEYS", b"SMEMBERS", b"HKEYS", b"HVALS")

def order(words, answer):
    if isinstance(answer, list) and words[0].upper() in UNORDERED:
        return sorted(answer)
    if isinstance(answer, list) and words[0].upper() == b"HGETALL":
        return sorted(zip(answer[::2], answer[1::2]))
    return answer

def command():
    verb = pick(OFTEN) if rng.random() < 0.95 else pick(list(COMMANDS))
    words = [verb] + COMMANDS[verb]()
    if rng.random() < 0.04 and verb != b"HELLO":  # wrong arity
        words = words[: max(1, len(words) - 1)] if rng.random() < 0.5 else words + [value()]
    if rng.random() < 0.1:
        words[0] = words[0].lower()
    return words

mine, theirs = Peer(os.environ["MPART_DICT"]), Peer(sys.argv[2])
theirs.send([b"FLUSHALL"]), theirs.reply(), mine.send([b"FLUSHALL"]), mine.reply()
n, bad = int(sys.argv[3]), {}
for at in range(0, n, 50):
    batch = [command() for _ in range(50)]
    for words in batch:
        mine.send(words), theirs.send(words)
    for words in batch:
        a, b = order(words, mine.reply()), order(words, theirs.reply())
        if a != b and words[0].upper() not in bad:
            bad[words[0].upper()] = (words, a, b)
for words, a, b in bad.values():
    print("%r\n   mpart %r\n   redis %r" % (words, a, b))
print("the same" if not bad else "%d commands differ" % len(bad))
PY
echo 1 >one
for np in 0 3; do
    succeeds $np map --items one --dict -- python3 both.py $((np + 1)) "$server" "${COMMANDS:-6000}"
    check "the same answers as redis-server" prints "the same"
    grep -v '^the same$' "$out"
done
finish
