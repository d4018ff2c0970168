#!/usr/bin/env bash
# types.sh - the type of a column comes of the rows that the query looks at, wherever in the input they stand: a file whose odd value
# comes first, in the sample, and one whose odd value comes last, far behind it, give the same answer.
. "$(dirname "$0")/lib.sh"

# 1.2 MB of ints before (late) or behind (early) the row that is different.
seq 1 70000 | awk '{ printf "%d,%.0f,a%d,2024-01-%02d\n", $1 % 7, 5000000000 + $1 % 11, $1 % 5, $1 % 28 + 1 }' >plain
odd() { # NAME ROW...
    local name=$1
    shift
    { echo k,v,w,d; printf '%s\n' "$@"; cat plain; } >early_$name.csv
    { echo k,v,w,d; cat plain; printf '%s\n' "$@"; } >late_$name.csv
}
odd decimal '3,1.25,zz,'
odd float '3,1e30,zz,'
odd text '3,oops,zz,' 'x,7,zz,2024-05-05'
odd date '3,4,zz,no day'
check "the odd row is far behind the sample" test "$(stat -c %s late_text.csv)" -gt 1000000

# agree NAME ARGS...: early and late, alone and on 3 ranks, the same answer.
agree() {
    local name=$1 np
    shift
    succeeds 0 query early_$name.csv "$@"
    cp "$out" expected
    for np in 0 3; do
        succeeds $np query late_$name.csv "$@"
        check "late $name is early $name" same "$out" expected
    done
}
agree decimal --by k --agg 'sum(v) as s, max(v), count_distinct(v)' --sort '-s'
sum=$(awk -F, '$1 == 3 { s += $2 } END { printf "%.0f", s + 1 }' plain)
check "sums are exact" grep -qx "3,$sum.25,5000000010.0,12" expected
agree decimal --agg 'sum(v * 2 + 1) as s'
agree float --agg 'sum(v * v) as s, min(v)' # overflows while v passes for int64
check "squares as floats" grep -q 'e+60,' expected
agree float --by v --agg 'count()'
agree text --agg 'max(v), min(v), count_distinct(v), max(d)'
check "text is compared bytewise" grep -qx 'oops,5000000000,13,2024-05-05' expected
agree text --by 'k, v' --agg 'count()' --sort '-v, k' --limit 5
agree text --where "v like 'o%' or v = '7'" --select 'k, v, w' --sort 'v'
agree text --where "k = 'x'" --select 'v * 2 as q, year(d) as y'
check "a number where the filter leaves numbers" grep -qx '14,2024' expected
agree text --where "w != 'zz'" --agg 'sum(v), max(k) + 1 as m'
agree text --distinct --select 'k'
agree date --where "w != 'zz'" --agg 'max(year(d)) as y, min(d), max(d - 1) as m'
check "a date where the filter leaves dates" grep -qx '2024,2024-01-01,2024-01-27' expected
agree date --by d --agg 'count()' --limit 3

# What does not fit any way is bad data, not a wrong question, and names the row where there is one.
cd .. && mkdir empty && cd empty || exit 1
for f in early late; do
    fails 65 "'oops' is not a number" query ../here/${f}_text.csv --agg 'sum(v)'
    fails 65 "is text, not a date" query ../here/${f}_date.csv --agg 'max(year(d))'
done
fails 65 "row 70001" query ../here/late_text.csv --where 'k >= 0 or v > 1' --agg 'count()'
fails 2 "not a date" query ../here/late_text.csv --agg 'max(year(1))'
check "nothing was made" nothing_left
finish
