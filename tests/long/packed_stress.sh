#!/usr/bin/env bash
# packed_stress.sh - packed outputs and inputs on many ranks, on a disk that fills up, and under kills at any moment: the same bytes
# each time, or a message and nothing half-written. ROUNDS and KILLS say how many (5, 40).
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"
command -v python3 >/dev/null || { echo "python3 is not here"; exit 77; }
command -v zstd >/dev/null || { echo "zstd is not here"; exit 77; }

awk 'BEGIN { print "n,k,t"; for (i = 1; i <= 400000; i++) printf "%d,k%d,\"text, %d\"\n", i, i * 7919 % 1013, i * i % 9973 }' >in.csv
MPART_TEST_SPLITS=$(seq -s, 50001 50001 "$(wc -c <in.csv)")
export MPART_TEST_SPLITS

# ---- many ranks, many times: written and read back ----
for pack in gz zst; do
    succeeds 0 query in.csv --sort '-k, n' -o "ref.csv.$pack"
    for round in $(seq ${ROUNDS:-5}); do
        for np in 7 16 40; do
            succeeds $np query in.csv --sort '-k, n' -o "x.csv.$pack"
            check "$pack, $np ranks, round $round: the same packed bytes" same "x.csv.$pack" "ref.csv.$pack"
            succeeds $np query "ref.csv.$pack" --sort n -o y.csv
            check "$pack, $np ranks, round $round: read back" same y.csv <("$MPART" query in.csv --sort n)
        done
    done
done

# ---- a disk that fills up, at every size up to that of the output ----
small=$work/small
mkdir "$small"
full() {
    local kb=$1 pack=$2 np=$3 room
    mount -t tmpfs -o "size=${kb}k" tmpfs "$small" || return 1
    echo before >"$small/o.csv.$pack"
    run "$np" query in.csv --where 'n > 5' -o "$small/o.csv.$pack"
    room=$rc
    if [ "$room" = 0 ]; then
        check "$kb KB, $pack: whole" same "$small/o.csv.$pack" "$work/whole.$pack"
    else
        check "$kb KB, $pack: exit code 74" has_code 74
        check "$kb KB, $pack: the message" says "mpart: cannot write: file '$small/o.csv.$pack': No space left on device"
        check "$kb KB, $pack: the old file" same "$small/o.csv.$pack" <(echo before)
    fi
    check "$kb KB, $pack: no temporary" test "$(ls -A "$small")" = "o.csv.$pack"
    umount "$small"
}
if mount -t tmpfs -o size=64k tmpfs "$small" 2>/dev/null; then
    umount "$small"
    trap 'umount "$small" 2>/dev/null; rm -rf "$work"' EXIT
    for pack in gz zst; do
        succeeds 0 query in.csv --where 'n > 5' -o "o.csv.$pack"
        mv "o.csv.$pack" "$work/whole.$pack"
        size=$(($(stat -c %s "$work/whole.$pack") / 1024))
        for part in 1 10 35 60 85 97 99 130; do
            full $((size * part / 100 + 4)) $pack $((part % 3 ? 5 : 2))
        done
        check "the last one had room" has_code 0
    done
else
    echo "no small disks: needs root"
fi

# ---- a rank that is killed at any moment: the old file stays, or the new one is whole ----
mkdir out
succeeds 0 query in.csv --sort '-k, n' -o whole.csv.gz
n_old=0 n_new=0
for i in $(seq ${KILLS:-40}); do
    echo before >out/o.csv.gz
    mpirun -np 4 "$MPART" query in.csv --sort '-k, n' -o out/o.csv.gz >/dev/null 2>&1 &
    launcher=$!
    sleep "0.$(printf '%02d' $((i * 2 % 100)))"
    victim=$(pgrep -P $launcher | sed -n "$((i % 4 + 1))p")
    [ -n "$victim" ] && kill -9 "$victim" 2>/dev/null
    wait $launcher
    if cmp -s out/o.csv.gz <(echo before); then
        n_old=$((n_old + 1))
    else
        n_new=$((n_new + 1))
        check "killed, round $i: the new file is whole" same out/o.csv.gz whole.csv.gz
    fi
    rm -f out/.o.csv.gz.* # what a killed rank could not take away
    check "killed, round $i: nothing else is left" test "$(ls -A out)" = o.csv.gz
done
echo "killed: $n_old times the old file, $n_new times the new one"
check "some were killed in time" test $n_old -gt 0
finish
