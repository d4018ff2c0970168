#!/usr/bin/env bash
# Run the tests named as arguments (layers unit mpi cli slurm long) and count them. The last line is
# "N passed, N failed, N skipped"; the exit status is 1 when one failed. Each program is one test, under
# a time limit; one that cannot run here says why and exits with 77, or with 0 behind a last line
# "0 passed, 0 failed, N skipped".
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
export MPART=${MPART:-$PWD/mpart}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1
export HWLOC_COMPONENTS=-linuxio,-pci # half of a launch is looking at the machine's devices, which no test is about
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0}
export LC_ALL=C.UTF-8
unset MPART_SIMD MPART_GUESS MPART_TEST_SPLITS MPART_TEST_FAIL
shopt -s nullglob
jobs=${CHECK_JOBS:-$(($(nproc) * 4))} # tests wait most of the time: mpirun gives ranks a second after a failure
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n_started=0

# job LOG NAME LIMIT_S COMMAND...: run one test; its line, and its log where it failed, come at its end.
job() {
    local log=$1 name=$2 limit=$3 start=$SECONDS rc kind=failed
    shift 3
    timeout -k 5 "$limit" "$@" >"$log" 2>&1 </dev/null
    rc=$?
    if [ $rc = 0 ] && tail -n 1 "$log" | grep -qE '^0 passed, 0 failed, [1-9][0-9]* skipped$'; then
        sed -i '$d' "$log"
        rc=77
    fi
    case $rc in
    0)
        kind=passed
        printf 'ok    %-44s %3d s\n' "$name" $((SECONDS - start))
        ;;
    77)
        kind=skipped
        printf 'skip  %-44s %s\n' "$name" "$(tail -n 1 "$log" | sed 's/^skip: //')"
        ;;
    *)
        [ $rc = 124 ] && echo "still running after $limit s" >>"$log"
        printf 'FAIL  %-44s exit %d\n' "$name" $rc
        { head -n 20 "$log" && tail -n +21 "$log" | tail -n 20; } | sed 's/^/      /'
        ;;
    esac >"$log.line"
    cat "$log.line"
    echo "$kind $name" >>"$dir/results"
    rm -f "$log"
}

# one NAME LIMIT_S COMMAND...: CHECK_JOBS at a time.
one() {
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
        wait -n
    done
    n_started=$((n_started + 1))
    job "$dir/$n_started" "$@" &
}

# The scripts of tests/cli, the longest first: what begins last ends last.
cli_tests() {
    local first='usage split map_dict h5_write ndjson map_table map_items packed_in merge_sort failures split_resume map_resume sort' t
    for t in $first; do
        echo "$t"
    done
    for t in tests/cli/*.sh; do
        t=$(basename "$t" .sh)
        case " $first lib " in *" $t "*) ;; *) echo "$t" ;; esac
    done
}

for group in "$@"; do
    case $group in
    layers) one layers 60 scripts/check-layers.sh ;;
    unit)
        for t in tests/unit/test_*.c; do
            t=$(basename "$t" .c)
            one "unit/$t" 300 "$BUILD/tests/unit/$t"
        done
        ;;
    mpi)
        for t in tests/mpi/test_*.c; do
            t=$(basename "$t" .c)
            for np in 1 2 3 5; do
                one "mpi/$t -np $np" 120 mpirun -np $np "$BUILD/tests/mpi/$t"
            done
        done
        ;;
    cli)
        for t in $(cli_tests); do
            one "cli/$t" 300 bash "tests/cli/$t.sh"
        done
        ;;
    slurm) one cluster/slurm-one-machine 400 bash tests/cluster/slurm-one-machine.sh ;;
    long)
        for t in tests/long/*.sh; do
            one "long/$(basename "$t" .sh)" 3000 bash "$t"
        done
        ;;
    *)
        echo "unknown group '$group'"
        exit 2
        ;;
    esac
done
wait
count() {
    grep -c "^$1 " "$dir/results"
}
touch "$dir/results"
sed -n 's/^failed /failed: /p' "$dir/results"
echo "$(count passed) passed, $(count failed) failed, $(count skipped) skipped"
[ "$(wc -l <"$dir/results")" = $n_started ] && [ "$(count failed)" = 0 ]
