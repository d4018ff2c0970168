#!/usr/bin/env bash
# split_kills.sh - splits ended at random moments, KILLS of them (default 150): kill -9 of a rank, of mpirun, of all at once, or a stop,
# once or twice: what is gone on from, with another number of ranks, gives the same bytes, and reads no byte again whose rows were in
# the journal's last leg.
. "$(dirname "$0")/../cli/lib.sh"
. "$here/split_begin.bash"
RANDOM=${SEED:-1}
mkdir out
awk 'BEGIN { srand(3); print "id,name,v,t"; for (i = 0; i < 20000; i++) printf "%d,\"n %d\",%.2f,x%d\n", rand() * 40, i % 7, rand() * 100, i }' >in.csv
# a plan that is refuted after three quarters of the rows
(cat in.csv && seq -f '%.0f.5,word,1,y' 1 7000) >late.csv
kinds=('in.csv --by id --parts 7' 'in.csv --each name' 'in.csv --rows 4000' 'in.csv --range t --parts 5'
    'in.csv --by t --parts 3 --format ndjson --compress zstd' 'in.csv --by id --parts 5 --format h5' 'late.csv --by id --parts 6' 'late.csv --each id')
for k in "${!kinds[@]}"; do
    read -ra args <<<"${kinds[k]}"
    succeeds 2 split "${args[@]}" -o "want.$k"
done

# strike NP ARGS...: a split that is ended at some moment. $code is mpirun's.
strike() {
    local np=$1
    shift
    mpirun -np "$np" "$MPART" split -o out/d "$@" >"$work/begun" 2>&1 &
    job=$!
    local legs=$((RANDOM % 16)) lines
    for _ in $(seq 3000); do
        lines=()
        { mapfile -t lines <out/d.mpart-run/journal; } 2>/dev/null
        [ ${#lines[@]} -gt $legs ] && break
        kill -0 $job 2>/dev/null || break
        sleep 0.002
    done
    sleep 0.0$((RANDOM % 4))
    mapfile -t ranks < <(pgrep -P $job -x "$(basename "$MPART")")
    case $((RANDOM % 6)) in
    0) kill -9 $job ;;
    1) kill -9 $job "${ranks[@]}" ;;
    2) kill -USR1 $job ;;
    *) kill -9 "${ranks[RANDOM % (${#ranks[@]} + 1)]:-$job}" ;;
    esac 2>/dev/null
    gone
}

middle=0 kills=0
while [ $kills -lt "${KILLS:-150}" ]; do
    k=$((kills % ${#kinds[@]}))
    read -ra args <<<"${kinds[k]}"
    size=$(stat -c %s "${args[0]}")
    export MPART_TEST_SPLITS=$(seq -s, 8000 8000 "$size")
    rm -rf out/* out/.d*
    np=$((RANDOM % 4 + 1))
    strike $np "${args[@]}"
    kills=$((kills + 1))
    said="kill $kills: ${kinds[k]}, -np $np"
    if [ $((RANDOM % 3)) = 0 ] && [ ! -e out/d ]; then
        strike $((RANDOM % 4 + 1)) "${args[@]}" --resume
        kills=$((kills + 1))
        said="$said; and another"
    fi
    last=$said
    if [ -e out/d ]; then # it was through before, or its ranks lived on
        check "whole" same_folder out/d "want.$k"
        [ -e out/d.mpart-run ] || continue
        check "it has nothing more to do" [ "$("$MPART" split -o out/d "${args[@]}" --resume --explain | grep -c redone)" = 0 ]
        continue
    fi
    run 0 split -o out/d "${args[@]}" --resume --explain
    from=$(sed -n 's/.*from byte \([0-9]*\) on/\1/p' "$out")
    [ "${from:-0}" -gt 0 ] && middle=$((middle + 1))
    succeeds $((RANDOM % 5 + 1)) split -o out/d "${args[@]}" --resume --stats stats.json
    last="$said, then: $last"
    check "the same bytes" same_folder out/d "want.$k"
    check "nothing else is left" [ "$(left)" = d ]
    [ "${args[0]}" = late.csv ] && continue # dealt anew
    read=$(python3 -c 'import json; print(sum(r["bytes"] for r in json.load(open("stats.json"))["ranks"]))')
    check "no leg again: $read bytes, from $from on" [ "$read" -le $((size - ${from:-0} + 100)) ]
done
echo "$middle of $kills kills came in the middle"
check "a third of the kills came in the middle" [ $((middle * 3)) -ge $kills ]
finish
