#!/usr/bin/env bash
# map_kills.sh - runs of map killed at random moments (a rank, or mpirun), KILLS of them (default 200): every run that is gone on from,
# with another number of ranks, gives the same bytes, and runs no unit again that the journal has.
. "$(dirname "$0")/../cli/lib.sh"
RANDOM=${SEED:-1}
seq 1 80 >list
run 0 gen orders --rows 8000 -o table.csv
traced=$(dirname "$(realpath "$MPART")")/${BUILD:-build}/tests/plugins/traced.so
cat >inc.py <<END
import sys, time
sys.path.insert(0, "$here/../../scripts/examples")
from mpart_dict import Dict
d, i = Dict(), int(sys.argv[1])
d.many([("INCRBY", "sum", i), ("SADD", "set", i), ("INCR", "units"), ("HINCRBY", "hash", i % 9, i)])
time.sleep(0.001 * (i % 30))
d("INCR", "ends")
END
read -ra kinds <<<"${KINDS:-items rows by plugin dict}"
arguments() { # KIND: the arguments of the run, in args
    case $1 in
    items) args=(--items list -o out.bin -- sh -c 'echo $MPART_SHARD >>ran; sleep 0.0$(($$ % 5)); seq $0 $(($0 * 20))') ;;
    rows) args=(table.csv --rows 100 -o out.csv -- sh -c 'cat; sleep 0.0$(($$ % 5)); echo $MPART_SHARD >>ran') ;;
    by) args=(table.csv --by customer --parts 40 -o out.csv -- sh -c 'cat; sleep 0.0$(($$ % 5)); echo $MPART_SHARD >>ran') ;;
    plugin) args=(table.csv --rows 100 -o out.csv --plugin "$traced" --arg ran="$PWD/ran" --arg ms=20) ;;
    dict) args=(--items list --dict-out out.csv --dict-keep 0.1 -- sh -c 'echo $MPART_SHARD >>ran; python3 -S inc.py $0') ;;
    esac
    output=out.csv && [ "$1" = items ] && output=out.bin
}
for kind in "${kinds[@]}"; do
    : >ran
    arguments $kind
    succeeds 2 map "${args[@]}"
    mv $output want.$kind
done
middle=0
for i in $(seq "${KILLS:-200}"); do
    kind=${kinds[i % ${#kinds[@]}]}
    np=$((RANDOM % 4 + 1))
    arguments $kind
    rm -rf out.*
    : >ran
    mpirun -np $np "$MPART" map "${args[@]}" >"$out" 2>"$err" &
    job=$!
    units=$((RANDOM % 70))
    for _ in $(seq 300); do
        [ "$(wc -l <ran)" -gt $units ] && break
        sleep 0.02
    done
    ranks=($(pgrep -P $job -x mpart))
    victim=$job
    [ $((RANDOM % 4)) != 0 ] && [ ${#ranks[@]} -gt 0 ] && victim=${ranks[RANDOM % ${#ranks[@]}]}
    kill -9 "$victim" 2>/dev/null
    wait $job 2>/dev/null
    for _ in $(seq 100); do
        pgrep -f "^$MPART map " >/dev/null || break
        sleep 0.1
    done
    last="kill $i: $kind, -np $np"
    if [ -e $output ]; then # it was through before, or its ranks lived on
        check "whole" same $output want.$kind
        [ -e $output.mpart-run ] || continue
    fi
    # with a dictionary, what stands before the last line of one
    awk -v dict=$kind '$1 == "unit" && $9 == 0 { new = new $2 "\n" } $1 == "dict" || dict != "dict" { printf "%s", new; new = "" }' \
        $output.mpart-run/journal 2>/dev/null | sort >finished
    [ -s finished ] && middle=$((middle + 1))
    : >ran
    succeeds $((RANDOM % 5 + 1)) map --resume "${args[@]}"
    last="kill $i: $kind, -np $np, then: $last"
    check "the same bytes" same $output want.$kind
    check "what was finished did not run again" [ -z "$(sort -u ran | comm -12 - finished)" ]
    check "the run folder is gone" [ ! -e $output.mpart-run ]
    check "nothing else is left" [ -z "$(ls -A | grep -vxE 'list|ran|finished|inc.py|table.csv|want\..*|out\.(bin|csv)')" ]
done
echo "$middle of ${KILLS:-200} kills came in the middle"
check "a third of the kills came in the middle" [ $((middle * 3)) -ge "${KILLS:-200}" ]
finish
