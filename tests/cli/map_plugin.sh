#!/usr/bin/env bash
# map --plugin: the same bytes however it is run, agreement with awk and Python, and what is left of a run when a plug-in misbehaves.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
build=$(cd "$here/../.." && pwd)/${BUILD:-build}
[ "${SAN:-0}" = 1 ] && build=$here/../../build/san
plugins=$build/plugins
export ASAN_OPTIONS=detect_leaks=0:handle_segv=0:handle_abort=0
wordcount=$plugins/wordcount.so hostile=$plugins/hostile.so linreg=$plugins/linreg.so

# ---- word count: a map-reduce ----

awk 'BEGIN {
    srand(7)
    for (i = 0; i < 20000; i++) {
        n = int(rand() * 9)
        for (k = 0; k < n; k++) printf "%s%s%d", k ? (rand() < .1 ? "\t" : " ") : "", rand() < .05 ? "ein-sehr-langes-Wort-Nr-" : "w", int(1 / (rand() + .0005))
        printf "\n"
    }
    print "quote\" comma, \303\274ber"
}' >text.txt
awk '{ for (i = 1; i <= NF; i++) n[$i]++ } END { for (w in n) print w "\t" n[w] }' text.txt | sort >want
for np in 0 1 2 3 5; do
    succeeds $np map text.txt --parts 13 --plugin "$wordcount" -o "wc$np.csv"
    check "silent" silent
    check "same for every number of ranks" same wc0.csv "wc$np.csv"
done
check "has a header" test "$(head -n 1 wc0.csv)" = word,count
"$MPART" query wc0.csv -o wc.tsv && tail -n +2 wc.tsv | sed 's/^"\(.*\)"\t/\1\t/; s/""/"/' | sort >got
check "what awk counts" same want got
check "in the order of the words" test "$(tail -n +2 wc.tsv | cut -f 1 | sed 's/^"//' | head -n 200)" = \
    "$(tail -n +2 wc.tsv | cut -f 1 | sed 's/^"//' | head -n 200 | sort)"
succeeds 3 map text.txt --parts 13 --plugin "$wordcount" --in-process -o in.csv
check "the same in-process" same wc0.csv in.csv
succeeds 2 map text.txt --parts 1 --plugin "$wordcount" -o one.csv
check "the same in one shard" same wc0.csv one.csv
succeeds 2 map text.txt --rows 777 --plugin "$wordcount"
check "the same on standard output" same wc0.csv "$out"
run_piped text.txt 2 map - --input-format lines --plugin "$wordcount" -o pipe.csv
check "exit code 0" has_code 0
check "the same from a pipe" same wc0.csv pipe.csv
gzip -c text.txt >text.txt.gz
succeeds 2 map text.txt.gz --plugin "$wordcount" -o gz.csv
check "the same from gzip" same wc0.csv gz.csv
succeeds 2 map text.txt --plugin "$wordcount" -o wc.ndjson
"$MPART" query wc0.csv --types word:string -o wc2.ndjson
check "as NDJSON" same wc2.ndjson wc.ndjson
printf 'a,b\n' >head.csv
succeeds 2 map head.csv --types a:string --plugin "$wordcount"
check "no rows: the header alone" test "$(cat "$out")" = word,count

# ---- values: a plug-in that hands its rows on ----

printf 'g,i,d,f,b,day,at,s,none\n' >types.csv
awk 'BEGIN { for (i = 0; i < 9000; i++)
    printf "%s,%d,%.*f,%.17g,%s,2020-01-%02d,2021-02-03 04:05:%02d.5,\"te \"\"%d\"\", x\",\n", i % 7 ? "k" i % 7 : "", i * 1000003 - 77, i % 5,
        i / 8, i / 7 * 10 ^ (i % 40), i % 3 ? "true" : "", 1 + i % 28, i % 60, i }' >>types.csv
"$MPART" query types.csv -o want.ndjson
for np in 0 2 5; do
    succeeds $np map types.csv --rows 500 --plugin "$hostile" -o got.ndjson
    check "all types pass as they are" same want.ndjson got.ndjson
done
succeeds 2 map types.csv --rows 333 --plugin "$hostile" --in-process -o got.ndjson
check "all types pass in-process" same want.ndjson got.ndjson
"$MPART" query types.csv -o want.csv
for what in "--rows 1000" "--by g" "--by g,b --parts 3"; do
    # shellcheck disable=SC2086
    for np in 0 3; do
        succeeds $np map types.csv $what --plugin "$hostile" -o "got$np.csv"
        check "$what: all rows are there" test "$(sort "got$np.csv" | cksum)" = "$(sort got0.csv | cksum)"
        check "$what: their number" test "$(wc -l <"got$np.csv")" = 9001
    done
    check "$what: the same for every number of ranks" same got0.csv got3.csv
done
check "--types are the plug-in's" test "$("$MPART" map types.csv --types i:float64 --plugin "$hostile" | sed -n 2p | cut -d , -f 2)" = -77.0

# ---- linreg: a key, floats ----

python3 - <<'PY'
import random
random.seed(3)
with open('points.csv', 'w') as f:
    f.write('k,x,y\n')
    for i in range(30000):
        k = random.choice('abcdefg')
        x = random.uniform(-5, 5)
        f.write(f'{k},{x:.6f},{3 + ord(k) % 5 * x + random.gauss(0, .3):.4f}\n')
    f.write('h,1,\n,2,3\n,4,7\ni,5,5\n')
PY
for np in 0 2 5; do
    succeeds $np map points.csv --parts 9 --plugin "$linreg" --arg x=x --arg y=y --arg by=k -o "fit$np.csv"
    check "linreg: the same for every number of ranks" same fit0.csv "fit$np.csv"
done
cat >fit.py <<'PY'
import collections, csv, math
points = collections.defaultdict(list)
for r in csv.DictReader(open('points.csv')):
    if r['x'] and r['y']: points[r['k']].append((float(r['x']), float(r['y'])))
rows = list(csv.DictReader(open('fit0.csv')))
assert [r['k'] for r in rows] == list('abcdefg') + ['i', ''], [r['k'] for r in rows]
for r in rows:
    p = points[r['k']]
    n = len(p)
    assert int(r['n']) == n
    mx, my = math.fsum(x for x, _ in p) / n, math.fsum(y for _, y in p) / n
    xx = math.fsum((x - mx) ** 2 for x, _ in p)
    if xx == 0:
        assert r['slope'] == r['intercept'] == r['r2'] == ''
        continue
    slope = math.fsum((x - mx) * (y - my) for x, y in p) / xx
    assert abs(float(r['slope']) - slope) < 1e-10 and abs(float(r['intercept']) - (my - slope * mx)) < 1e-10
PY
check "linreg: what Python finds" python3 fit.py

# ---- trouble ----

"$MPART" map types.csv --rows 2000 --plugin "$hostile" -o whole.csv
sed '2002,4001d' whole.csv >rest.csv
for np in 0 2; do
    while read -r what text; do
        run $np map types.csv --rows 2000 --plugin "$hostile" --arg "do=$what" --arg shard=1 --timeout 20 -o bad.csv
        check "$what: exit code 3" has_code 3
        check "$what: says '$text'" says_once "$text"
        check "$what: one message" one_message
        check "$what: the other shards are there" same rest.csv bad.csv
        rm -rf bad.csv.mpart-run
    done <<'WHAT'
crash signal 11 (Segmentation fault), in process
exit [2] mpart: the plug-in ended its process
error [2] mpart: the plug-in failed
close [2] mpart: the plug-in
keep process kept a part of its batch
WHAT
    run $np map types.csv --rows 2000 --plugin "$hostile" --arg do=hang --arg shard=1 --timeout 0.5 -o bad.csv
    check "hang: exit code 3" has_code 3
    check "hang: says so" says_once '0.5 s were over, in process'
    check "hang: the other shards are there" same rest.csv bad.csv
    rm -rf bad.csv.mpart-run
    run $np map types.csv --rows 2000 --plugin "$hostile" --arg do=oob -o bad.csv
    check "oob everywhere: exit code 3" has_code 3
    rm -rf bad.csv.mpart-run
    run $np map types.csv --rows 2000 --plugin "$hostile" --arg do=crash --arg shard=1 --halt soon -o halted.csv
    check "--halt: exit code 1" has_code 1
    check "--halt: no output" test ! -e halted.csv
    rm -rf halted.csv.mpart-run
    run $np map types.csv --rows 2000 --plugin "$hostile" --arg do=error --arg unless=tried --arg shard=1 --retries 2 -o bad.csv
    check "retries: exit code 3" has_code 3
    touch tried
    run $np map types.csv --rows 2000 --plugin "$hostile" --arg do=error --arg unless=tried --arg shard=1 --retries 2 -o bad.csv \
        --resume --joblog log
    check "resumed: exit code 0" has_code 0
    check "resumed: as if nothing had been" same whole.csv bad.csv
    check "resumed: one shard was run" test "$(wc -l <log)" = 2
    rm -f tried log
done
mkdir out
tp=$build/tests/plugins
fails 74 "cannot open the plug-in: file 'none.so': No such file" map types.csv --plugin none.so -o out/x.csv
fails 2 "it has no function mpart_plugin_entry" map types.csv --plugin "$tp/no_symbol.so" -o out/x.csv
fails 2 "has version 42 of the plug-in ABI" map types.csv --plugin "$tp/old_abi.so" -o out/x.csv
fails 1 "signal 11" map types.csv --plugin "$tp/crash_on_load.so" -o out/x.csv
fails 1 "there is no column 'zz'" map types.csv --plugin "$wordcount" --arg column=zz -o out/x.csv
fails 1 "99 key columns" map types.csv --plugin "$hostile" --arg do=keys -o out/x.csv
fails 2 "--plugin takes the place of a command" map types.csv --plugin x.so -- cat
fails 2 "--arg and --in-process go with --plugin" map types.csv --arg a=b -- cat
fails 2 "--plugin is for tables" map --items types.csv --plugin x.so
fails 2 "--raw, --shard-format and -I go with a command" map types.csv --raw --plugin x.so
check "no output is left" test -z "$(find out -name '*.csv')"
finish
