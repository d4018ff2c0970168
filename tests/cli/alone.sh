#!/usr/bin/env bash
# Many programs at once, each alone without mpirun: none disturbs another.
. "$(dirname "$0")/lib.sh"
seq 1 200 | awk 'BEGIN { print "a" } { print }' > a.csv
export MPART
last='80 times: mpart query a.csv --agg sum(a), 8 at a time'
seq 1 80 | xargs -P 8 -I{} sh -c 'timeout 60 "$MPART" query a.csv --agg "sum(a) as s" || echo failed' >"$out" 2>"$err"
rc=$?
check "all have the sum" [ "$(sort "$out" | uniq -c | tr -s ' \n' ' ')" = ' 80 20100 80 s ' ]
check "no complaint" silent
finish
