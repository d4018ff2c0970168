#!/usr/bin/env bash
# Many programs at once, each alone without mpirun: none disturbs another.
. "$(dirname "$0")/lib.sh"
seq 1 200 | awk 'BEGIN { print "a" } { print }' > a.csv
export MPART
last='200 times: mpart query a.csv --agg sum(a), 12 at a time'
seq 1 200 | xargs -P 12 -I{} sh -c 'timeout 60 "$MPART" query a.csv --agg "sum(a) as s" || echo failed' >"$out" 2>"$err"
rc=$?
check "all have the sum" [ "$(sort "$out" | uniq -c | tr -s ' \n' ' ')" = ' 200 20100 200 s ' ]
check "no complaint" silent
finish
