# ndjson.sh - NDJSON in: the values that Python's json finds, the types, bad rows; the same for every number of ranks and cut.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || { echo "python3 is not here"; exit 77; }
mkdir out
skip='hint: --on-bad-row skip leaves such rows out'
py() { python3 "$here/ndjson.py" "$@"; }

# ---- against Python ----
for seed in 1 2; do
    py make r$seed.ndjson $seed 4500 0.3 || exit 1
    py pass r$seed.ndjson >want || exit 1
    for np in 0 1 2 3 5 16; do
        [ $seed = 2 ] && [ $np -gt 3 ] && continue
        succeeds_or_rejects() { [ "$rc" = 3 ] || [ "$rc" = 0 ]; }
        run $np query r$seed.ndjson --on-bad-row skip --rejects rej.csv
        check "bad rows are counted" succeeds_or_rejects
        check "the rows that Python reads, seed $seed" same "$out" want
        succeeds 0 query rej.csv --agg 'count()'
        check "as many bad rows" same <(tail -n 1 "$out") <(py rejects r$seed.ndjson)
        [ $np = 0 ] && cp rej.csv rej.ref
        check "the same rejects" same rej.csv rej.ref
    done
    cp want "$work/r$seed.want"
    cp rej.ref "$work/r$seed.rejects"
done
py make g.ndjson 3 700 0
py pass g.ndjson >want
gzip -k g.ndjson
for np in 0 2 5; do
    succeeds $np query g.ndjson.gz
    check "gzip" same "$out" want
    succeeds $np query g.ndjson --scatter data
    check "as data" same "$out" want
    run_piped g.ndjson $np query - --input-format ndjson
    check "a pipe" same "$out" want
done
if command -v zstd >/dev/null; then
    zstd -q g.ndjson
    succeeds 3 query g.ndjson.zst
    check "zstd" same "$out" want
fi

for simd in c avx2 avx512; do
    MPART_SIMD=$simd run 0 query r1.ndjson --on-bad-row skip --rejects rej.csv
    check "MPART_SIMD=$simd: the rows" same "$out" "$work/r1.want"
    check "MPART_SIMD=$simd: the rejects" same rej.csv "$work/r1.rejects"
done

# ---- every cut ----
py make c.ndjson 4 24 0
py pass c.ndjson >want
size=$(stat -c %s c.ndjson)
cut() {
    MPART_TEST_SPLITS=$1 timeout -k 5 20 "$MPART" query c.ndjson >"$out" 2>"$err" && cmp -s "$out" want && return
    rc=$?
    last="MPART_TEST_SPLITS=$1 mpart query c.ndjson"
    check "cut at $1" false
}
for ((k = 1; k <= 61; k++)); do cut "$(seq -s, $k 61 $((size - 1)))"; done
for ((k = 3; k < size; k += 97)); do cut $k,$((k + 1)); done
every=$(seq -s, 1 $((size - 1)))
cut "$every"
MPART_TEST_SPLITS=$every succeeds 3 query c.ndjson
check "cut everywhere, 3 ranks" same "$out" want
MPART_TEST_SPLITS=$every succeeds 3 query c.ndjson --scatter data
check "cut everywhere, as data" same "$out" want

# ---- types: a string is a text whatever it looks like, but dates are dates ----
cat >t.ndjson <<'A'
{"id":1,"code":"1.50","amount":2.5,"day":"2024-05-01","ok":true,"big":12345678901234567890,"nest":{"a": [1, "x"]}}
{"id":2,"code":"1.5","amount":1,"day":"2024-06-01","ok":false,"nest":[]}
{"id":3,"code":"1.50","amount":-0.25,"day":null,"ok":null,"big":1}
{"code":"","id":4}
A
printf '{"code":"1.50"}\n{"code":2}\n{"code":"0.5"}\n' >u.ndjson
for np in 0 1 3; do
    succeeds $np query t.ndjson --by code --agg 'sum(amount) as s, count() as n'
    check "texts that look like numbers stay apart" same "$out" - <<'A'
code,s,n
"",,1
1.5,1.0,1
1.50,2.25,2
A
    succeeds $np query t.ndjson --where 'year(day) = 2024 and ok' --select 'id, amount * 2 as d, nest, big'
    check "dates, bools, nested values as text" same "$out" - <<'A'
id,d,nest,big
1,5.0,"{""a"": [1, ""x""]}",12345678901234567890
A
    succeeds $np query t.ndjson --agg 'count(), count(day), count(code), max(id)'
    check "missing and null are null" same "$out" <(printf 'count,count_day,count_code,max_id\n4,2,4,4\n')
    succeeds $np query u.ndjson --agg 'sum(code) as s' --types code:decimal
    check "--types takes a text at its word" same "$out" <(printf 's\n4.0\n')
    succeeds $np query u.ndjson --agg 'sum(float(code)) as s'
    check "so does float()" same "$out" <(printf 's\n4.0\n')
    succeeds $np query t.ndjson --select id,ok --null true --limit 2
    check "--null" same "$out" <(printf 'id,ok\n1,\n2,false\n')
done
succeeds 2 info t.ndjson
for want in 'format:  NDJSON' 'code    string' 'amount  decimal' 'day     date' 'ok      bool' 'big     string' 'nest    string'; do
    check "info says $want" prints "$want"
done
succeeds 0 query t.ndjson --plan
check "--plan says NDJSON" prints 't.ndjson: NDJSON, scattered as byte ranges'
succeeds 2 query t.ndjson --select id,code -o o.ndjson
check "and out again" same o.ndjson <(printf '{"id":%s,"code":"%s"}\n' 1 1.50 2 1.5 3 1.50 4 '')
refuses 65 "mpart: bad data: file 't.ndjson', row 1, column 'code': '1.50' is a text
hint: float(code) reads it as a number" query t.ndjson --agg 'sum(code)' -o out/o.csv

# ---- bad rows ----
table() { awk -v r="$1" -v l="$2" 'BEGIN { for (i = 1; i <= 40000; i++) print i == r ? l : "{\"id\":" i ",\"name\":\"n" i "\"}" }' >b.ndjson; }
bad() {
    table 30000 "$1"
    refuses 65 "mpart: bad data: file 'b.ndjson', row 30000: $2" query b.ndjson --agg 'count()' -o out/o.csv
}
bad '[1]' "not a JSON object
$skip"
bad '{"id":1' "not JSON: the line ends too early
$skip"
bad '{"id":01}' "not JSON: a value is missing or has no form of one
$skip"
bad '{"id":1} x' "text behind the object
$skip"
bad '{"id":1,"name":"\ud800"}' "a string with half a surrogate pair
$skip"
bad '{"id":1,"other":2}' "the key 'other' is not a column
hint: columns are the keys of the first rows: --types NAME:string adds one, --union all"
for np in 0 3; do
    succeeds $np query b.ndjson --union --agg 'count(), count(name), sum(other) as s'
    check "--union makes a column of a key behind the sample" same "$out" <(printf 'count,count_name,s\n40000,39999,2\n')
    check "without a word" silent
    succeeds $np query b.ndjson --union --where 'id < 2' -o o.csv
    check "also where it is not named" same o.csv <(printf 'id,name,other\n1,n1,\n1,,2\n')
    succeeds $np query b.ndjson --types other:int64 --agg 'sum(other) as s'
    check "--types makes a column" same "$out" <(printf 's\n2\n')
    run $np query b.ndjson --on-bad-row null --rejects rej.csv --where 'id = 1'
    check "exit code 3" has_code 3
    check "null keeps what is good" same "$out" <(printf 'id,name\n1,n1\n1,\n')
    check "rejects" same rej.csv <(printf 'file,row,offset,reason,record\n"b.ndjson",30000,847759,"the key '"'other'"' is not a column","{""id"":1,""other"":2}"\n')
done

# ---- keys behind the sample, with --union ----
late() { awk 'BEGIN { for (i = 1; i <= 50000; i++) printf "{\"id\":%d%s%s}\n", i, (i == 30000 ? ",\"late b\":\"x\",\"a\":null" : ""), (i > 45000 ? ",\"a\":" i ",\"z\":1.5" : "") }'; }
late >late.ndjson
awk 'BEGIN { print "id,late b,a,z"; for (i = 1; i <= 50000; i++) print i "," (i == 30000 ? "x" : "") "," ((i > 45000) ? i ",1.5" : ",") }' >want
{ cat late.ndjson; echo '{"id":1,"broken":2'; echo '{"id":50001,"a":"\u00e9"}'; } >late2.ndjson
printf 'id,k\n7,8\n' >late.csv
gzip -k late.ndjson
for np in 0 2 5; do
    succeeds $np query late.ndjson --union
    check "late keys are columns, in the order in which they appear" same "$out" want
    succeeds $np query late.ndjson.gz --union
    check "packed" same "$out" want
    MPART_TEST_SPLITS=17,300000,300001,900000 succeeds $np query late.ndjson --union --scatter data
    check "as data" same "$out" want
done
run_piped late.ndjson 3 query - --input-format ndjson --union
check "a pipe" same "$out" want
for simd in c avx2; do
    MPART_SIMD=$simd succeeds 2 query late.ndjson --union
    check "MPART_SIMD=$simd" same "$out" want
done
for np in 0 3; do
    run $np query late2.ndjson late.csv --union --by id --agg 'max(a) as a, max(k) as k' --where 'id > 49999 or id = 7' --on-bad-row skip --rejects rej.csv
    check "bad rows are counted once" has_code 3
    check "their keys are no columns, types are those of all rows" same "$out" <(printf 'id,a,k\n7,,8\n50000,50000,\n50001,é,\n')
    refuses 65 "mpart: bad data: file 'late2.ndjson', row 50001: not JSON: the line ends too early
$skip" query late2.ndjson --union -o out/o.csv
    succeeds $np info late.ndjson --union
    check "info has them" prints 'late b  string'
    succeeds $np split late.ndjson --union --by id --parts 2 -o shards
    succeeds $np query shards --agg 'count() as n, sum(a) as a, count(z) as z'
    check "split has them" same "$out" <(printf 'n,a,z\n50000,237502500,5000\n')
    rm -rf shards
done
fails 2 'aa' query late.ndjson --union --select aa
awk 'BEGIN { print "{\"id\":1}"; for (i = 1; i < 20000; i++) print "{\"id\":1,\"name\":\"xxxxx\"}"; for (i = 0; i < 70000; i++) print "{\"k" i "\":1}" }' >many.ndjson
refuses 65 "mpart: bad data: more than 65536 different keys with --union
hint: --select names the columns that are wanted" query many.ndjson --union -o out/o.csv
succeeds 2 query many.ndjson --union --agg 'count(name) as n'
check "keys that the query does not name are passed over" same "$out" <(printf 'n\n19999\n')
printf '{"a":1}\n{"a":"x\0y"}\n' >nul.ndjson
refuses 65 "mpart: bad data: file 'nul.ndjson', row 2: NUL byte" query nul.ndjson --on-bad-row skip -o out/o.csv
printf '{"a":%d,"b":[1]}\n' 1 2 3 >nested.ndjson # the third line is of a shape that is known
printf '{"a":4,"b":[1,\0002]}\n' >>nested.ndjson
refuses 65 "mpart: bad data: file 'nested.ndjson', row 4: NUL byte" query nested.ndjson --on-bad-row skip -o out/o.csv
: >empty.ndjson
refuses 65 "mpart: bad data: file 'empty.ndjson': the file is empty" query empty.ndjson -o out/o.csv
printf '[{"a":1},{"a":2}]\n' >array.ndjson
refuses 65 "mpart: bad data: file 'array.ndjson': none of its first lines is a JSON object with a key
hint: one object a line is read: jq -c '.[]' makes them of an array" query array.ndjson -o out/o.csv
python3 -c 'print("{\"a\":" + "[" * 100000 + "]" * 100000 + "}")' >deep.jsonl
printf '{"a":1}\n' | cat - deep.jsonl >deep2.jsonl
refuses 65 "mpart: bad data: file 'deep2.jsonl', row 2: nested deeper than 1024 levels
$skip" query deep2.jsonl -o out/o.csv

# ---- several files ----
printf '{"id":1,"x":2}\n{"id":2}\n' >m1.ndjson
printf '{"id":3}\n' >m2.ndjson
printf '{"id":4,"y":5}\n' >m3.ndjson
printf 'x,id\n7,8\n' >m4.csv
for np in 0 3; do
    succeeds $np query m1.ndjson m2.ndjson m4.csv
    check "files of several formats" same "$out" <(printf 'id,x\n1,2\n2,\n3,\n8,7\n')
    succeeds $np query m1.ndjson m3.ndjson m4.csv --union
    check "union" same "$out" <(printf 'id,x,y\n1,2,\n2,,\n4,,5\n8,7,\n')
done
refuses 65 "mpart: columns differ: file 'm3.ndjson', column 'y': 'm3.ndjson' has it, 'm1.ndjson' does not
hint: --union reads a missing column as null" query m1.ndjson m3.ndjson -o out/o.csv
fails 2 'are for CSV alone' query t.ndjson --input-format ndjson --delimiter ';'
# a line that ends early and one that begins late are not one line between them
printf '{"a":1,"b":2}\n{"a":1}\n"b":2}\n{"a":3,"b":4}\n' >early.ndjson
for simd in avx512 avx2 c; do
    for cut in 22 23 30; do
        MPART_SIMD=$simd MPART_TEST_SPLITS=$cut run $([ $simd = c ] && echo 2 || echo 0) query early.ndjson --on-bad-row skip
        check "MPART_SIMD=$simd, cut at $cut" has_code 3
        check "MPART_SIMD=$simd, cut at $cut: the rows" same "$out" <(printf 'a,b\n1,2\n1,\n3,4\n')
    done
done
finish
