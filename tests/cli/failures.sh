# failures.sh - outputs that cannot be written, readers that leave, packed files that are broken, rejected rows, too little memory, a rank
# that is killed: the exact message, the same alone and with 5 ranks; no output where the run failed.
. "$(dirname "$0")/lib.sh"
mkdir out folder
awk 'BEGIN { print "a,b"; for (i = 1; i <= 150000; i++) print i "," i * 2 }' >in.csv

# ---- places that cannot be written, found before the data is read: the input has a bad last row ----
{ cat in.csv && echo 1,2,3; } >bad.csv
for query in "--where a>5" "--by a --agg count()" "--sort -a"; do
    refuses 74 "mpart: cannot write: file 'none/o.csv': No such file or directory
hint: there is no folder 'none/' here" query bad.csv $query -o none/o.csv
done
refuses 74 "mpart: cannot write: file 'folder': Is a directory" query bad.csv -o folder
refuses 74 "mpart: cannot write: file 'in.csv/o.csv': Not a directory" query bad.csv -o in.csv/o.csv
refuses 74 "mpart: cannot write: file 'none/r.csv': No such file or directory
hint: there is no folder 'none/' here" query bad.csv --on-bad-row skip --rejects none/r.csv -o out/o.csv
refuses 74 "mpart: cannot make a scratch file: file 'none': No such file or directory
hint: name a folder with room: --scratch DIR" query in.csv --scratch none

# ---- no room ----
for query in "--where a>5" "--sort -a --limit 50000"; do
    refuses 74 "mpart: cannot write: file '/dev/full': No space left on device" query in.csv $query -o /dev/full
done
check "devices are not replaced" [ -c /dev/full ]
if small_disk 256k; then
    for query in "--where a>5" "--by a --agg sum(b)" "--sort -a"; do
        refuses 74 "mpart: cannot write: file '$small/o.csv': No space left on device" query in.csv $query -o "$small/o.csv"
        check "no temporary" no_output "$small"
    done
    echo before >"$small/o.csv"
    run 5 query in.csv -o "$small/o.csv"
    check "the file that was there stays" same "$small/o.csv" <(echo before)
fi
(
    ulimit -f 100
    run 0 query in.csv -o out/o.csv
    check "a limit of the file size" says "mpart: cannot write: file 'out/o.csv': File too large"
    check "exit code 74" has_code 74
    check "no temporary" no_output out
    exit $((n_failed > 0))
) || n_failed=$((n_failed + 1))

# ---- standard output: closed by its reader is no failure, full is one ----
for np in 0 5; do
    for query in "--where a>5" "--by a --agg sum(b)" "--sort -a"; do
        start="$MPART" && [ $np != 0 ] && start="mpirun -np $np $MPART"
        last="$start query in.csv $query | head -n 1"
        timeout 60 $start query in.csv $query 2>"$err" | head -n 1 >"$out"
        rc=${PIPESTATUS[0]}
        # what mpirun does about its own closed standard output is its own affair
        [ $np = 0 ] && check "exit code 0" has_code 0
        check "the header came" grep -q '^a,' "$out"
        check "no message" silent
    done
done
last="query in.csv >/dev/full"
"$MPART" query in.csv >/dev/full 2>"$err"
rc=$?
check "a full standard output" says "mpart: cannot write: file 'standard output': No space left on device"
check "exit code 74" has_code 74

# ---- packed files ----
gzip -k in.csv
head -c 100000 in.csv.gz >cut.csv.gz
refuses 65 "mpart: bad packed data: file 'cut.csv.gz': gzip at byte 100000 of the packed data: the data is cut off here" \
    query cut.csv.gz --by a --agg 'count()' -o out/o.csv
size=$(stat -c %s in.csv.gz)
{ head -c $((size - 8)) in.csv.gz && printf '\1\2\3\4' && tail -c 4 in.csv.gz; } >sum.csv.gz
refuses 65 "mpart: bad packed data: file 'sum.csv.gz': gzip at byte $size of the packed data: incorrect checksum or length" \
    query sum.csv.gz -o out/o.csv
if command -v zstd >/dev/null; then
    zstd -q --check in.csv -o in.csv.zst
    head -c 10000 in.csv.zst >cut.csv.zst
    refuses 65 "mpart: bad packed data: file 'cut.csv.zst': zstd at byte 10000 of the packed data: the data is cut off here" \
        query cut.csv.zst --sort a -o out/o.csv
fi
gzip -c bad.csv >bad.csv.gz
for input in bad.csv bad.csv.gz "bad.csv --scatter data"; do
    refuses 65 "mpart: bad data: file '${input%% *}', row 150001: 3 fields instead of 2
hint: --on-bad-row skip leaves such rows out" query $input --by a --agg 'count()' -o out/o.csv
done
run_piped bad.csv 5 query - --by a -o out/o.csv
check "a pipe's bad row" says "mpart: bad data: file '-', row 150001: 3 fields instead of 2
hint: --on-bad-row skip leaves such rows out"

# ---- rejected rows: exit 3, the answer without them, or with nulls in their place ----
rows() {
    awk -v one="$1" -v two="$2" -v three="$3" -v four="$4" 'BEGIN {
        put[1] = one; put[17] = two; put[30000] = three; put[60000] = four
        print "id,name,amount"
        for (i = 1; i <= 60000; i++) {
            line = i in put ? put[i] : i ",\"n, " i % 9 "\"," i % 97 ".5"
            if (line != "") print line
        }
    }'
}
rows '1,x' '17,"x"y,5' '30000,zz,abc' '60000,q,1,' >rows.csv
rows '' '' '' '' >"$work/skipped"
# a type that was asked for is also how values are written
rows '1,x,' '17,,5.0' '30000,zz,' '60000,q,1.0' >"$work/mended"
at() { head -n "$1" rows.csv | wc -c; } # byte offset of row $1, the header being row 0
cat >"$work/rejects" <<END
file,row,offset,reason,record
"rows.csv",1,$(at 1),"2 fields instead of 3","1,x"
"rows.csv",17,$(at 17),"text behind a closing quote","17,""x""y,5"
"rows.csv",30000,$(at 30000),"column 'amount': 'abc' is not a float64","30000,zz,abc"
"rows.csv",60000,$(at 60000),"4 fields instead of 3","60000,q,1,"
END
for np in 0 5; do
    for way in skip null; do
        want=$work/skipped && [ $way = null ] && want=$work/mended
        run $np query rows.csv --on-bad-row $way --rejects out/r.csv --types amount:float64 -o out/o.csv
        check "exit code 3" has_code 3
        check "$way: says so" says "mpart: rows were rejected: 4 bad rows left out or mended"
        check "$way: the rejected rows" same out/r.csv "$work/rejects"
        check "$way: the answer" same out/o.csv "$want"
        rm -f out/*
    done
done

run 2 query rows.csv --rejects out/r.csv --types amount:float64 -o out/o.csv
check "--rejects alone skips: exit code 3" has_code 3
check "the rejected rows" same out/r.csv "$work/rejects"
check "the answer" same out/o.csv "$work/skipped"
rm -f out/*
fails 65 "row 1: 2 fields instead of 3" query rows.csv --rejects out/r.csv --on-bad-row fail -o out/o.csv

# ---- memory ----
awk 'BEGIN { print "k,v"; for (i = 1; i <= 400000; i++) print "a key of some length " i "," i }' >keys.csv
for np in 0 5; do
    for query in "--by k --agg sum(v)" "--sort -k" "--agg count_distinct(k)"; do
        run $np query keys.csv $query --memory 3M -o out/o.csv
        check "exit code 1" has_code 1
        check "the limit is named" grep -q '^mpart: out of memory: .* do not fit in the budget of 3\.0 MiB$' "$err"
        check "what helps" says_once 'hint: give each rank more with --memory, or use more ranks'
        check "one message" one_message
        check "no output" no_output out
    done
    succeeds $np query keys.csv --memory 8M -o out/o.csv
    check "rows that pass through need little" same out/o.csv keys.csv
    rm -f out/o.csv
done

# Address space can be short where memory is not.
succeeds 0 query keys.csv --by k --agg 'sum(v)'
cp "$out" expected
(
    ulimit -v 800000
    succeeds 0 query keys.csv --by k --agg 'sum(v)'
    check "with little address space" same "$out" expected
    [ $n_failed = 0 ]
) || check "with little address space" false

# One rank stands still: the others wait for its rows, and keep no more of theirs than their memory allows.
{
    cat keys.csv
    for _ in 1 2 3 4 5; do tail -n +2 keys.csv; done
} >long.csv
for wait_s in 0.2 0.35 0.5; do
    timeout -k 5 60 mpirun -np 5 "$MPART" query long.csv --memory 8M -o out/o.csv >"$out" 2>"$err" &
    launcher=$!
    sleep $wait_s
    stopped=$(pgrep -P $(pgrep -P $launcher -x mpirun) -x mpart | head -n 1)
    [ -n "$stopped" ] && kill -STOP "$stopped" && sleep 0.7 && kill -CONT "$stopped"
    wait $launcher
    rc=$?
    last="a rank stopped after $wait_s s"
    check "waits" has_code 0
    check "for all rows" same out/o.csv long.csv
    rm -f out/o.csv
done
rm -f long.csv

# ---- a rank is killed: mpirun ends the job; a temporary may stay, the output's name is not taken ----
mkfifo feed
for rank in 0 1; do
    last="kill -9 of rank $rank"
    mpirun -np 3 "$MPART" query feed --by a -o out/o.csv >"$out" 2>"$err" &
    job=$!
    exec 9>feed
    cat in.csv >&9 # comes to its end when all but what a pipe holds was read
    kill_rank $job $rank
    exec 9>&-
    check "no output" [ ! -e out/o.csv ]
    rm -rf out && mkdir out
done
finish
