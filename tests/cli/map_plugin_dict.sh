#!/usr/bin/env bash
# map --plugin --dict: exact totals and the same --dict-out for any number of ranks, in a process of its own and in mpart's; what a
# crash, an operation that fails and a missing --dict come to.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
build=$(cd "$here/../.." && pwd)/${BUILD:-build}
[ "${SAN:-0}" = 1 ] && build=$here/../../build/san
export ASAN_OPTIONS=detect_leaks=0:handle_segv=0:handle_abort=0 TMPDIR=$work/tmp
mkdir "$TMPDIR"
ops=$build/tests/plugins/dict_ops.so count=$build/plugins/dictcount.so
"$MPART" gen groupby --rows 60000 --groups 20 -o g.csv

# ---- every operation; shared counters ----
for np in 0 1 2 5; do
    for where in "" --in-process; do
        succeeds $np map g.csv --rows 10000 --plugin "$ops" $where --dict-out d.csv -o rows.csv
        check "each shard counts its rows" [ "$(tail -n +2 rows.csv | uniq -c | tr -s ' ')" = ' 6 10000' ]
        check "shared counters" [ "$(grep -c '^shared[0-9]*,1200$' d.csv)" = 50 ]
        check "a counter by compare-and-swap" grep -qx 'swapped,6' d.csv
        check "a maximum" grep -qx 'most rows,10000' d.csv
        check "no other key" [ "$(wc -l <d.csv)" = 53 ]
        mv d.csv "d$np$where.csv"
        check "the same for every number of ranks" same d0.csv "d$np$where.csv"
        check "no socket is left" [ -z "$(ls -A "$TMPDIR")" ]
    done
done

# ---- the shipped one ----
awk -F, 'NR > 1 { n[$1]++ } END { for (k in n) print "id:" k "," n[k] }' g.csv | sort >want
"$MPART" query g.csv -o rows.csv
for np in 0 3; do
    succeeds $np map g.csv --parts 7 --plugin "$count" --arg column=id1 --arg prefix=id: --dict-out d.ndjson -o got.csv
    check "the rows pass" [ "$(wc -l <got.csv)" = 60001 ]
    succeeds $np map g.csv --by id1 --plugin "$count" --arg column=id1 --arg prefix=id: --dict-out d.csv -o got.csv
    check "what awk counts" same want <(tail -n +2 d.csv)
    check "as NDJSON" [ "$(grep -c '^{"key":"id:id[0-9]*","value":[0-9]*}$' d.ndjson)" = "$(wc -l <want)" ]
    succeeds $np map g.csv --parts 7 --plugin "$count" --arg seen=id1 --dict -o got.csv
    check "each value once" same <(awk -F, 'NR > 1 { print $1 }' got.csv | sort) <(sed 's/id:\(.*\),.*/\1/' want)
    succeeds $np map g.csv --parts 7 --plugin "$count" --arg column=id1 --arg prefix=id: --dict-in d.csv --dict-out d2.csv -o got.csv
    check "goes on from --dict-in" same <(awk -F, '{ print $1 "," 2 * $2 }' want) <(tail -n +2 d2.csv)
done

# ---- records that a plug-in would not send ----
cat >records.py <<END
import struct, sys
sys.path.insert(0, "$here/../../scripts/examples")
from mpart_dict import Dict
d, error = Dict(), b"\x41" + b"\x0a" + bytes(16)
def record(op, key=b"k", args=b"", total=None, key_len=None):
    n = 12 + len(key) + len(args)
    return struct.pack("<IIBBH", n if total is None else total, len(key) if key_len is None else key_len, op, 0, 0) + key + args
refused = [b"", b"x" * 11, record(1, total=5), record(1, total=99), record(1, key_len=99), record(0), record(12), record(28), record(255)]
for r in refused:
    try:
        d("MPART.DO", record(1), r)
    except RuntimeError as why:
        assert "malformed" in str(why), why
    else:
        raise SystemExit(repr(r))
broken = [b"", b"\x01\x02", b"\x03\xff\xff\xff\xff", b"\x40\x01\0\0\0", b"\x42"]
for op in 5, 7, 8, 9, 10, 11:
    assert d("MPART.DO", *[record(op, args=a) for a in broken]) == [error] * len(broken), op
assert d("MPART.DO", record(5, args=b"\x01" + struct.pack("<q", 7)), record(1)) == [b"\x01" + struct.pack("<q", n) for n in (1, 7)]
print(d("GET", "k"), d("DBSIZE"))
END
echo 1 >one
for np in 0 3; do
    succeeds $np map --items one --dict -- python3 records.py
    check "each is answered" prints "b'7' 1"
done

# ---- trouble ----
run 2 map g.csv --rows 10000 --plugin "$ops" --arg do=crash --dict-out d.csv -o rows.csv
check "crash: exit code 3" has_code 3
check "crash: says so" says_once 'signal 11 (Segmentation fault), in process'
check "crash: the others counted" grep -qx 'swapped,5' d.csv
check "crash: nothing is counted twice" [ "$(awk -F, '/^shared/ && ($2 < 1000 || $2 > 1200)' d.csv | wc -l)" = 0 ]
rm -rf rows.csv*
for where in "" --in-process; do
    run 2 map g.csv --rows 10000 --plugin "$ops" --arg do=overflow $where --dict-out d.csv -o rows.csv
    check "overflow: exit code 3" has_code 3
    check "overflow: says so" says_once "key 'full': increment or decrement would overflow"
    check "overflow: the value is as it was" grep -qx 'full,9223372036854775807' d.csv
    check "overflow: the other shards" [ "$(wc -l <rows.csv)" = 6 ]
    rm -rf rows.csv*
done
for np in 0 2; do
    for where in "" --in-process; do
        run $np map g.csv --rows 10000 --plugin "$ops" --arg do=lost $where --dict -o rows.csv
        check "a failure that a failed shard did not hear of: exit code 3" has_code 3
        check "its own reason" says_once "[2] mpart: the plug-in failed: file '$ops': it has given up"
        check "it is not the next shard's" says_once "some shards failed: 1 of 6; the first is 2 ('shard 2')"
        check "the other shards" [ "$(wc -l <rows.csv)" = 6 ]
        rm -rf rows.csv*
    done
done
refused 1 "it needs the dictionary: --dict or --dict-out FILE" map g.csv --plugin "$count" --arg column=id1
MPART_DICT=/nowhere run 0 map g.csv --plugin "$ops"
check "without --dict there is none, whatever the environment says" says_once "no dictionary"
refused 1 "there is no column 'x'" map g.csv --plugin "$count" --arg column=x --dict
for rank in 0 1; do
    for phase in dict units output dict-out; do
        MPART_TEST_FAIL=$rank:$phase run 2 map g.csv --rows 10000 --plugin "$ops" --dict-out no.csv
        check "rank $rank fails in $phase: exit code 1" has_code 1
        left=$(ls -A "$TMPDIR")$(ls -A | grep -E '^no|mpart')
        case $phase in
            dict | units) check "nothing is left" [ -z "$left" ] ;;
            *) check "what is done is left" [ "$left" = no.csv.mpart-run ] ;;
        esac
        rm -rf no.csv*
    done
done
finish
