# map_dict.sh - the shared dictionary beside commands: exact counters, the same bytes for any number of ranks, what --dict-in takes,
# what is refused, and that nothing is left behind, whichever rank fails.
. "$(dirname "$0")/lib.sh"
export TMPDIR=$work/tmp
mkdir "$TMPDIR"
examples=$here/../../scripts/examples
seq 1 24 >list
cat >count.py <<END
import sys
sys.path.insert(0, "$examples")
from mpart_dict import Dict
d, i = Dict(), int(sys.argv[1])
d.many([("INCR", "shared%d" % (k % 50)) for k in range(500)])
d("INCRBY", "sum", i)
d("HINCRBY", "by three", "rest %d" % (i % 3), 1)
d("SADD", "odd,\"set\"", "m%d" % (i % 4), b"x\ny")
d("SETNX", b"first %d" % (i // 10), 1) and d("INCR", "firsts")
while True:  # a counter by compare-and-swap
    old = d("GET", "cas")
    if old is None and d("SETNX", "cas", 1) or old is not None and d("CAS", "cas", old, int(old) + 1):
        break
END
# ---- exact, and the same bytes ----
for np in 0 2 5; do
    succeeds $np map --items list --dict-out d$np.csv --stats s.json -- python3 -S count.py
    check "no folder of a socket is left" [ -z "$(ls -A "$TMPDIR")" ]
    [ $np = 2 ] || succeeds $np map --items list --dict-out d$np.ndjson -- python3 -S count.py
    check "shared counters" [ "$(grep -c '^shared[0-9]*,240$' d$np.csv)" = 50 ]
    check "a sum" [ "$(grep '^sum,' d$np.csv)" = sum,300 ]
    check "a counter by compare-and-swap" [ "$(grep '^cas,' d$np.csv)" = cas,24 ]
    check "exactly one is the first" [ "$(grep '^firsts,' d$np.csv)" = firsts,3 ]
    check "CSV does not depend on the ranks" same d$np.csv d0.csv
    [ $np = 2 ] || check "NDJSON does not depend on the ranks" same d$np.ndjson d0.ndjson
    check "--stats" python3 - $np <<'END'
import json, sys
ranks = json.load(open("s.json"))["ranks"]
assert len(ranks) == max(1, int(sys.argv[1]))
assert sum(r["dict_keys"] for r in ranks) == 58 and sum(r["dict_operations"] for r in ranks) >= 24 * 503, ranks
END
done
check "read by others" python3 - <<'END'
import csv, json
rows = list(csv.reader(open("d0.csv", newline="", encoding="latin-1")))
assert rows[0] == ["key", "value"] and [r[0] for r in rows[1:]] == sorted(r[0] for r in rows[1:])
lines = [json.loads(l) for l in open("d0.ndjson")]
assert [l["key"] for l in lines] == [r[0] for r in rows[1:]]
d = {l["key"]: l["value"] for l in lines}
assert d["by three"] == {"rest 0": 8, "rest 1": 8, "rest 2": 8}, d
assert d['odd,"set"'] == ["m0", "m1", "m2", "m3", "x\ny"] and d["sum"] == 300 and d["first 2"] == "1"
END

# ---- in, and out again ----
echo x >one
for np in 0 3; do
    succeeds $np map --items one --dict-in d0.ndjson --dict-out again.ndjson -- true
    check "NDJSON there and back" same again.ndjson d0.ndjson
    succeeds $np map --items one --dict-in d0.csv --dict-out again.csv -- true
    check "CSV there and back" same again.csv d0.csv
    succeeds $np map --items one --dict-in d0.csv -- python3 -c "import sys; sys.path.insert(0, '$examples')
from mpart_dict import Dict; d = Dict(); print(d('INCR', 'sum'), d('GET', 'first 2'), d('DBSIZE'))"
    check "numbers count as such" prints "301 b'1' 58"
done
printf '{"key":"h","value":{"f":2.5,"i":7,"t":"2.5"}}\n{"key":"k","value":2.5}\n' >floats.ndjson
succeeds 2 map --items one --dict-in floats.ndjson --dict-out again.ndjson -- true
check "floats in a hash there and back" same again.ndjson floats.ndjson
python3 -c "[print('{\"key\":\"k%d\",\"value\":\"%s\"}' % (i, 'x' * 100000)) for i in range(10, 34)]" >wide.ndjson
succeeds 3 map --memory 16M --items one --dict-in wide.ndjson --dict-out again.ndjson -- true
check "wide rows in little memory" same again.ndjson wide.ndjson
# ---- packed, TSV and HDF5, out and in again ----
for np in 0 3; do
    for form in csv.gz csv.zst ndjson.gz tsv h5; do
        succeeds $np map --items one --dict-in d0.ndjson --dict-out p$np.$form -- true
        check "$form does not depend on the ranks" same p$np.$form p0.$form
    done
done
for form in csv.gz csv.zst ndjson.gz tsv h5; do
    back=again.csv want=d0.csv
    [ $form = ndjson.gz ] && back=again.ndjson want=d0.ndjson
    succeeds 2 map --items one --dict-in p0.$form --dict-out $back -- true
    check "$form there and back" same $back $want
done
check "gzip" same <(gzip -dc p0.csv.gz) d0.csv
check "zstd" same <(zstd -dc p0.csv.zst) d0.csv
succeeds 0 query p0.h5 -o again.csv
check "HDF5 as a table" same again.csv d0.csv
printf 'key,value,more\nn,5,2.5\nm,-1,0.5\n' >own.csv
succeeds 0 query own.csv -o own.h5
succeeds 0 query own.csv --select key,more -o bad.h5
for np in 0 2; do
    succeeds $np map --items one --dict-in own.h5 -- python3 -c "import sys; sys.path.insert(0, '$examples')
from mpart_dict import Dict; d = Dict(); print(d('INCR', 'n'), d('INCR', 'm'), d('DBSIZE'))"
    check "numbers of HDF5 count as such" prints "6 0 2"
done
printf 'value,other,key\r\n"a ""b""\n",x,k\r\n,,\n' >odd.csv
succeeds 2 map --items one --dict-in odd.csv --dict-out odd.ndjson -- true
check "columns by name" same odd.ndjson <(printf '{"key":"","value":""}\n{"key":"k","value":"a \\"b\\"\\n"}\n')
python3 -c 'print("key,value"); [print("key%06d,%d" % (i * 7919 % 100003, i)) for i in range(100003)]' >many.csv
{ head -n 1 many.csv && tail -n +2 many.csv | LC_ALL=C sort; } >want
for np in 0 3; do
    succeeds $np map --items one --dict-in many.csv --dict-out many.out.csv -- true
    check "many keys, in order" same many.out.csv want
done

# ---- a crawl: every page once ----
mkdir web
for i in $(seq 0 19); do
    for k in 1 2 3 5 8; do echo "<a href=\"p$(((i * 3 + k) % 20)).html\">"; done >web/p$i.html
done
for i in 0 5 7 11; do echo "file://$PWD/web/p$i.html"; done >seeds
succeeds 4 map --items seeds -o pages.tsv --dict --dict-out counts.csv -- python3 "$examples/crawl.py" {} 9
check "every page once" [ "$(cut -f1 pages.tsv | sort | uniq | wc -l) $(wc -l <pages.tsv)" = "20 20" ]
check "counted" grep -qx 'pages:localhost,20' counts.csv

# ---- memory ----
succeeds 2 map --items one --memory 16M --dict -- python3 -c "import sys; sys.path.insert(0, '$examples')
from mpart_dict import Dict
d = Dict(); n = 0
try:
    for n in range(1000): d('SET', 'k%d' % n, b'v' * 100000)
except RuntimeError as why: print(n > 100, 'maxmemory' in str(why), 'do not fit in the budget of' in str(why), d('STRLEN', 'k0'))"
check "the limit is an answer that names it" prints "True True True 100000"
# a set whose text is longer than what is kept for what travels
succeeds 1 map --items one --memory 48M --dict-out set.ndjson -- python3 -c "import sys; sys.path.insert(0, '$examples')
from mpart_dict import Dict
d = Dict(); [d('SADD', 's', *['%0100d' % k for k in range(i, i + 1000)]) for i in range(0, 100000, 1000)]"
check "is written" [ "$(wc -c <set.ndjson)" = 10300022 ]
# 25 MB of items and a dictionary that is filled to its limit: together they stay within --memory
python3 -c 'for i in range(250): print("%d%s" % (i, "x" * 100000))' >wide
cat >fill.py <<END
import sys
sys.path.insert(0, "$examples")
from mpart_dict import Dict
d, refused = Dict(), 0
for i in range(0, 200000, 500):
    refused += sum(isinstance(a, RuntimeError) for a in d.many([("SET", k, "v" * 600) for k in range(i, i + 500)]))
print(refused > 0, d("DBSIZE") + refused, d("STRLEN", 77))
END
succeeds 2 map --items wide --memory 64M --dict-out full.csv --stats s.json -- sh -c '[ $MPART_SHARD != 1 ] || python3 fill.py'
check "what was refused is refused, the rest is there" prints "True 200000 600"
# 20 MiB more than the limit are the program and MPI
check "map and dictionary share --memory" python3 -c '
import json
ranks = json.load(open("s.json"))["ranks"]
assert all(r["peak_rss"] < 84 << 20 for r in ranks) and sum(r["dict_keys"] for r in ranks) > 50000, ranks'

# ---- refused ----
refused 2 "the ending of 'x.xlsx' is not one of .csv, .tsv, .ndjson, .h5" map --items one --dict-out x.xlsx -- true
refused 2 "the ending of '-' is not" map --items one --dict-in - -- true
refused 2 "'value'" map --items one --dict-in bad.h5 --dict-out no.csv -- true
head -c 200 p0.csv.gz >cut.csv.gz
refused 65 "cut.csv.gz" map --items one --dict-in cut.csv.gz --dict-out no.csv -- true
refused 74 "cannot open: file 'none.csv'" map --items one --dict-in none.csv -- true
printf 'k,v\n1,2\n' >bad.csv
refused 65 "there are no columns 'key' and 'value'" map --items one --dict-in bad.csv --dict-out no.csv -- true
printf 'key,value\n1,2\n3\n' >bad.csv
refused 65 "file 'bad.csv', row 2: another number of fields" map --items one --dict-in bad.csv --dict-out no.csv -- true
printf '{"key":"a","value":1}\n{"key":2,"value":1}\n' >bad.ndjson
refused 65 "row 2: an object with a text 'key'" map --items one --dict-in bad.ndjson --dict-out no.csv -- true
refused 74 "there is no folder 'none/' here" map --items one --dict-out none/d.csv -- touch no.run
refused 74 "Is a directory" map --items one --dict-out . -- touch no.run
check "nothing is run or written" [ -z "$(ls -A | grep ^no)" ]

# ---- its file cannot be written ----
python3 -c 'import sys; sys.stdout.write("key,value\nlong,\"%s\"\n" % ("v" * (17 << 20)))' >long.csv
for np in 0 2; do
    rm -f ran
    run $np map --items one --dict-in long.csv --dict-out x.h5 -- sh -c 'echo >>ran'
    check "too long for HDF5: exit code 65" has_code 65
    check "says how to go on" says_once "--resume --run-dir x.h5.mpart-run --dict-out FILE.ndjson"
    succeeds $np map --items one --dict-in long.csv --dict-out x.csv --resume --run-dir x.h5.mpart-run -- sh -c 'echo >>ran'
    check "each unit ran once" [ "$(wc -l <ran)" = 1 ]
    check "nothing is lost, nothing is left" [ "$(wc -c <x.csv) $(echo x.*)" = "$(((17 << 20) + 16)) x.csv" ]
done
run 2 map --items one --dict-out /dev/full -- true
check "full disk: exit code 74" has_code 74
run 2 map --items one --dict-out /dev/full --run-dir x.run -- true
check "full disk: says how to go on" says_once "hint: go on with: mpirun -np 2 $MPART map --resume --items one --dict-out /dev/full"
rm -r x.run

# ---- one rank fails; a unit fails ----
for rank in 0 1 2; do
    for phase in dict units output dict-out; do
        MPART_TEST_FAIL=$rank:$phase run 3 map --items list --dict-out no.csv -- true
        check "rank $rank fails in $phase: exit code 1" has_code 1
        check "one message" one_message
        left=$(ls -A "$TMPDIR")$(ls -A | grep -E '^no|mpart')
        case $phase in
            dict | units) check "nothing is left" [ -z "$left" ] ;;
            *) check "what is done is left" [ "$left" = no.csv.mpart-run ] ;;
        esac
        rm -rf no.csv*
    done
done
run 3 map --items list --dict-out some.csv -- sh -c 'python3 count.py $0; [ $0 = 7 ] && kill -9 $$; [ $0 != 9 ]'
check "exit code 3" has_code 3
check "what was done is there" grep -qx sum,300 some.csv

# ---- all is done, but for a bad row ----
printf 'k,v\na,1\nb\nc,3\n' >bad.csv
for np in 0 3; do
    run $np map bad.csv --on-bad-row skip --dict -o good.csv -- cat
    check "exit code 3, for the row" has_code 3
    check "says so" says_once "1 bad row left out"
    check "no run folder" [ ! -e good.csv.mpart-run ]
done
finish
