#!/usr/bin/env bash
# kill -9 in the phase of a map-reduce that combines, which no journal has: --resume does it again, the shards not, the same bytes.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
build=$(cd "$here/../.." && pwd)/${BUILD:-build}
[ "${SAN:-0}" = 1 ] && build=$here/../../build/san
export ASAN_OPTIONS=detect_leaks=0:handle_segv=0:handle_abort=0
hostile=$build/plugins/hostile.so
"$MPART" gen groupby --rows 40000 --groups 20 -o g.csv
mkdir tmp
export TMPDIR=$PWD/tmp # others run at the same time
files_left() { ls /dev/shm tmp | grep '^mpart'; }
args=(map g.csv --rows 5000 -o got.csv --plugin "$hostile" --arg keys=2)
"$MPART" "${args[@]}" --arg do=pass
mv got.csv want.csv
for case in "0 0 3" "2 launcher 3" "3 0 0" "3 2 2"; do
    set -- $case
    start=(mpirun -np "$1" "$MPART")
    [ "$1" = 0 ] && start=("$MPART")
    rm -rf got.csv* ok
    # the last part hangs until there is a file `ok`: the kill comes when all shards and most parts are done
    "${start[@]}" "${args[@]}" --arg do=hang --arg role=combine --arg shard=63 --arg unless=ok --joblog log >/dev/null 2>&1 &
    job=$!
    for _ in $(seq 200); do
        [ "$(cat got.csv.mpart-run/journal 2>/dev/null | grep -c '^unit')" = 8 ] && break
        sleep 0.05
    done
    sleep 0.5
    last="kill -9 of $2 of $1 while parts are combined"
    pids=$(pgrep -P $job -x mpart)
    victim=$job
    [ "$1" != 0 ] && [ "$2" != launcher ] && victim=$(echo "$pids" | sed -n "$(($2 + 1))p")
    kill -9 "$victim"
    end_of $job
    check "all shards are in the journal" [ "$(grep -c '^unit' got.csv.mpart-run/journal)" = 8 ]
    check "no output" [ ! -e got.csv ]
    for _ in $(seq 100); do
        pgrep -f "^$MPART .*$PWD|mpart-plugin-worker .*$hostile" >/dev/null || break
        sleep 0.1
    done
    check "no process of the plug-in is left" [ -z "$(pgrep -f "mpart-plugin-worker .*$hostile keys=2 do=hang")" ]
    touch ok
    rm -f log
    run "$3" "${args[@]}" --arg do=hang --arg role=combine --arg shard=63 --arg unless=ok --resume --joblog log
    check "resumed: exit code 0" has_code 0
    check "resumed: the same bytes" same want.csv got.csv
    check "resumed: no shard is run again" [ "$(wc -l <log)" = 1 ]
    check "resumed: the run folder is gone" [ ! -e got.csv.mpart-run ]
done
check "no file of memory is left" [ -z "$(files_left)" ]
finish
