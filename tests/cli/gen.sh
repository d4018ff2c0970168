# gen.sh - sample data: the same bytes for any number of ranks, the columns that db-benchmark has, nothing left after a failure.
. "$(dirname "$0")/lib.sh"

# 40,000 rows are three pieces.
for kind in groupby orders; do
    for np in 0 1 2 5; do
        succeeds $np gen $kind --rows 4e4 -o $kind$np.csv
        check "nothing on standard output" is_empty "$out"
        check "the same bytes as alone" same ${kind}0.csv $kind$np.csv
    done
    succeeds 2 gen $kind --rows 40000 -o -
    check "the same on standard output" same ${kind}0.csv "$out"
    succeeds 2 gen $kind --rows 4e4 -o /dev/stdout
    check "the same through /dev/stdout" same ${kind}0.csv "$out"
    succeeds 0 gen $kind --rows 40000 --seed 2 -o - 
    check "another seed, other bytes" test "$(cmp -s ${kind}0.csv "$out"; echo $?)" = 1
    check "rows" test "$(wc -l <${kind}0.csv)" = 40001
done

# G1: the ranges of the columns, as db-benchmark has them for N = 40000, K = 100.
check "columns of G1" awk -F, '
    NR == 1 { exit $0 != "id1,id2,id3,id4,id5,id6,v1,v2,v3" }' groupby0.csv
check "values of G1" awk -F, '
    NR == 1 { next }
    NF != 9 || $1 !~ /^id[0-9][0-9][0-9]$/ || $2 !~ /^id[0-9][0-9][0-9]$/ || $3 !~ /^id0000000[0-9][0-9][0-9]$/ { bad = 1 }
    $4 < 1 || $4 > 100 || $5 < 1 || $5 > 100 || $6 < 1 || $6 > 400 || $7 < 1 || $7 > 5 || $8 < 1 || $8 > 15 { bad = 1 }
    $9 < 0 || $9 > 100 || $9 !~ /^[0-9]+(\.[0-9]*[1-9])?(e-0[4-6])?$/ { bad = 1 }
    { n1[$1]; n3[$3]; n6[$6]; n8[$8]; sum += $9 }
    END { exit bad || length(n1) != 100 || length(n3) != 400 || length(n6) != 400 || length(n8) != 15 ||
              sum / (NR - 1) < 49 || sum / (NR - 1) > 51 }' groupby0.csv
succeeds 0 gen groupby --rows 1000 --groups 3 -o k.csv
check "--groups" test "$(cut -d, -f1 k.csv | sort -u | wc -l)" = 4

# Orders: every field's form, by a CSV reader that is not ours.
if python3 -c 'import csv' 2>/dev/null; then
    check "orders read back" python3 - orders0.csv <<'PY'
import csv, datetime, decimal, sys
rows = list(csv.DictReader(open(sys.argv[1], encoding="utf-8", newline="")))
assert [int(r["order_id"]) for r in rows] == list(range(1, 40001))
days = [datetime.date.fromisoformat(r["day"]) for r in rows]
assert days == sorted(days) and {d.year for d in days} == {2024} and len(set(days)) == 366
assert any("," in r["customer"] for r in rows) and any('"' in r["customer"] for r in rows)
assert {r["paid"] for r in rows} == {"true", "false", ""}
assert "" in {r["region"] for r in rows} and len({r["region"] for r in rows}) == 6
assert all(-decimal.Decimal(r["price"]).as_tuple().exponent == 2 and 1 <= int(r["quantity"]) <= 12 for r in rows)
PY
fi

# Other formats by their ending: what a query would make of the CSV, but for what an HDF5 file says of its origin.
for kind in groupby orders; do
    for ending in tsv ndjson ndjson.zst; do
        succeeds 3 gen $kind --rows 4e4 -o x.$ending
        succeeds 0 query ${kind}0.csv -o want.$ending
        check "$kind as $ending" same x.$ending want.$ending
    done
    for np in 0 3; do
        succeeds $np gen $kind --rows 4e4 -o $kind$np.h5
        check "the same bytes of HDF5" same ${kind}0.h5 $kind$np.h5
    done
    "$MPART" query ${kind}0.csv -o want.h5
    "$MPART" query want.h5 -o want.csv
    succeeds 2 query ${kind}3.h5
    check "the rows of HDF5" same "$out" want.csv
done
succeeds 2 gen orders --rows 0 -o none.h5
succeeds 0 query none.h5
check "no rows of HDF5" test "$(cat "$out")" = "$(head -n 1 orders0.csv)"
for rank in 0 1; do
    for phase in open output store commit; do
        echo before >old.h5
        MPART_TEST_FAIL=$rank:$phase run 2 gen orders --rows 4e4 -o old.h5
        check "$phase on rank $rank: exit 1" has_code 1
        check "the file that was there stays" same old.h5 <(echo before)
        check "no temporary" test -z "$(find . -name '.old*')"
    done
done
rm -f x.* want.* ./*.h5

# J1: four tables; every key of the left once, nine tenths of the keys on both sides.
for np in 0 2 5; do
    succeeds $np gen join --rows 20000 -o join$np
    check "the same bytes as alone" diff -r join0 join$np
done
check "rows of the four tables" test "$(wc -l join0/{left,small,medium,big}.csv | awk '{printf "%s ", $1}')" = "20001 2 21 20001 40025 "
check "headers" test "$(head -qn 1 join0/{left,small,medium,big}.csv | tr '\n' ' ')" = \
    "id1,id2,id3,id4,id5,id6,v1 id1,id4,v2 id1,id2,id4,id5,v2 id1,id2,id3,id4,id5,id6,v2 "
key() { tail -n +2 "$1" | cut -d, -f"$2" | sort -u; }
check "id3 of left once each" test "$(key join0/left.csv 3 | wc -l)" = 20000
check "id3 of big once each" test "$(key join0/big.csv 3 | wc -l)" = 20000
check "90 % of id3 on both sides" test "$(comm -12 <(key join0/left.csv 3) <(key join0/big.csv 3) | wc -l)" = 18000
check "90 % of id2 on both sides" test "$(comm -12 <(key join0/left.csv 2) <(key join0/medium.csv 2) | wc -l)" = 18
check "text keys go with the numbers" awk -F, 'NR > 1 && ($4 != "id" $1 || $5 != "id" $2 || $6 != "id" $3) { exit 1 }' join0/left.csv

# No rows is a header; a folder that is not empty is refused.
succeeds 3 gen orders --rows 0 -o none.csv
check "a header alone" test "$(wc -l <none.csv)" = 1
rm -rf ./*.csv join2 join5
fails 2 "the folder is not empty" gen join --rows 20 -o join0
succeeds 2 gen join --rows 20 -o join0 --force
check "--force" test "$(wc -l <join0/big.csv)" = 21
rm -rf join0
fails 74 "file 'nosuch/x.csv'" gen orders --rows 20 -o nosuch/x.csv
fails 74 "file 'nosuch/x'" gen join --rows 20 -o nosuch/x
check "nothing was made" nothing_left

# Failures of one rank, in each phase: one message, no file, no folder.
for phase in plan open output commit; do
    for rank in 0 2; do
        for kind in orders join; do
            MPART_TEST_FAIL=$rank:$phase run 3 gen $kind --rows 4e4 -o made
            check "$phase on rank $rank: exit 1" has_code 1
            check "$phase on rank $rank: one message" one_message
            check "$phase on rank $rank: nothing left" nothing_left
        done
    done
done

# A reader that goes away is no failure.
last="gen | head"
timeout 60 "$MPART" gen groupby --rows 2e6 -o - 2>"$err" | head -n 2 >"$out"
rc=${PIPESTATUS[0]}
check "exit code 0" has_code 0
check "two lines" test "$(wc -l <"$out")" = 2
check "no message" silent
finish
