# split.sh - mpart split: shards where their rows belong, the same bytes for any number of ranks, true manifests, nothing left of what
# fails. split.py reads the shards independently of mpart.
. "$(dirname "$0")/lib.sh"
mkdir out

# holds INPUT DIR: the shards are those of the input, as split.py sees it.
holds() { python3 "$here/split.py" check "$1" "$2"; }
same_folder() { diff -r "$1" "$2" >/dev/null; }

# splits INPUT WAY...: the same folder alone and for the numbers of ranks in $ranks, however it is read, and a true one.
ranks='3'
splits() {
    local input=$1 np
    shift
    rm -rf out want
    succeeds 0 split "$input" -o want "$@"
    check "'$*' of $input: says nothing" silent
    check "'$*' of $input: true" holds "$input" want
    for np in $ranks; do
        MPART_TEST_SPLITS=$((np * 7 + 20)),$((np * 31 + 60)),500,501,900,2000,20000 run $np split "$input" -o out "$@"
        check "'$*' of $input: exit code 0" has_code 0
        check "'$*' of $input: the same folder" same_folder out want
        rm -rf out
    done
}

# ---- values of every kind ----
python3 - <<'END'
import random
random.seed(5)
def pick(*v): return random.choice(v)
with open("in.csv", "w", encoding="utf-8") as f:
    f.write("i,d,t,b,day,ts,x,v\n")
    for n in range(700):
        i = pick("", str(random.randrange(-9, 10)), str(random.randrange(-9, 10)), "9007199254740993", "-0", "0")
        d = pick("1.5", "1.50", "15e-1", "0.1", ".1", "2", "2.0", "-3.25", "", "1000000000000")
        t = pick("a", "", '""', "a/b", "..", "../../etc/passwd", "é ü", '"x,y"', '"q""q"', '"two\nlines"', "5", "5.0", "%41",
                 "n" * 300, "n" * 299 + "m", "__HIVE_DEFAULT_PARTITION__", "a=b", "~", " pad ", "日本", ".", "A", "-rf", "--force", "/", "/a", "a/", "\\", "*", "\x01",
                 "\x7f", "a\tb", "É ü", "manifest.json", "part-00000.csv", ".mpart-unfinished", "__hive_default_partition__", "k" * 100 + "é" * 99)
        b = pick("true", "false", "")
        day = pick("2024-02-29", "1999-12-31", "")
        ts = pick("2024-02-29 00:00:00", "2024-02-29 01:02:03.5", "1999-12-31 23:59:59")
        f.write(f"{i},{d},{t},{b},{day},{ts},{pick('nan', '1.25', '7e300', '12345678901234567890')},{n}\n")
END
ranks='1 2 3 5 9' splits in.csv --by i --parts 7
splits in.csv --by t
splits in.csv --by 'd, t, ts' --parts 5
ranks='2 5' splits in.csv --rows 100
splits in.csv --rows 1000
splits in.csv --range i --parts 4
ranks='2 5' splits in.csv --range t --parts 3
splits in.csv --range v --parts 9
ranks='2 5' splits in.csv --each t
splits in.csv --each 'day,b'
splits in.csv --each d
for way in '--by b --parts 2' '--by day --parts 3' '--by ts --parts 2' '--by x --parts 4' '--range d --parts 3' '--rows 1'; do
    rm -rf want out
    succeeds 0 split in.csv -o want $way
    check "'$way': true" holds in.csv want
    succeeds 3 split in.csv -o out $way
    check "'$way': the same folder" same_folder out want
done
rm -rf out want
for format in tsv ndjson; do
    succeeds 2 split in.csv -o want.$format --by i --parts 4 --format $format
    check "$format shards" test -f want.$format/part-00003.$format
    rm -rf want.$format
done
python3 -c "
import json
for i in range(500): print(json.dumps({'k': i % 17, 's': 't%d' % (i % 5), 'n': None if i % 7 == 0 else i}))" >in.ndjson
splits in.ndjson --by k --parts 4 --format ndjson
splits in.ndjson --each s --format ndjson

# Keys whose names would lead out of the folder, or are none.
printf '../x,..,a/b,"new\nline",\n1,2,3,4,5\n6,7,8,9,10\n' >names.csv
for key in ../x .. a/b $'new\nline'; do
    rm -rf out
    succeeds 2 split names.csv -o out --each "$key"
    check "'$key': a folder for each of the two, in the folder" [ "$(find out -mindepth 1 -maxdepth 1 -type d | wc -l)" = 2 ]
    check "and nothing elsewhere" [ "$(find out -name 'part-*' | wc -l) $(find . -newer names.csv -name 'part-*' | wc -l)" = '2 2' ]
done
rm -rf out

# HDF5: the same files for any number of ranks; the rows of the CSV shards.
(echo 'i,t,x,day,b,n' && awk 'BEGIN { for (i = 0; i < 900; i++)
    printf "%d,%s,%.2f,2024-01-%02d,%s,\n", i % 13, i % 5 ? "w" i % 11 : "\"a,b\"", i / 7, i % 28 + 1, i % 3 ? "true" : "" }') >plain.csv
for way in '--by i --parts 3' '--each b'; do
    rm -rf want out csv
    succeeds 0 split plain.csv -o want --format h5 $way
    check "'$way' as HDF5: says nothing" silent
    succeeds 3 split plain.csv -o out --format h5 $way
    check "'$way' as HDF5: the same folder" same_folder out want
    check "'$way' as HDF5: no other files" [ -z "$(find out -type f ! -name '*.h5' ! -name manifest.json)" ]
    succeeds 2 split plain.csv -o csv $way
    run 2 query out --select 'i,t,x,b' && cp "$work/out" h5.rows
    run 0 query csv --select 'i,t,float(x) as x,b'
    check "'$way' as HDF5: the rows" same "$work/out" h5.rows
done
rm -rf want out csv

# Packed: the same text, the same files for any number of ranks, true checksums.
for pack in gzip:gz:gzip zstd:zst:zstd; do
    IFS=: read -r word ending tool <<<"$pack"
    for way in '--by i --parts 3' '--each b --format ndjson' '--range t --parts 300'; do
        rm -rf want out plain
        succeeds 2 split plain.csv -o plain $way
        succeeds 0 split plain.csv -o want $way --compress $word
        check "'$way' as $word: says nothing" silent
        succeeds 3 split plain.csv -o out $way --compress $word
        check "'$way' as $word: the same folder" same_folder out want
        (cd plain && find . -name 'part-*' | sort | xargs cat) >plain.text
        (cd want && find . -name 'part-*' | sort | xargs $tool -dc) >packed.text
        check "'$way' as $word: the text" same packed.text plain.text
        check "'$way' as $word: the names" [ "$(cd want && find . -name "part-*.$ending" | wc -l)" = "$(cd plain && find . -name 'part-*' | wc -l)" ]
        run 0 merge plain && cp "$work/out" merged
        run 2 merge want
        check "'$way' as $word: merge checks and reads them" same "$work/out" merged
    done
    printf x | dd of="$(find out -name "*.$ending" | head -n 1)" bs=1 seek=20 conv=notrunc 2>/dev/null
    refused 65 'its checksum is not what the manifest says' merge out
done
rm -rf want out plain
refused 2 '--compress is for shards of text' split plain.csv -o out --by i --format h5 --compress gzip

# ---- the shard of a key does not depend on the table: equal values of other types and spellings meet ----
(echo k,a && seq -f '%.0f,x' 1 60) >ints.csv
(echo a,k && seq -f 'y,%.1f' 1 60 && echo y,0.5) >decimals.csv
(echo k && seq -f '%.0f' 1 60 && echo word) >texts.csv
(echo k && seq -f '%.0fe0' 1 60 && echo nan && echo 123456789012345678901.5) >floats.csv
for kind in ints decimals texts floats; do
    succeeds 2 split $kind.csv -o $kind.d --by k --parts 11
done
for kind in decimals texts floats; do
    check "ints and $kind match shard by shard" python3 "$here/split.py" pairs ints.d $kind.d
done
tr ,. ';,' <decimals.csv >comma.csv
succeeds 0 split comma.csv -o comma.d --by k --parts 11 --decimal-comma --delimiter ';'
check "and a decimal comma" [ "$(grep -l '^y,"7,0"$' comma.d/*.csv | sed 's/.*part/part/')" = \
    "$(grep -l '^y,7.0$' decimals.d/*.csv | sed 's/.*part/part/')" ]
rm -rf ./*.d

# ---- types that the sample does not show: the pass is redone, nothing is left of the first one ----
(echo k,v && yes 5,1 | head -n 300000 && echo 5.0,2 && echo 7,x && yes 7,1 | head -n 1000) >late.csv
for np in 0 3; do
    rm -rf out
    succeeds $np split late.csv -o out --each k
    check "one folder per value" [ "$(ls out | tr '\n' ' ')" = 'k=5.0 k=7.0 manifest.json ' ]
    check "all rows" [ "$(cat out/k=5.0/part-00000.csv | wc -l) $(tail -n 1 out/k=5.0/part-00000.csv)" = '300002 5.0,2' ]
    check "types of all rows" grep -qF '{"name":"k","type":"decimal"},{"name":"v","type":"string"}' out/manifest.json
done
rm -rf out late.csv

# ---- however the input comes ----
rm -rf want
succeeds 0 split in.csv -o want --by i --parts 7
MPART_GUESS=wrong run 5 split in.csv -o out --by i --parts 7
check "wrong guesses change nothing" same_folder out want
rm -rf out
run_piped in.csv 3 split - -o out --by i --parts 7
check "standard input" same_folder out want
rm -rf out
gzip -k in.csv
succeeds 3 split in.csv.gz -o out --by i --parts 7
check "gzip" same_folder out want
rm -rf out
run_piped in.csv 2 split - -o out --rows 50
check "rows of standard input" holds in.csv out
rm -rf out
succeeds 3 split in.csv -o out --by i --parts 7 --scatter data --memory 24M
check "data scattered, little memory" same_folder out want
rm -rf out want
succeeds 2 split ints.csv texts.csv -o out --by k --parts 3 --union --filename file
check "the column with the name" grep -q '^k,a,file$' out/part-00000.csv
rm -rf out

# ---- few descriptors, many shards; ranges are balanced ----
(echo id,v && seq 1 3000 | awk '{ print $1 * 7919 % 3001 "," $1 }') >many.csv
for way in '--each id' '--by id --parts 2000'; do
    rm -rf out want
    succeeds 0 split many.csv -o want $way
    last="ulimit -n 64; $way"
    (ulimit -n 64 && timeout 60 mpirun -np 2 "$MPART" split many.csv -o out $way >"$out" 2>"$err")
    rc=$?
    check "64 descriptors: exit code 0" has_code 0
    check "64 descriptors: the same folder" same_folder out want
done
rm -rf out want
succeeds 3 split many.csv -o out --range id --parts 10
check "300 rows in each part" [ "$(wc -l out/part-*.csv | awk '$2 ~ /part/ { print $1 }' | sort -u)" = 301 ]
rm -rf out

# ---- empty tables ----
echo a,b >empty.csv
for way in '--by a --parts 3' '--range a --parts 2' '--rows 5'; do
    succeeds 3 split empty.csv -o out $way
    check "'$way': shards with a header alone" [ "$(sort -u out/part-*.csv)" = a,b ]
    succeeds 2 query out
    check "'$way': read back" [ "$(cat "$work/out")" = a,b ]
    rm -rf out
done
succeeds 2 split empty.csv -o out --each a
check "no value, no folder" [ "$(ls out)" = manifest.json ]
rm -rf out

# ---- shards are inputs ----
for way in '--by i --parts 7' '--each t' '--rows 99'; do
    succeeds 2 split in.csv -o out $way
    succeeds 3 query out --sort v
    run 0 query in.csv --sort v && cp "$work/out" want.csv
    run 3 query out --sort v
    check "'$way': all rows again" same "$work/out" want.csv
    rm -rf out
done
succeeds 0 split in.csv -o out --by i --parts 3
echo x >>out/part-00001.csv
fails 65 "part-00001.csv': its size is not what" query out
rm -rf out && mkdir out
echo '{"mpart":1,"method":"by","keys":[],"schema":[],"shards":[{"path":"../in.csv","rows":1,"bytes":1,"xxh64":"0000000000000000"}]}' \
    >out/manifest.json
fails 65 "leads out of the folder" query out
echo '{"mpart":2}' >out/manifest.json
fails 65 "of another version" query out
rm -rf out

# ---- bad rows, and what cannot be ----
printf 'k,v\n1,a\n2\n3,c\n' >bad.csv
mkdir out
refuses 65 "mpart: bad data: file 'bad.csv', row 2: 1 field instead of 2
hint: --on-bad-row skip leaves such rows out" split bad.csv -o out/d --by k
run 3 split bad.csv -o out/d --by k --parts 2 --on-bad-row skip --rejects out/r.csv
check "exit code 3" has_code 3
check "the other rows" [ "$(cat out/d/part-*.csv | grep -c '^[13],')" = 2 ]
check "the rejects" [ "$(wc -l <out/r.csv)" = 2 ]
rm -rf out && mkdir out
refuses 2 "mpart: unknown column: column 'nosuch': a key is the name of a column
hint: the columns are i, d, t, b, day, ts, x, v" split in.csv -o out/d --by nosuch
refuses 2 "mpart: usage error: split how? --by KEYS, --range KEY, --rows N or --each KEYS
hint: mpart split data.csv -o shards --by id" split in.csv -o out/d
refuses 2 "mpart: usage error: more than one way to split: --by, --range, --rows, --each
hint: leave one of them" split in.csv -o out/d --by i --rows 5
refuses 2 "mpart: usage error: --parts goes with --by or --range" split in.csv -o out/d --rows 3 --parts 5
refuses 2 "mpart: usage error: option '--rows': 0 is less than 1" split in.csv -o out/d --rows 0
refuses 2 "mpart: usage error: key 'i' is given twice" split in.csv -o out/d --by i,i
refuses 74 "mpart: cannot make the folder: file 'out/no/d': No such file or directory
hint: the folder that it is to be in is not there" split in.csv -o out/no/d --by i
fails 2 "option '-o' is missing" split in.csv --by i
fails 74 "Not a directory" split in.csv --by i -o in.csv

# ---- a folder that is there ----
mkdir out/d out/old
echo keep >out/old/mine.txt
succeeds 2 split in.csv -o out/d --by i --parts 3
check "an empty folder is taken" holds in.csv out/d
fails 2 "the folder is not empty" split in.csv -o out/d --by i --parts 2
check "the old one is as it was" holds in.csv out/d
succeeds 2 split in.csv -o out/d/ --by v --parts 2 --force
check "--force puts the new one in its place" holds in.csv out/d
fails 2 "the folder is not empty" split in.csv -o out/old --by i
succeeds 0 split in.csv -o out/old --each b --force
check "what is no shard stays" [ "$(cat out/old/mine.txt; ls out/old | wc -l)" = "keep
5" ]
rm out/old/mine.txt
check "and the shards are there" holds in.csv out/old
MPART_TEST_FAIL=1:commit run 3 split in.csv -o out/old --rows 9 --force
check "exit code 1" has_code 1
check "after a failure the old one is as it was" holds in.csv out/old
check "no temporary" [ "$(ls -A out)" = "d
old" ]
ln -s old out/link
succeeds 2 split in.csv -o out/link --rows 300 --force
check "a link stays a link" [ -L out/link ]
check "to the new shards" holds in.csv out/old
rm -rf out && mkdir out

# ---- failures: any rank in any phase, a full disk, a kill; nothing that looks finished ----
n=0
for phase in plan open scan exchange output commit; do
    for rank in 0 2; do
        way=('--by i' '--each t' '--rows 9' '--range v --parts 4')
        MPART_TEST_FAIL=$rank:$phase run 3 split in.csv -o out/d ${way[n++ % 4]}
        check "$rank:$phase: exit code 1" has_code 1
        check "$rank:$phase: one message" one_message
        check "$rank:$phase: nothing is left" no_output out
    done
done
MPART_TEST_FAIL=1:gather run 3 split in.csv -o out/d --range v --parts 4
check "gather: exit code 1" has_code 1
check "gather: nothing is left" no_output out
last="a file may have 4 KiB"
(ulimit -f 4 && timeout 20 "$MPART" split in.csv -o out/d --by i --parts 2 >"$out" 2>"$err")
rc=$?
check "a file too large: exit code 74" has_code 74
check "names the shard" grep -qE "cannot write: file 'out/d/part-0000[01].csv': File too large" "$err"
check "nothing is left" no_output out
mkfifo feed
for rank in 0 1; do
    last="kill -9 of rank $rank"
    mpirun -np 3 "$MPART" split - --by a --parts 9 -o out/d <feed >"$out" 2>"$err" &
    job=$!
    exec 9>feed
    { echo a,b && seq -f '%.0f,x' 1 100000; } >&9
    for _ in $(seq 100); do
        [ "$(pgrep -c -P $job)" = 3 ] && ls -A out | grep -q mpart && break
        sleep 0.1
    done
    kill_rank $job $rank
    exec 9>&-
    check "no folder of that name, no manifest" [ ! -e out/d -a -z "$(find out -name manifest.json)" ]
    rm -rf out && mkdir out
done

succeeds 3 split in.csv -o out/d --by i --plan
check "the plan" prints '64 shards by the hash of i'
check "does nothing" no_output out
finish
