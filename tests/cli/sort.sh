#!/usr/bin/env bash
# sort.sh - --sort in files of several ranges: the order is Python's, and the bytes are the same for every number of ranks.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || { echo "python3 is not here"; exit 77; }

# make.py FILE ROWS: every kind of key, with many ties, nulls, long equal beginnings, decimals of all lengths.
cat >make.py <<'EOF'
import random, sys
rnd = random.Random(7)
kinds = ["", "a", "a beginning that many keys have; ", "zz", "\x02\x01"]
with open(sys.argv[1], "w", newline="") as out:
    out.write("id,s,d,f,i,b,t\n")
    for n in range(int(sys.argv[2])):
        s = rnd.choice(kinds) + "".join(rnd.choice("ab\x01") for _ in range(rnd.randrange(9)))
        d = "%d.%0*d" % (rnd.randrange(-30, 30), rnd.randrange(1, 12), rnd.randrange(10))
        f = rnd.choice(["nan", "inf", "-inf", "-0.0", "1e300"]) if n % 9 == 0 else repr(rnd.gauss(0, 1e3))
        i = rnd.choice([-2**63, 2**63 - 1, -1, 0]) if n % 11 == 0 else rnd.randrange(-300, 300)
        t = "2024-%02d-%02d" % (rnd.randrange(1, 13), rnd.randrange(1, 29))
        row = [s, d, f, str(i), rnd.choice(["true", "false"]), t]
        out.write(",".join([str(n)] + [v if rnd.random() > .1 else "" for v in row]) + "\n")
EOF
# order.py FILE KEYS...: for each list of keys, the same order by Python's sort, which is stable: by the last key first. Into expected.KEYS.
cat >order.py <<'EOF'
import sys
from decimal import Decimal
lines = open(sys.argv[1], newline="").read().split("\n")[:-1]
names = lines[0].split(",")
table = [line.split(",") for line in lines[1:]]
value = {"s": lambda v: v.encode(), "d": Decimal, "i": int, "id": int, "t": str, "b": lambda v: v == "true",
         "f": lambda v: (1, 0.0) if v == "nan" else (0, float(v))}
for keys in sys.argv[2:]:
    rows = table
    for key in reversed(keys.split(",")):
        name = key.lstrip("-")
        c = names.index(name)
        rest = [r for r in rows if r[c] != ""]
        nulls = [r for r in rows if r[c] == ""]
        rest.sort(key=lambda r: value[name](r[c]), reverse=key[0] == "-")
        rows = rest + nulls
    with open("expected." + keys, "w", newline="") as out:
        out.write("".join(",".join(r) + "\n" for r in [names] + rows))
EOF

python3 make.py t.csv 150000 || exit 1
lists='s -s d -d,i f -f,-s b,-t,d i,s t,-b,-i -id'
python3 order.py t.csv $lists b,-d || exit 1
for keys in $lists; do
    for np in 0 3; do
        succeeds $np query t.csv --sort="$keys" -o o.csv
        check "$keys with $np ranks is what Python finds" same o.csv "expected.$keys"
    done
done
for np in 2 5 16; do
    succeeds $np query t.csv --sort="t,-b,-i" -o o.csv
    check "$np ranks" same o.csv expected.t,-b,-i
done

# The same rows in other forms, and a part of them.
cp expected.b,-d expected
succeeds 0 query t.csv --sort=b,-d -o ref.ndjson
for np in 2 5; do
    succeeds $np query t.csv --sort=b,-d -o o.ndjson
    check "ndjson" same o.ndjson ref.ndjson
    succeeds $np query t.csv --sort=b,-d -o o.tsv
    check "tsv" same <(tr '\t' , <o.tsv) expected
    succeeds $np query t.csv --sort=b,-d
    check "standard output" same "$out" expected
done
for np in 0 1 5; do
    for part in "100000 70000" "0 3" "7 10" "149999 10" "200000 5" "65000 65536" "5 0"; do
        set -- $part
        succeeds $np query t.csv --sort=b,-d --offset "$1" --limit "$2"
        check "rows $1 to $(($1 + $2))" \
            same <(tail -n +2 "$out") <(tail -n +2 expected | tail -n "+$(($1 + 1))" | head -n "$2")
    done
done
# Computed outputs, formatted once.
for np in 0 2 5; do
    succeeds $np query t.csv --select 'id, d + 1.5, upper(s)' --sort=id
    check "computed" same <(tail -n +2 "$out" | cut -d, -f1) <(seq 0 149999)
    cp "$out" "computed.$np"
    check "the same" same computed.$np computed.0
done

# Few rows, none, equal keys, rows in order already.
echo a,b >none.csv
printf 'a,b\n2,x\n1,y\n' >two.csv
{ echo a,b; seq 1 100000 | sed 's/^/same,/'; } >equal.csv
{ echo a,b; seq 100001 200000 | sed 's/$/,z/'; } >sorted.csv
for np in 0 2 16; do
    succeeds $np query none.csv --sort=a,-b -o o.csv
    check "no rows" same o.csv none.csv
    succeeds $np query two.csv --sort=a
    check "two rows" [ "$(tr '\n' ' ' <"$out")" = "a,b 1,y 2,x " ]
    for desc in "" -; do
        succeeds $np query equal.csv --sort=${desc}a -o o.csv
        check "equal keys keep their order" same o.csv equal.csv
    done
    succeeds $np query sorted.csv --sort=a -o o.csv
    check "in order already" same o.csv sorted.csv
done

# Rows and keys longer than a block of rows.
python3 - <<'EOF' || exit 1
import random
rnd = random.Random(3)
rows = []
for n in range(300):
    key = "k" * rnd.choice([0, 1, 253, 254, 255, 256, 65530, 70000, 150000]) + str(n % 7)
    rows.append((key, "v" * rnd.choice([0, 1, 200, 65000, 66000, 120000]) + str(n)))
for name, some in (("long.csv", rows), ("expected", sorted(rows, key=lambda r: r[0]))):
    with open(name, "w") as out:
        out.write("k,v\n" + "".join("%s,%s\n" % r for r in some))
EOF
for np in 0 2 5; do
    succeeds $np query long.csv --sort=k -o o.csv
    check "long rows" same o.csv expected
done
finish
