#!/usr/bin/env bash
# Tables of very many columns: time and memory grow with the columns, not with their square.
. "$(dirname "$0")/lib.sh"

# 100,000 columns: what is done for each column with each other takes minutes.
awk 'BEGIN {
    for (r = 0; r < 4; r++)
        for (c = 0; c < 100000; c++)
            printf "%s%s", r ? c * r : "c" c, c < 99999 ? "," : "\n"
}' > wide.csv
for np in 0 2; do
    succeeds $np query wide.csv -o o.csv
    check "all columns pass" same o.csv wide.csv
    succeeds $np query wide.csv --agg 'sum(c7), max(c99999)'
    check "two columns of many" [ "$(tail -n 1 "$out")" = 42,299997 ]
    succeeds $np query wide.csv --where 'c1 > 1' --select 'c99999, c0' --sort '-c50000'
    check "a filter, a sort" [ "$(tail -n +2 "$out" | tr '\n' ' ')" = '299997,0 199998,0 ' ]
done

sums=$(seq -s, -f 'sum(c%.0f)' 0 2999)
succeeds 2 query wide.csv --agg "$sums" -o o.csv --stats s.json
check "3,000 sums" same <(tail -n 1 o.csv) <(seq -s, 0 6 17994)
check "in little memory" python3 -c '
import json
assert all(r["peak_rss"] < 300 << 20 for r in json.load(open("s.json"))["ranks"])'

# What quantiles keep is kept once for a column, and in all within the budget.
awk 'BEGIN {
    for (r = -1; r < 100000; r++) {
        printf "k"
        for (c = 0; c < 20; c++)
            printf ",%s", r < 0 ? "c" c : (r * 7919 + c * 31) % 10007
        print ""
    }
}' > values.csv
quantiles=$(seq -s, -f 'quantile(c1, 0.%02.0f)' 1 40)
medians=$(seq -s, -f 'median(c%.0f)' 0 19)
for asked in "$quantiles" "$medians"; do
    succeeds 0 query values.csv --by k --agg "$asked" -o want
    succeeds 2 query values.csv --by k --agg "$asked" --memory 32M -o o.csv
    check "in 32 MiB" same o.csv want
done
check "each is what it is alone" [ "$("$MPART" query values.csv --agg 'quantile(c1, 0.07)' | tail -n 1)" = \
    "$("$MPART" query values.csv --agg "$quantiles" | tail -n 1 | cut -d, -f7)" ]

finish
