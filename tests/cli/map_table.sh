# map_table.sh - a command on every shard of a table: shards of whole records, however the table is cut and read; results merged in
# shard order; commands that read, print or end in odd ways.
. "$(dirname "$0")/lib.sh"
# quotes, newlines and delimiters in quotes, nulls, CRLF, a last line without its newline
awk 'BEGIN { printf "id,k,name,v\r\n"
    for (i = 1; i <= 4000; i++)
        printf "%d,%s,\"a, \"\"%d\"\"\nb\",%s%s", i, i % 7 ? "k" i % 37 : "", i, i % 5 ? i * 3 ".25" : "", i < 4000 ? "\r\n" : "" }' >in.csv
run 0 query in.csv
cp "$out" want
# the groups of a shard, as text (two lines are a record), and those of all rows, as Python reads them
sums='BEGIN { FS = "," } NR > 1 && NR % 2 == 0 { n[$2]++; ids[$2] += $1 }
    END { print "k,n,ids"; for (k in n) print k "," n[k] "," ids[k] | "LC_ALL=C sort" }'

# ---- what goes through unchanged is the table ----
for np in 0 3; do
    for way in "--rows 700" "--parts 6" "--rows 1"; do
        [ "$way" = "--rows 1" ] && [ $np != 3 ] && continue
        input=in.csv
        [ "$way" = "--rows 1" ] && { head -c 2000 in.csv >few.csv; printf '"\r\n' >>few.csv; } && input=few.csv
        [ $input = few.csv ] && run 0 query few.csv --on-bad-row skip && cp "$out" few.want
        run $np map $input --on-bad-row skip $way -- cat
        check "$way" same "$out" $([ $input = few.csv ] && echo few.want || echo want)
    done
    succeeds $np map in.csv --parts 5 -o out.csv -- cat {}
    check "as a file" same out.csv want
    MPART_TEST_SPLITS=9,30,31,32,5000,5001 succeeds $np map in.csv -o out.csv -- cat
    check "cut anywhere" same out.csv want
    rm -f out.csv
done
MPART_GUESS=wrong succeeds 3 map in.csv --rows 900 -- cat
check "a wrong guess is found before a command starts" same "$out" want
gzip -k in.csv
succeeds 2 map in.csv.gz --rows 900 -- cat
check "packed" same "$out" want
run_piped in.csv 3 map - --parts 4 -o out.csv -- cat
check "a pipe" same out.csv want
check "no run folder" [ ! -e out.csv.mpart-run ]
head -n 1 in.csv | tr -d '\r' >none.csv
succeeds 2 map none.csv -o out.csv -- false
check "a table without rows: no command, no output" is_empty out.csv
mkdir parts && split -l 700 --additional-suffix=.csv <(tail -n +2 want) parts/p && for p in parts/*.csv; do
    { head -n 1 want && cat "$p"; } >"$p.new" && mv "$p.new" "$p"
done
succeeds 2 map parts --parts 3 -- sh -c 'tail -n +2 | wc -l | sed "1i n"'
check "shards span files" [ "$(wc -l <"$out")" = 4 ]
printf 'id,k,name,v\n' >parts/pab2.csv # no rows: no shard is run
gzip -k parts/pac.csv && mv parts/pac.csv.gz parts/pacz.csv.gz # a file that rank 0 reads
for np in 0 3; do
    succeeds $np map parts --per-file --raw -- wc -l
    check "each file is a shard" same <(sort "$out" | uniq -c | tr -s ' ') <(printf ' 1 301\n 12 701\n')
done
rm parts/pab2.csv parts/pacz.csv.gz
succeeds 3 map parts --per-file -- cat
check "in the order of the files" same "$out" want
succeeds 2 split want -o shards --rows 3000
succeeds 3 map shards --per-file -- cat
check "shards with their manifest" same "$out" want
sed -i '2s/[0-9]/x/' shards/part-00001.csv
fails 65 "file 'shards/part-00001.csv': its checksum is not what the manifest says" map shards -- cat
rm -r shards
fails 2 "--per-file goes without --rows, --parts and --by" map parts --per-file --rows 5 -- cat
succeeds 3 map in.csv --rows 1500 --raw -- sh -c 'read -r head; echo "$head"; wc -l >&2'
check "each shard has the header" [ "$(sort -u "$out")" = id,k,name,v ]
check "and its rows, of two lines" same <(sort "$err") <(printf '[1] 3000\n[2] 3000\n[3] 2000\n')

# ---- other forms ----
for ending in tsv ndjson csv.gz; do
    run 0 query in.csv -o "q.$ending"
    succeeds 3 map in.csv --rows 900 -o "m.$ending" -- cat
    check "$ending" same "m.$ending" "q.$ending"
done
run 0 query in.csv -o q.ndjson
succeeds 2 map in.csv --rows 900 --shard-format ndjson --raw -- cat
check "NDJSON to the command" same "$out" q.ndjson
fails 2 "the ending names no format" map in.csv -o x.txt -- cat
succeeds 2 map in.csv --rows 900 --raw -o x.txt -- cat
check "--raw: any name" [ "$(grep -c '^id,' x.txt)" = 5 ]

# ---- by key: all rows of a key in one shard ----
python3 - >want.sums <<'END'
import collections, csv
rows = list(csv.DictReader(open("want")))
n, ids = collections.Counter(r["k"] for r in rows), collections.Counter()
for r in rows:
    ids[r["k"]] += int(r["id"])
print("k,n,ids", *("%s,%d,%d" % (k, n[k], ids[k]) for k in sorted(n)), sep="\n")
END
for np in 0 2 5; do
    succeeds $np map in.csv --by k -o by.csv -- awk "$sums"
    check "the groups of all rows" same <(sort by.csv) <(sort want.sums)
    [ $np = 0 ] && cp by.csv by.first
    check "the same bytes" same by.csv by.first
done
succeeds 2 map in.csv --by k --parts 3 -- awk "$sums" - file={}
check "three shards, standard input beside {}: empty" [ "$(cat "$out")" = k,n,ids ]
succeeds 2 map in.csv --by k --parts 3 --raw -- sh -c 'grep -c . "$1"' sh {}
check "three files" [ "$(awk '{ n += $1 } END { print NR, n }' "$out")" = "3 $((3 + 8000))" ]
run_piped in.csv 2 map - --by k -- awk "$sums"
check "a pipe by key" same "$out" by.first

# ---- commands ----
succeeds 2 map in.csv --rows 900 -- sh -c 'echo x; echo 1'
check "that read nothing" [ "$(tr '\n' ' ' <"$out")" = 'x 1 1 1 1 1 ' ]
succeeds 2 map in.csv --rows 900 -- sh -c 'head -n 3 >/dev/null; exec <&-; echo x; sleep 0.1; echo 1'
check "that close their input" [ "$(tr '\n' ' ' <"$out")" = 'x 1 1 1 1 1 ' ]
succeeds 2 map in.csv --rows 900 -- sh -c 'cat >/dev/null'
check "that print nothing" is_empty "$out"
for ending in tsv ndjson csv.gz ndjson.zst; do # no header, no rows
    succeeds 2 map in.csv --rows 900 -o "none.$ending" -- true
    check "that print nothing, as $ending" [ -e "none.$ending" ]
    run 0 map in.csv --rows 900 -o "none.$ending" -- false
    check "all fail, as $ending" says_once "mpart: some shards failed: 5 of 5; the first is 1 ('shard 1'): exit code 1"
    check "exit code 3" has_code 3
done
check "no bytes" is_empty none.tsv
check "no bytes, packed" [ -z "$(zcat none.csv.gz; zstdcat none.ndjson.zst)" ]
fails 65 "no output for HDF5: nothing was printed, so there are no columns" map in.csv --rows 900 -o none.h5 -- true
run 2 map in.csv --rows 900 -o none.h5 -- false
check "all fail: exit code 3" has_code 3
check "no HDF5 output" [ ! -e none.h5 ]
rm -rf none*
succeeds 2 map in.csv --rows 900 -- sh -c 'printf "a,b\n1,2"'
check "whose last line is cut" [ "$(tail -n 2 "$out" | tr '\n' ' ')" = '1,2 1,2 ' ]
succeeds 2 map in.csv --rows 900 -- sh -c 'printf "\"a\nb\",c\r\n1,%s\n" $MPART_SHARD'
check "whose header has two lines" [ "$(grep -c '^1,' "$out")" = 5 ]
succeeds 2 map in.csv --rows 900 -o big.csv -- sh -c 'echo n; seq 1 400000; cat >/dev/null'
check "that print much before they read" [ "$(md5sum <big.csv)" = "$({ echo n && for _ in 1 2 3 4 5; do seq 1 400000; done; } | md5sum)" ]
rm -f big.csv
fails 65 "that of shard 1 is 'h0', that of shard 2 is 'h1'" map in.csv --rows 900 -o h.csv -- sh -c 'echo h$MPART_SHARD; echo 1'
check "no output" [ ! -e h.csv ]
rm -rf h.csv*
run 2 map in.csv --rows 900 -- sh -c 'printf "\"never closed\n1\n"'
check "a header that does not end" has_code 3
check "says so" says_once '[1] mpart: the output is no CSV table: its header does not end'
no_table() { # WHY COMMAND: what is no table costs its shard, and says so
    run 2 map in.csv --rows 2000 -o ragged.csv -- sh -c '[ $MPART_SHARD = 0 ] && echo a,b && echo 1,2 && exit; '"$2"
    check "$1: exit code 3" has_code 3
    check "$1" says_once "[2] mpart: the output is no CSV table: $1"
    check "$1: the other shard is written" same ragged.csv <(printf 'a,b\n1,2\n')
    rm -rf ragged.csv*
}
no_table "row 2 has 3 fields, its header 2" 'printf "a,b\n1,2\n\n1,2,3\n4\n"'
no_table "row 1 has 1 field, its header 2" 'echo a,b; echo Traceback'
no_table "row 3 has 1 field, its header 2" 'echo a,b; seq -f %g,1 2; printf "cut"'
no_table "row 1 has text behind a closing quote" 'printf "a,b\n\"x\"y,2\n"'
no_table "row 2 has a NUL byte" 'printf "a,b\n1,2\n3,\0\n4,\0\n"'
no_table "its header has a NUL byte" 'printf "a,\0b\n1,2\n"'
no_table "a quote is never closed" 'printf "a,b\n1,\"x\n"'
printf '"a,b","c\nd"\n"1\n,""2""",3" x\n\r\n"",\r\n' >odd.want
for pause in 0 0.05; do
    succeeds 0 map in.csv --parts 1 -- sh -c 'while IFS= read -r line; do printf "%s\n" "$line"; sleep '$pause'; done <odd.want'
    check "quotes, line ends in them, blank lines: as they are" same "$out" odd.want
done
run 0 map in.csv --parts 1 --bisect -- sh -c 'echo a,b; echo 1,2,3'
check "--bisect: told once" says_once "row 1 has 3 fields, its header 2"
run 0 map in.csv --rows 2000 --raw -- sh -c 'echo a,b; echo 1,2,3'
check "--raw asks for no table" has_code 0
run 3 map in.csv --rows 900 -o failed.csv -- sh -c 'cat; [ $MPART_SHARD != 2 ]'
check "one that fails" has_code 3
check "says which" says_once "mpart: some shards failed: 1 of 5; the first is 3 ('shard 3'): exit code 1"
run 0 query want --where 'id <= 1800 or id > 2700'
check "the others are written" same failed.csv "$out"
rm -rf failed*

# ---- rows that a command cannot take ----
{ echo id,v && seq 1 300 | sed 's/.*/&,x&/'; } >poison.csv
cat >take.sh <<'SH'
while read -r line; do
    case $line in 77,* | 150,*) kill -SEGV $$ ;; 200,*) sleep 20 ;; esac
    echo "$line"
done
SH
printf '%s\n' file,row,offset,reason,record \
    '"poison.csv",77,519,"ended by signal 11 (Segmentation fault)","77,x77"' \
    '"poison.csv",150,1130,"ended by signal 11 (Segmentation fault)","150,x150"' \
    '"poison.csv",200,1580,"its time limit was over","200,x200"' >rejects.want
grep -vE '^(77|150|200),' poison.csv >poison.want
for np in 0 3; do
    run $np map poison.csv --rows 100 --bisect --timeout 0.5 --rejects rejects -o taken.csv -- sh take.sh
    check "exit code 3" has_code 3
    check "says how many" says_once "mpart: rows were rejected: 3 bad rows left out or mended"
    check "--bisect: the other rows" same taken.csv poison.want
    check "--bisect: these rows" same rejects rejects.want
    rm -f taken.csv rejects
done
run 2 map poison.csv --parts 1 --bisect -- sh -c 'read -r head; echo "$head"; kill -9 $$'
check "no row can be taken" says_once "mpart: rows were rejected: 300 bad rows left out or mended"
check "nothing is left of them" is_empty "$out"
run 2 map poison.csv --rows 100 --bisect -o taken.csv -- sh -c 'exit 5'
check "an exit code is no crash" says_once "mpart: some shards failed: 3 of 3; the first is 1 ('shard 1'): exit code 5"
rm -rf taken.csv*

# ---- going on ----
run 2 map in.csv --rows 500 -o again.csv -- sh -c 'echo $MPART_SHARD >>ran; [ $MPART_SHARD != 3 ] || [ -e ok ] || exit 1; cat'
touch ok
run 3 map in.csv --rows 500 -o again.csv --resume -- sh -c 'echo $MPART_SHARD >>ran; [ $MPART_SHARD != 3 ] || [ -e ok ] || exit 1; cat'
check "exit code 0" has_code 0
check "the whole table" same again.csv want
check "one shard ran twice" [ "$(sort ran | uniq -d)" = 3 ]
rm -f ok ran
run 2 map in.csv --by k --parts 8 -o again.csv -- sh -c 'echo $MPART_SHARD >>ran; [ $MPART_SHARD != 3 ] || [ -e ok ] || exit 1; cat'
check "by key: exit code 3" has_code 3
run 0 map in.csv --by k --parts 8 -o again.csv --explain -- sh -c 'echo $MPART_SHARD >>ran; [ $MPART_SHARD != 3 ] || [ -e ok ] || exit 1; cat'
check "by key: which is done again" [ "$(grep -c redone "$out")" = 1 ]
touch ok
succeeds 3 map in.csv --by k --parts 8 -o again.csv --resume -- sh -c 'echo $MPART_SHARD >>ran; [ $MPART_SHARD != 3 ] || [ -e ok ] || exit 1; cat'
check "by key: one shard ran twice" [ "$(sort ran | uniq -d)" = 3 ]
check "by key: the whole table" same <(sort again.csv) <(sort want)
rm -f ok ran
run 2 map in.csv --rows 500 -o again.csv -- false
run 2 map in.csv --rows 400 -o again.csv --resume -- false
check "other shards are refused" says_once "option --rows changed: it was 500, it is 400"
touch -d '2001-01-01' in.csv
run 2 map in.csv --rows 500 -o again.csv --resume -- false
check "another input is refused" says_once "cannot resume: file 'again.csv.mpart-run': input in.csv changed: it was "
rm -rf again*
fails 2 "no input given" map -- cat
fails 2 "--rows goes without --parts and --by" map in.csv --rows 3 --parts 4 -- cat
printf 'a,b\n1,2\n3\n4,5\n' >bad.csv
fails 65 "row 2: 1 field instead of 2" map bad.csv -- cat
run 2 map bad.csv --on-bad-row skip --rejects rejects.csv -- cat
check "rejected rows" has_code 3
check "are kept apart" grep -q '^"bad.csv",2,8,' rejects.csv
check "the others go through" [ "$(tr '\n' ' ' <"$out")" = 'a,b 1,2 4,5 ' ]
finish
