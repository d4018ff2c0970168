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
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0}
export LC_ALL=C.UTF-8
unset MPART_SIMD MPART_GUESS MPART_TEST_SPLITS MPART_TEST_FAIL
shopt -s nullglob
passed=0 failed=() skipped=0
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT

# one NAME LIMIT_S COMMAND...
one() {
    local name=$1 limit=$2 start=$SECONDS rc
    shift 2
    timeout -k 5 "$limit" "$@" >"$log" 2>&1 </dev/null
    rc=$?
    if [ $rc = 0 ] && tail -n 1 "$log" | grep -qE '^0 passed, 0 failed, [1-9][0-9]* skipped$'; then
        sed -i '$d' "$log"
        rc=77
    fi
    case $rc in
    0)
        passed=$((passed + 1))
        printf 'ok    %-44s %3d s\n' "$name" $((SECONDS - start))
        ;;
    77)
        skipped=$((skipped + 1))
        printf 'skip  %-44s %s\n' "$name" "$(tail -n 1 "$log" | sed 's/^skip: //')"
        ;;
    *)
        failed+=("$name")
        [ $rc = 124 ] && echo "still running after $limit s" >>"$log"
        printf 'FAIL  %-44s exit %d\n' "$name" $rc
        tail -n 40 "$log" | sed 's/^/      /'
        ;;
    esac
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
        for t in tests/cli/*.sh; do
            [ "$(basename "$t")" = lib.sh ] && continue
            one "cli/$(basename "$t" .sh)" 300 bash "$t"
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
[ ${#failed[@]} = 0 ] || printf 'failed: %s\n' "${failed[@]}"
echo "$passed passed, ${#failed[@]} failed, $skipped skipped"
[ ${#failed[@]} = 0 ]
