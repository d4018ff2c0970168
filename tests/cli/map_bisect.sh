#!/usr/bin/env bash
# map --bisect with plug-ins and with --by: which rows are rejected, that all others are there, once, with their keys together.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
build=$(cd "$here/../.." && pwd)/${BUILD:-build}
[ "${SAN:-0}" = 1 ] && build=$here/../../build/san
export ASAN_OPTIONS=detect_leaks=0:handle_segv=0:handle_abort=0
hostile=$build/plugins/hostile.so

# ---- plug-ins ----
printf 'g,i,d,f,b,day,at,s,none\n' >types.csv
awk 'BEGIN { for (i = 0; i < 9000; i++)
    printf "%s,%d,%.*f,%.17g,%s,2020-01-%02d,2021-02-03 04:05:%02d.5,\"te \"\"%d\"\", x\",\n", i % 7 ? "k" i % 7 : "", i * 1000003 - 77, i % 5,
        i / 8, i / 7 * 10 ^ (i % 40), i % 3 ? "true" : "", 1 + i % 28, i % 60, i }' >>types.csv
poison='te "4321", x'
"$MPART" query types.csv --where "s != '$poison'" -o rest.csv
"$MPART" map rest.csv --plugin "$hostile" -o want.csv
for case in "0 crash" "3 crash" "0 exit" "2 abort"; do
    np=${case% *} what=${case#* }
    run $np map types.csv --rows 2000 --bisect --rejects rejects --plugin "$hostile" --arg do=$what --arg "text=$poison" -o got.csv
    check "$what: exit code 3" has_code 3
    check "$what: one message" one_message
    check "$what: says how many" says_once 'mpart: rows were rejected: 1 bad row left out or mended'
    check "$what: all other rows" same want.csv got.csv
    check "$what: this row" [ "$(wc -l <rejects)" = 2 ]
    check "$what: its place and text" grep -qE '^"types.csv",4322,[0-9]+,"(ended by signal|exit code).*"".*4321.*$' rejects
done
{ head -n 1 types.csv && sed -n 4320,4325p types.csv; } >few.csv
run 0 map few.csv --bisect --rejects rejects --timeout 0.3 --plugin "$hostile" --arg do=hang --arg "text=$poison" -o got.csv
check "hang: all other rows" same <(grep -c . got.csv) <(echo 6)
check "hang: the reason" grep -q '"its time limit was over"' rejects
run 2 map types.csv --rows 2000 --bisect --plugin "$hostile" --arg do=error --arg "text=$poison" -o got.csv
check "an error is no crash" says_once 'some shards failed: 1 of 5'
rm -rf got.csv*

# a map-reduce: the rows that are left are combined
"$MPART" map rest.csv --rows 2000 --plugin "$hostile" --arg keys=2 -o want.csv
for np in 0 3; do
    run $np map types.csv --rows 2000 --bisect --rejects rejects --plugin "$hostile" --arg do=crash --arg role=map --arg "text=$poison" \
        --arg keys=2 -o got.csv
    check "map-reduce: exit code 3" has_code 3
    check "map-reduce: this row" [ "$(wc -l <rejects)" = 2 ]
    check "map-reduce: all others" same want.csv got.csv
done

# ---- by key: rows of a key stay together ----
{ echo k,v && seq 1 300 | awk '{ print "k" $1 % 7 "," ($1 % 2 ? "x" : " x") $1 }'; } >keyed.csv
# crashes where a key has at least `least` of the rows `bad`
cat >sum.awk <<'END'
BEGIN { FS = ","; n = split(bad, b, " "); for (i = 1; i <= n; i++) is_bad[b[i]] = 1 }
NR == 1 { next }
{ sub(/^ /, "", $2); rows[$1]++; sum[$1] += substr($2, 2); if (($2 in is_bad) && ++wrong[$1] >= least) exit system("kill -9 $PPID") }
least == 0 { exit system("kill -9 $PPID") }
END { print "k,n,s"; for (k in rows) print k "," rows[k] "," sum[k] | "sort" }
END
sums() { # WITHOUT...
    grep -vwE "$(IFS='|' && echo "$*")" keyed.csv | awk -v least=1 -f sum.awk | sort
}
for np in 0 3; do
    for shape in "--parts 2" ""; do
        run $np map keyed.csv --by k $shape --bisect --rejects rejects -o got.csv -- awk -v least=1 -v "bad=x150 x3 x8" -f sum.awk
        check "$shape: exit code 3" has_code 3
        check "$shape: each key once, without these rows" same <(sort got.csv) <(sums x150 x3 x8)
        check "$shape: these rows" [ "$(cut -d , -f 5- rejects | sort | tr -d '\n')" = '"k1, x8""k3, x150""k3,x3"record' ]
        check "$shape: named by shard and row" [ "$(grep -cE '^"part-[0-9]{5}.csv",[0-9]+,[0-9]+,"ended by signal 9 \(Killed\)"' rejects)" = 3 ]
        mv got.csv "got$np$shape.csv"
        check "$shape: the same for every number of ranks" same "got0$shape.csv" "got$np$shape.csv"
    done
done
run 2 map keyed.csv --by k --parts 2 --bisect --rejects rejects -o got.csv -- awk -v least=2 -v "bad=x150 x3 x8" -f sum.awk
check "rows that only go wrong together: the key" same <(sort got.csv) <(sums '^k3')
check "all of its rows" [ "$(grep -c 'only with other rows of its key' rejects)" = 43 ]
head -n 21 keyed.csv >few.csv
run 2 map few.csv --by k --parts 2 --bisect --rejects rejects -o got.csv -- awk -v least=0 -v "bad=" -f sum.awk
check "no row can be taken" says_once 'mpart: rows were rejected: 20 bad rows left out or mended'
# numbers are one key however they are written
printf 'k,v\n1,a\n1.0,b\n2,c\n1,poison\n' >spelled.csv
run 2 map spelled.csv --by k --parts 1 --bisect -o got.csv -- sh -c 'cat >x.$$; grep -q poison x.$$ && kill -9 $$; echo h; grep -c ^1 x.$$; true'
check "one key" [ "$(sort got.csv | tr '\n' ' ')" = '0 2 h ' ]
run 2 map spelled.csv --by k --shard-format ndjson --raw --bisect --rejects rejects -- sh -c 'grep poison && kill -9 $$; true'
check "NDJSON" grep -q '""v"":""poison""' rejects
run 2 map keyed.csv --by k --parts 2 --bisect --rejects rejects --plugin "$hostile" --arg do=crash --arg text=x3 -o got.csv
check "a plug-in, by key: this row" [ "$(tail -n 1 rejects | cut -d , -f 5-)" = '"k3,x3"' ]
check "a plug-in, by key: all others" same <(sort got.csv) <(grep -v 'x3$' keyed.csv | sort)
"$MPART" query types.csv -o t.h5
run 2 map t.h5 --rows 4000 --bisect --rejects rejects --plugin "$hostile" --arg do=crash --arg "text=$poison" -o got.csv
check "HDF5: its row" grep -q '^"t.h5",4322,4321,"ended' rejects

# ---- going on, refused ----
run 2 map keyed.csv --by k --parts 4 --bisect --rejects rejects --halt soon -o got.csv -- sh -c '[ -e ok ] || exit 1; exec awk -v least=1 -v "bad=x150" -f sum.awk'
check "halted" has_code 1
touch ok
run 3 map keyed.csv --by k --parts 4 --bisect --rejects rejects --halt soon -o got.csv --resume -- \
    sh -c '[ -e ok ] || exit 1; exec awk -v least=1 -v "bad=x150" -f sum.awk'
check "resumed: exit code 3" has_code 3
check "resumed: each key once" same <(sort got.csv) <(sums x150)
check "resumed: this row" [ "$(wc -l <rejects)" = 2 ]
# ended in the middle of its parts, the last of which ends well: the shard is not done
{ echo v && seq 1 8 && echo poison && seq 10 24; } >poison.csv
grep -v poison poison.csv >want
cat >part.sh <<'SH'
in=$(cat)
[ $MPART_SHARD = 0 ] && [ ! -e ok ] && [ $1 = halt ] && until [ -e in_parts ]; do sleep 0.02; done && exit 1
case $in in *poison*) touch crashed && kill -9 $$ ;; esac
echo "$in"
[ $MPART_SHARD = 1 ] && [ -e crashed ] && [ ! -e ok ] || exit 0
trap 'exit 0' TERM
touch in_parts
[ $1 = halt ] || { kill -USR1 $PPID && sleep 0.3; }
[ $1 = finish ] && exit
[ $1 = halt ] || kill -TERM $PPID
for _ in $(seq 200); do sleep 0.1; done
SH
for case in "0 stop 130" "0 finish 75" "2 halt 1"; do
    set -- $case
    rm -rf ok crashed in_parts got.csv*
    run $1 map poison.csv --rows 8 --bisect --halt now --rejects rejects -o got.csv -- sh part.sh $2
    check "$2: exit code $3" has_code $3
    check "$2: what is done" [ "$(awk '/^unit/ && $9 == 0 { print $2 }' got.csv.mpart-run/journal | sort | tr -d '\n')" = \
        "$(case $2 in stop) echo 0 ;; finish) echo 01 ;; esac)" ]
    touch ok
    run 2 map poison.csv --rows 8 --bisect --halt now --rejects rejects -o got.csv --resume -- sh part.sh $2
    check "$2, resumed: exit code 3" has_code 3
    check "$2, resumed: all other rows" same want got.csv
    check "$2, resumed: this row" [ "$(wc -l <rejects)" = 2 ]
done
sed -i '17q' poison.csv
# parts that print nothing, before and behind others
run 2 map poison.csv --rows 16 --bisect --rejects rejects -o got.csv -- sh -c 'in=$(cat); case $in in *poison*) kill -9 $$ ;; *1[46]*) echo "$in" ;; esac'
check "parts without output" says_once 'mpart: rows were rejected: 1 bad row'
check "parts without output: the others" same got.csv <(echo v && seq 13 16)
run 2 map poison.csv --rows 16 --bisect --rejects rejects -o got.csv -- sh -c 'in=$(cat); case $in in *poison*) kill -9 $$ ;; *4*8) echo "$in" ;; esac'
check "parts without output behind others" same got.csv <(echo v && seq 1 8)
refused 2 "--bisect goes without --in-process" map keyed.csv --bisect --in-process --plugin "$hostile"
refused 2 "--rejects with --by goes with --bisect" map keyed.csv --by k --rejects r -- cat
refused 2 "--rejects with --by goes with --bisect, and without --on-bad-row" map keyed.csv --by k --rejects r --bisect --on-bad-row skip -- cat
refused 2 "--bisect goes without --results" map keyed.csv --bisect --results r -- cat
run 0 map few.csv --rows 5 --bisect -- sh -c 'cat >x.$$; head -c -1 x.$$'
check "a last line without newline gets one" same few.csv "$out"
finish
