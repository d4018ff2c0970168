# h5_collective.sh - --h5-collective where one rank's write fails inside the library: an end with code 74 within seconds, whoever
# then waits for whom; the file that was there stays, and nothing else.
. "$(dirname "$0")/lib.sh"
build=$(cd "$here/../.." && pwd)/${BUILD:-build}
[ "${SAN:-0}" = 1 ] && build=$here/../../build/san
fail=$build/tests/plugins/io_fail.so
[ -e "$fail" ] || { echo "the preloaded failures are not built"; exit 77; }
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0
awk 'BEGIN { print "n,k,t,x"; for (i = 1; i <= 150000; i++)
    printf "%d,k%d,%s,%s\n", i, i * 7919 % 1013, i % 5 ? "text" i * i % 9973 : "", i % 7 ? i / 8 : "" }' >in.csv
mkdir out scratch
ended() { # WHAT CODE
    check "$1: exit $2" has_code "$2"
    check "$1: one message" one_message
    check "$1: the old file" same out/o.h5 <(echo before)
    check "$1: no temporary" test "$(ls -A out scratch | tr '\n' ' ')" = "out: o.h5  scratch: "
}
# writes RANK AFTER OPTIONS...: the writes of a rank fail behind the first AFTER.
writes() {
    local rank=$1 after=$2
    shift 2
    echo before >out/o.h5
    last="write $after of rank $rank fails, $*"
    IO_FAIL_RANK=$rank IO_FAIL_AFTER=$after IO_FAIL_NAME=/.o.h5. timeout -k 5 40 mpirun -np 3 -x "LD_PRELOAD=$fail" \
        "$MPART" query in.csv --h5-collective --scratch scratch "$@" -o out/o.h5 >"$out" 2>"$err"
    rc=$?
}
for case in ${CASES:-0,2, 1,1, 1,0,none}; do
    IFS=, read -r rank after packing <<<"$case"
    writes "$rank" "$after" --h5-compress "${packing:-deflate}"
    ended "$case" 74
done
echo before >out/o.h5
MPART_TEST_FAIL=1:write run 3 query in.csv --h5-collective --scratch scratch -o out/o.h5
ended "rank 1 does not write" 1
finish
