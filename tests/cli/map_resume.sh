# map_resume.sh - runs that are killed, stopped or changed: what is done stays done, the result is the same bytes with any number of
# ranks, and what cannot be gone on from is refused.
. "$(dirname "$0")/lib.sh"
seq 1 60 >list
command='echo $0 >>ran; sleep 0.0$(($$ % 5)); printf "%s:%0$(($0 * 50))d\n" $0 0'
seq 1 60 | while read -r i; do printf "%s:%0$((i * 50))d\n" "$i" 0; done >want
journalled() { cat joined.mpart-run/journal 2>/dev/null | grep -c '^unit'; }

# ---- kill -9 of mpirun, of rank 0, of another rank, of a lone one, at some moment; then on with other ranks ----
run_and_kill() { # NP WHO UNITS
    local np=$1 who=$2 after=$3 job victim
    local start=(mpirun -np "$np" "$MPART")
    [ "$np" = 0 ] && start=("$MPART")
    "${start[@]}" map --items list -o joined -- sh -c "$command" >/dev/null 2>&1 &
    job=$!
    for _ in $(seq 500); do
        [ "$(wc -l <ran)" -ge "$after" ] && break
        sleep 0.02
    done
    victim=$job
    [ "$who" != launcher ] && victim=$(pgrep -P $job -x mpart | sed -n "$((who + 1))p")
    [ -n "$victim" ] && kill -9 "$victim" 2>/dev/null
    end_of $job
    last="kill -9 of $who of $np after $after units began"
    for _ in $(seq 50); do # ranks of a killed mpirun end by themselves, a moment later
        pgrep -f "^$MPART map --items list -o joined" >/dev/null || break
        sleep 0.1
    done
}
n=0
for case in "2 launcher 20 3" "3 0 30 0" "3 1 35 2" "0 launcher 30 5"; do
    set -- $case
    rm -rf joined joined.mpart-run ran
    : >ran
    run_and_kill "$1" "$2" "$3"
    # without their launcher ranks may live long enough to finish the run
    [ -e joined ] && [ "$2" = launcher ] && check "whole" same joined want && continue
    check "no output of a killed run" [ ! -e joined ]
    done_before=$(journalled)
    grep '^unit' joined.mpart-run/journal 2>/dev/null | awk '{ print $2 + 1 }' | sort >finished
    : >ran
    succeeds "$4" map --items list -o joined --resume -- sh -c "$command"
    check "the same bytes" same joined want
    check "what was finished did not run again" [ -z "$(sort ran | comm -12 - finished)" ]
    check "the rest did, once" [ "$(wc -l <ran)" = $((60 - done_before)) ]
    check "the run folder is gone" [ ! -e joined.mpart-run ]
    [ "$done_before" -gt 0 ] && [ "$done_before" -lt 60 ] && n=$((n + 1))
done
check "some kills came in the middle" [ $n -ge 2 ]

# ---- USR1, SIGTERM: what runs is finished, exit 75, and how to go on ----
stopped='echo $0 >>ran; until [ $0 -lt 20 ] || [ -e go ]; do sleep 0.02; done; printf "%s:%0$(($0 * 50))d\n" $0 0'
for np in 0 3; do
    for signal in USR1 TERM; do
        [ $np$signal = 3TERM ] && continue # mpirun kills a second after SIGTERM
        rm -rf joined joined.mpart-run ran go
        start=(mpirun -np $np "$MPART") && [ $np = 0 ] && start=("$MPART")
        timeout 60 "${start[@]}" map --items list -o joined -- sh -c "$stopped" >"$out" 2>"$err" &
        job=$!
        for _ in $(seq 100); do
            [ -s ran ] && [ "$(wc -l <ran)" -gt 5 ] && break
            sleep 0.1
        done
        to=$(pgrep -P $job | head -n 1) # of timeout
        kill -$signal "$to"
        sleep 0.3 # mpirun passes it on
        taken "$to" && taken "$(pgrep -P "$to" -x mpart | head -n 1)"
        touch go
        wait $job
        rc=$?
        last="-np $np, SIG$signal"
        check "exit code 75" has_code 75
        check "says how far it came" grep -qE '^mpart: stopped early: [0-9]+ of 60 units are done$' "$err"
        check "and how to go on" grep -q '^hint: go on with: .* --resume --items list -o joined -- sh -c ' "$err"
        check "all that was begun is finished" [ "$(journalled)" = "$(wc -l <ran)" ]
        : >ran
        succeeds 2 map --items list -o joined --resume -- sh -c "$stopped"
        check "the same bytes" same joined want
    done
done

# ---- what changed ----
make_failed() {
    rm -rf joined* && run 2 map --items list -o joined -- sh -c '[ $0 != 50 ] && echo $0'
    check "one failed" has_code 3
}
make_failed
refused() {
    local text=$1
    shift
    run 2 map -o joined --resume "$@"
    check "refused" has_code 1
    check "says what changed" says_once "$text"
    check "and what helps" says_once 'hint: without --resume the run starts afresh'
}
refused "file 'joined.mpart-run': command changed: it was sh -c '[ \$0 != 50 ] && echo \$0', it is echo" --items list -- echo
refused "option -I changed" --items list -I @ -- sh -c '[ $0 != 50 ] && echo $0'
head -n 59 list >shorter
refused "list of items changed: it was 60 items" --items shorter -- sh -c '[ $0 != 50 ] && echo $0'
run 2 map --items list -o joined --explain -- sh -c '[ $0 != 50 ] && echo $0'
check "each unit is explained" [ "$(wc -l <"$out")" = 60 ]
check "kept" grep -qx '49	kept	done	49' "$out"
check "redone" grep -qx '50	redone	exit code 1	50' "$out"
mv joined.mpart-run/log-1-0 gone
run 2 map --items list -o joined --explain -- sh -c '[ $0 != 50 ] && echo $0'
check "a result that is gone" grep -qE '^[0-9]+	redone	its result is gone	' "$out"
mv gone joined.mpart-run/log-1-0

# ---- a journal that is cut in the middle of a line ----
make_failed
cp -r joined.mpart-run before
size=$(stat -c %s before/journal)
for cut in 0 20 $((size / 2)) $((size - 1)); do
    rm -rf joined*
    cp -r before joined.mpart-run
    truncate -s "$cut" joined.mpart-run/journal
    run 3 map --items list -o joined --resume -- sh -c '[ $0 != 50 ] && echo $0'
    check "cut at $cut: goes on" has_code 3
    check "cut at $cut: the rest is written" same joined <(grep -vx 50 list)
done
truncate -s 0 joined.mpart-run/facts
run 2 map --items list -o joined --resume -- sh -c '[ $0 != 50 ] && echo $0'
check "no facts: it starts afresh" has_code 3

# ---- inputs: a name with colons is the same one again, an object of a file is not all of it ----
rm -rf joined*
printf 'a\n1\n2\n' >'co:lon: x.csv'
run 2 map 'co:lon: x.csv' --rows 1 -o joined -- sh -c '[ -e ok ] && cat'
check "failed" has_code 3
touch ok
succeeds 3 map 'co:lon: x.csv' --rows 1 -o joined --resume -- sh -c '[ -e ok ] && cat'
check "all of it" same joined 'co:lon: x.csv'
"$MPART" query 'co:lon: x.csv' --h5-path /first -o t.h5
run 2 map t.h5:/first --rows 1 -o joined -- sh -c '[ $MPART_SHARD = 0 ]'
check "failed, HDF5" has_code 3
refused "input t.h5 /first changed" t.h5 --rows 1 -- sh -c '[ $MPART_SHARD = 0 ]'

# ---- folders ----
rm -rf joined*
timeout 60 "$MPART" map --items list -o joined -- sh -c 'touch started; sleep 3' >/dev/null 2>&1 &
job=$!
for _ in $(seq 100); do [ -e started ] && break || sleep 0.1; done
run 2 map --items list -o joined -- echo
check "a folder in use" has_code 1
check "says so" says_once "mpart: another run is using the run's folder: file 'joined.mpart-run'"
kill -9 "$(pgrep -P $job)" 2>/dev/null
wait $job 2>/dev/null
mkdir other && touch other/precious
run 2 map --items list -o joined --run-dir other -- echo
check "a folder of something else" has_code 74
check "nothing in it is touched" [ "$(ls other)" = precious ]
succeeds 2 map --items list -o joined -- echo
check "without --resume it starts afresh" same joined list
check "and cleans up" [ ! -e joined.mpart-run ]
succeeds 2 map --items list -o joined --resume -- echo
check "--resume without a journal starts" same joined list
succeeds 2 map --items list --run-dir rd --resume -- echo
check "standard output with a journal" same "$out" list

# ---- standard output: what failed in the run before stands in its place ----
rm -rf rd fixed
retried='[ $0 = 2 ] && [ ! -e fixed ] && exit 1; echo $0'
seq 1 4 >four
run 2 map --items four --run-dir rd -- sh -c "$retried"
check "an item fails: exit code 3" has_code 3
touch fixed
succeeds 2 map --items four --run-dir rd --resume -- sh -c "$retried"
check "its result is in its place" same "$out" four
finish
