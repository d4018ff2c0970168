#!/usr/bin/env bash
# --limit and --offset: what stands behind the limit does not count, whatever the number of ranks.
. "$(dirname "$0")/lib.sh"

# 40,000 ints, then decimals, then a ragged row, then text: far behind the limit, in later splits.
{
    echo a,b
    seq 1 40000 | awk '{ print $1 ",x" $1 }'
    seq 1 40000 | awk '{ print $1 ".5,y" $1 }'
    echo 1,2,3
    echo word,z
} > t.csv
sed -n '2,40001p' t.csv | awk -F, '$1 > 30000 { print $1 "," $2 }' | sed -n '101,107p' > expected
for np in 0 1 2 3 5; do
    export MPART_TEST_SPLITS=100000,200000,300000,400000,500000,600000,700000
    succeeds $np query t.csv --where 'a > 30000' --select 'a, b' --offset 100 --limit 7
    check "rows of the limit" same <(tail -n +2 "$out") expected
    succeeds $np query t.csv --where 'a > 30000' --select 'a, b' --offset 100 --limit 7 -o o.csv
    check "the same in a file" same <(tail -n +2 o.csv) expected
    succeeds $np query t.csv --limit 0
    check "only the header" [ "$(cat "$out")" = a,b ]
    run $np query t.csv --where 'a > 30000' --select 'a, b' --limit 60000
    check "an error before the limit is one" has_code 65
    check "which names the row" grep -q 'row 80001' "$err"
done
unset MPART_TEST_SPLITS

# What is computed has the type of all rows, however the input is cut or handed out.
{ echo a; seq 1 70000; seq 1 70000 | sed 's/$/.5/'; } > d.csv
for np in 0 1 3; do
    for scatter in paths data; do
        succeeds $np query d.csv --select 'a + 1' --limit 1 --scatter $scatter
        check "a decimal" [ "$(tail -n 1 "$out")" = 2.0 ]
    done
done

# Bad rows count up to the split that reaches the limit, however many splits were read beside it.
{ echo n; for i in $(seq 1 30); do seq 1 2000; echo 1,2; done; } > bad.csv
export MPART_TEST_SPLITS=$(seq -s, 9000 9000 270000)
for np in 0 1 2 3 5; do
    run $np query bad.csv --offset 1500 --limit 3000 --on-bad-row skip --rejects rejected.csv -o o.csv
    check "rows were left out" has_code 3
    check "those of the splits up to the one with row 4500" says_once "3 bad rows"
    check "which are told" [ "$(wc -l < rejected.csv)" = 4 ]
    check "the rows" same <(tail -n +2 o.csv) <(seq 1501 2000; seq 1 2000; seq 1 500)
    run $np query bad.csv --offset 1500 --limit 3000
    check "an error before the limit is one" has_code 65
done
unset MPART_TEST_SPLITS

# Every cut of the rows: offset and limit over the boundaries of splits.
seq 1 60 | awk 'BEGIN { print "n" } { print }' > n.csv
export MPART_TEST_SPLITS=20,40,41,60,80,100,120,140
for np in 0 3; do
    for offset in 0 1 9 10 59 60 61; do
        for limit in 1 11 60; do
            succeeds $np query n.csv --offset $offset --limit $limit
            tail -n +2 n.csv | tail -n +$((offset + 1)) | head -n $limit > expected
            check "offset $offset limit $limit" same <(tail -n +2 "$out") expected
        done
    done
done
unset MPART_TEST_SPLITS
finish
