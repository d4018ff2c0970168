#!/usr/bin/env bash
# Passes that are done again: what came from a pipe is there for every pass, and what a pass believed by mistake leaves no trace.
. "$(dirname "$0")/lib.sh"

# A file whose guesses are wrong beside a pipe, and nothing that has a type: the pipe's rows are needed twice all the same.
seq 1 50 | awk 'BEGIN { print "a,b" } { print $1 ",\"p\nq" $1 "\"" }' > quoted.csv
seq 1 200 | awk 'BEGIN { print "a,b" } { print $1 ",s" $1 }' > plain.csv
{ cat quoted.csv; tail -n +2 plain.csv; } > both.csv
export MPART_TEST_SPLITS=30,60,100,150 MPART_GUESS=wrong
for np in 0 2 3 5; do
    run_piped plain.csv $np query quoted.csv -
    check "exit code 0" has_code 0
    check "file and pipe" same "$out" both.csv
done
unset MPART_TEST_SPLITS MPART_GUESS

# The types are found before anything is computed: a text among numbers in a row that the filter drops.
{ echo a,c; echo word,; seq 1 30000 | awk '{ print $1 ",1" }'; } > types.csv
for np in 0 3; do
    run_piped types.csv $np query - --where 'c is not null' --agg 'sum(if(a > 5, 1, 0)) as n'
    check "exit code 0" has_code 0
    check "numbers where the filter keeps rows" [ "$(tail -n 1 "$out")" = 29995 ]
    run_piped types.csv $np query - --where 'c is not null' --select 'year(a)'
    check "bad data when the rows do not fit" has_code 65
    check "says why" says_once "not a date"
done

# A column whose sample holds nothing: its first value decides what it is.
{ echo a,b; yes ,x | head -n 200000; echo true,y; } > late.csv
for np in 0 3; do
    succeeds $np query late.csv --agg 'sum(a) as s, max(a) as m'
    check "truth values are counted" [ "$(tail -n 1 "$out")" = 1,true ]
done
finish
