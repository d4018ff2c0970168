# new_keys.sh - rows whose keys are nearly all new pass by the table of groups; then keys come again, and the reverse. The answer is
# Python's, with the same bytes for every number of ranks, cutting and SIMD level; a budget that is used up on the way is one message.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || { echo "python3 is not here"; exit 77; }

# N rows of each kind: keys of the row alone, one of 100 in another spelling of a value that is there; 3000 keys in turn.
cat >make.py <<'END'
import sys
N = 200000
def new(i):
    j = i - 1 if i % 100 == 57 else i
    return 'user %07d,%s' % (j * 7919 % 10000019, '%d.%d' % (j, j % 9 + 1) + ('0' if j != i else ''))
def few(i):
    return 'user %04d,%d.5' % (i % 3000, i % 3000)
a, b = (new, few) if sys.argv[1] == 'new_first' else (few, new)
print('name,price,v')
for i in range(2 * N):
    print('%s,%s' % ((a if i < N else b)(i), '' if i % 50 == 3 else '%d.%02d' % (i % 1000, i % 97)))
END
# The groups by value, sorted as text, beside those of the answer.
cat >check.py <<'END'
import sys
sums = {}
def num(text):
    whole, part = text.split('.')
    return int(whole), part.rstrip('0') or '0'
with open(sys.argv[1]) as f:
    next(f)
    for line in f:
        name, price, v = line.rstrip('\n').split(',')
        group = sums.setdefault((name, num(price)), [0, 0, 0])
        group[0] += 1
        if v:
            group[1] += 1
            group[2] += int(v.replace('.', ''))
want = set()
for (name, (whole, part)), (rows, n, cents) in sums.items():
    text = '%d.%02d' % divmod(cents, 100) if n else ''
    text = text[:-1] if text.endswith('0') else text
    want.add('%s,%d.%s,%s,%d' % (name, whole, part, text, rows))
with open(sys.argv[2]) as f:
    assert next(f).rstrip('\n') == 'name,price,sum_v,count', 'header'
    lines = f.read().splitlines()
assert len(lines) == len(want), (len(lines), len(want))
assert set(lines) == want, sorted(set(lines) ^ want)[:4]
END
ref=$work/ref
mkdir "$ref" out
query=(--by 'name,price' --agg 'sum(v), count()')

for kind in new_first few_first; do
    python3 make.py $kind >$kind.csv
    succeeds 0 query $kind.csv "${query[@]}"
    cp "$out" "$ref/$kind"
    check "$kind is what Python finds" python3 check.py $kind.csv "$ref/$kind"
    for np in 2 3 5; do
        succeeds $np query $kind.csv "${query[@]}"
        check "$kind with $np ranks" same "$out" "$ref/$kind"
    done
    for simd in c avx2; do
        MPART_SIMD=$simd succeeds 2 query $kind.csv "${query[@]}"
        check "$kind with $simd" same "$out" "$ref/$kind"
    done
    MPART_TEST_SPLITS=1000,3000000,3000001,7000000 succeeds 3 query $kind.csv "${query[@]}"
    check "$kind cut" same "$out" "$ref/$kind"
    MPART_TEST_SPLITS=1000,3000000,7000000 MPART_GUESS=wrong succeeds 2 query $kind.csv "${query[@]}"
    check "$kind with a wrong guess" same "$out" "$ref/$kind"
done

# The budget ends among the records.
for np in 0 2 5; do
    run $np query new_first.csv "${query[@]}" --memory $((np == 5 ? 4 : 8))M -o out/o.csv
    check "exit code 1" has_code 1
    check "the limit is named" grep -q '^mpart: out of memory: .* do not fit in the budget of [48]\.0 MiB$' "$err"
    check "what helps" says_once 'hint: give each rank more with --memory, or use more ranks'
    check "one message" one_message
    check "no output" no_output out
done
finish
