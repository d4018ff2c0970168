#!/usr/bin/env bash
# many_ranks.sh - 16 and 40 ranks on whatever cores there are, 20 times each: the bytes of one rank,
# and never a hang (a run that takes a minute is one).
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"

awk 'BEGIN {
    print "k,v,t"
    for (i = 0; i < 3000; i++)
        printf "k%d,%d.%02d,\"line %d\n\"\"quoted\"\"\"\n", i * 7 % 53, i * i % 997, i % 100, i
}' >in.csv
# Splits of some 1 KB, so that every one of the 40 ranks has rows.
MPART_TEST_SPLITS=$(seq -s, 1000 1000 "$(wc -c <in.csv)")
export MPART_TEST_SPLITS

# many NAME ARGS...: one query.
many() {
    local name=$1 round np
    shift
    succeeds 0 query in.csv "$@"
    cp "$out" "$work/expected"
    check "$name: an answer" test -s "$work/expected"
    for round in $(seq 20); do
        for np in 16 40; do
            succeeds $np query in.csv "$@"
            check "$name, $np ranks, round $round: same bytes" same "$out" "$work/expected"
        done
    done
}

many 'pass-through' --where 'v > 500' --select 'k, v*2 as w, t'
many 'group' --by k --agg 'sum(v), median(v), count_distinct(t), count()'
many 'sort' --sort '-v, k' --limit 500
finish
