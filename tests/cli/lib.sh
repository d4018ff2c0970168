# lib.sh - for the scripts of tests/cli: run mpart alone and under mpirun, compare bytes, codes and messages.
# Sourced by each script, which ends with `finish`. A check that fails says what it saw and the script goes on; its exit status is 1
# then. Everything is written in a folder of the script's own, which is its working folder and goes away at the end.
set -u
export LC_ALL=C.UTF-8
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export HWLOC_COMPONENTS=-linuxio,-pci # half of a launch is looking at the machine's devices, which no test is about
unset MPART_SIMD MPART_GUESS MPART_TEST_SPLITS MPART_TEST_FAIL
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
MPART=${MPART:-$here/../../mpart}
tests=$(basename "$0" .sh)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/here" && cd "$work/here" || exit 1
n_checks=0 n_failed=0
out=$work/out err=$work/err rc=0 last=

# run NP ARGS...: NP 0 is without mpirun. Leaves $out, $err (files) and $rc. Standard input is the caller's.
run() {
    local np=$1
    shift
    last="-np $np mpart $*"
    if [ "$np" = 0 ]; then
        timeout -k 5 60 "$MPART" "$@" >"$out" 2>"$err"
    else
        timeout -k 5 60 mpirun -np "$np" "$MPART" "$@" >"$out" 2>"$err"
    fi
    rc=$?
    sed -i '/^\[warn\] Epoll /d' "$err" # a complaint of mpirun's own event loop, now and then
}

# run_piped FILE NP ARGS...: as run, with the file's bytes coming through a pipe. Open MPI 4.1's mpirun itself crashes in one of
# twenty runs when its standard input ends while MPI programs end: then once more.
run_piped() {
    local file=$1 try
    shift
    for try in 1 2 3 4; do
        run "$@" < <(cat "$file")
        grep -q orte_iof_hnp_read_local_handler "$err" || break
    done
}

check_failed() {
    n_failed=$((n_failed + 1))
    printf 'FAILED: %s\n  after: %s\n' "$1" "$last"
    printf '  exit %s\n' "$rc"
    head -n 20 "$out" | sed 's/^/  out: /'
    head -n 20 "$err" | sed 's/^/  err: /'
}

# check WHAT COMMAND...: the command has to succeed.
check() {
    local what=$1
    shift
    n_checks=$((n_checks + 1))
    "$@" || check_failed "$what"
}

has_code() { [ "$rc" = "$1" ]; }
says_once() { [ "$(grep -cF -- "$1" "$err")" = 1 ]; }
one_message() { [ "$(grep -c '^mpart: ' "$err")" = 1 ]; }
prints() { grep -qF -- "$1" "$out"; }
is_empty() { [ ! -s "$1" ]; }
silent() { is_empty "$err"; }
same() { cmp -s "$1" "$2"; }
# No output, no temporary of one.
nothing_left() { [ -z "$(ls -A)" ]; }

# fails CODE TEXT ARGS...: alone and with 3 ranks: that exit code, one message with that text, nothing on standard output, no file.
# (Whatever ends with a code that is not 0 costs a second under mpirun, which gives the other ranks so long.)
fails() {
    local code=$1 text=$2 np
    shift 2
    for np in 0 3; do
        run $np "$@" </dev/null
        check "exit code $code" has_code "$code"
        check "says once '$text'" says_once "$text"
        check "one message" one_message
        check "nothing on standard output" is_empty "$out"
    done
}

# Standard error without what mpirun itself says about a code that is not 0.
message() { awk '/^-----/ { skip = !skip; next } !skip' "$err" | grep -v '^Primary job '; }
says() { [ "$(message)" = "$1" ]; }
# No output file, no temporary of one, in the folder $1 (made for outputs alone).
no_output() { [ -z "$(ls -A "$1")" ]; }

# refuses CODE MESSAGE ARGS...: alone and with 5 ranks: that exit code, exactly that message, nothing on standard output, nothing in
# the folder out (which the script makes).
refuses() {
    local code=$1 text=$2 np
    shift 2
    for np in 0 5; do
        run $np "$@" </dev/null
        check "exit code $code" has_code "$code"
        check "says exactly '$text'" says "$text"
        check "nothing on standard output" is_empty "$out"
        check "no output, no temporary" no_output out
    done
}

# refused CODE TEXT ARGS...: as fails, with two ranks alone, where arguments are read by rank 0 in any case.
refused() {
    local code=$1 text=$2
    shift 2
    run 2 "$@" </dev/null
    check "exit code $code" has_code "$code"
    check "says once '$text'" says_once "$text"
    check "one message" one_message
    check "nothing on standard output" is_empty "$out"
}

# small_disk SIZE: a disk of that size is the folder $small; false where this may not be made.
small_disk() {
    small=$work/small
    mkdir "$small"
    mount -t tmpfs -o "size=$1" tmpfs "$small" 2>/dev/null || return 1
    trap 'umount "$small"; rm -rf "$work"' EXIT
}

# end_of JOB: waits for that mpirun, whose end was brought about; its code is $rc.
end_of() {
    for _ in $(seq 100); do
        kill -0 "$1" 2>/dev/null || break
        sleep 0.1
    done
    check "the job ends" bash -c "! kill -0 $1 2>/dev/null"
    kill -9 "$1" 2>/dev/null
    wait "$1" 2>/dev/null
    rc=$?
}

# taken PID: waits until that process (of several ranks, rank 0) has read the signals that it was sent: one that is still pending would
# be one with the next.
taken() {
    for _ in $(seq 500); do
        grep -qs '^ShdPnd:.*[1-9a-f]' "/proc/$1/status" || break
        sleep 0.01
    done
}

# kill_rank JOB RANK: kill -9 of one rank of that mpirun, which has to end, and not with 0.
kill_rank() {
    kill -9 "$(pgrep -P "$1" | sed -n $(($2 + 1))p)"
    end_of "$1"
    check "not with 0" [ $rc != 0 ]
}

# succeeds NP ARGS...
succeeds() {
    run "$@"
    check "exit code 0" has_code 0
}

finish() {
    echo "$tests: $((n_checks - n_failed)) of $n_checks checks passed"
    [ "$n_failed" = 0 ]
    exit
}
