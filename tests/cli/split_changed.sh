# split_changed.sh - mpart split --resume where something is another than when it was begun: types, how inputs are read, who holds the
# folder, options, names.
. "$(dirname "$0")/lib.sh"
. "$here/split_begin.bash"
mkdir out
splits_of() { seq -s, 9000 9000 "$(stat -c %s "$1")"; }
# stopped FILE ARGS...: a split of it with 2 ranks that is gone on from later.
stopped() {
    MPART_TEST_SPLITS=$(splits_of "$1") begin 2 2 "$@"
    kill -9 $job "${ranks[@]}"
    gone
    last="stopped $*"
    check "there is something to go on from" [ "$(legs)" -ge 1 ]
}

# ---- types that turn out another in each of many legs: one pass more, whatever their number ----
python3 - <<'END'
columns = 14
with open("types.csv", "w") as f:
    f.write("k," + ",".join(f"c{i}" for i in range(columns)) + "\n")
    for row in range(18000):
        f.write(f"{row % 7}," + ",".join("1.5" if row == 9500 + 500 * i else "word" if row == 9700 + 500 * i and i % 3 == 0 else "1"
                                         for i in range(columns)) + "\n")
END
MPART_TEST_SPLITS='' run 2 split types.csv -o want --by k --parts 5
for np in 0 3; do
    MPART_TEST_SPLITS=$(splits_of types.csv) run $np split types.csv -o out/d --by k --parts 5
    check "14 surprises in 14 legs: exit code 0" has_code 0
    check "the same bytes" same_folder out/d want
    rm -rf out/d
done
# ---- killed before the first of them ----
stopped types.csv -o out/d --by k --parts 5
MPART_TEST_SPLITS=$(splits_of types.csv) run 3 split types.csv -o out/d --by k --parts 5 --resume
check "the same bytes" same_folder out/d want
check "nothing else is left" [ "$(left)" = d ]
rm -rf out/d want

# ---- inputs that rank 0 reads for all now; a folder that somebody else holds ----
awk 'BEGIN { print "id,v"; for (i = 0; i < 25000; i++) printf "%d,word %d\n", i * 7919 % 41, i }' >in.csv
run 2 split in.csv -o want --by id --parts 7
stopped in.csv -o out/d --by id --parts 7
succeeds 3 split in.csv -o out/d --by id --parts 7 --resume --scatter data
check "--scatter data: the same bytes" same_folder out/d want
check "nothing else is left" [ "$(left)" = d ]
rm -rf out/d
stopped in.csv -o out/d --by id --parts 7
held=$(echo out/.d.mpart-*)
exec 8<"$held"
flock -n 8
sum_of() { find "$1" -type f | sort | xargs cat | md5sum; }
was=$(sum_of "$held")
succeeds 3 split in.csv -o out/d --by id --parts 7 --resume
check "a held folder is not gone on from: the same bytes" same_folder out/d want
check "and is left alone" [ "$(sum_of "$held")" = "$was" ]
exec 8<&-
rm -rf out/d "$held"

# ---- options: rejects by another name are of no consequence, with and without them are two runs ----
awk 'NR % 1201 == 0 { print "bad"; next } { print }' in.csv >bad.csv
run 2 split bad.csv -o wantbad --by id --parts 3 --on-bad-row skip --rejects want.rej
stopped bad.csv -o out/d --by id --parts 3 --on-bad-row skip --rejects one.rej
refused 1 "option --rejects changed: it was 1, it is not there" split bad.csv -o out/d --by id --parts 3 --on-bad-row skip --resume
run 3 split bad.csv -o out/d --by id --parts 3 --on-bad-row skip --rejects two.rej --resume
check "exit code 3" has_code 3
check "the same bytes" same_folder out/d wantbad
check "the rejects have the new name" same two.rej want.rej
check "and that alone" [ ! -e one.rej ]
rm -rf out/d wantbad

# ---- inputs with a colon or a newline in their names ----
for name in 'a: b.csv' $'two\nlines: c.csv' 'x:1.csv'; do
    cp in.csv "$name"
    stopped "$name" -o out/d --by id --parts 7
    succeeds 3 split "$name" -o out/d --by id --parts 7 --resume --explain
    check "'$name': legs are kept" [ "$(grep -c kept "$out")" -ge 1 ]
    succeeds 3 split "$name" -o out/d --by id --parts 7 --resume
    check "'$name': the same bytes" same_folder out/d want
    rm -rf out/d
done
stopped 'x:1.csv' -o out/d --by id --parts 7
was=$(stat -c %s x:1.csv)
echo 1,late >>x:1.csv
refused 1 "cannot resume: file 'out/d.mpart-run': input x:1.csv changed: it was $was bytes, modified at" \
    split x:1.csv -o out/d --by id --parts 7 --resume
rm -rf out && mkdir out

# ---- a full disk, twice, and then room ----
if small_disk 256k; then
    for way in '--by id --parts 7' '--each id --compress zstd'; do
        rm -rf want
        run 2 split in.csv -o want $way
        for more in '' --resume; do
            MPART_TEST_SPLITS=$(splits_of in.csv) run 3 split in.csv -o "$small/d" $way $more
            check "full: exit code 74" has_code 74
            check "names the file" grep -qE "cannot write( the journal)?: file '$small/d[^']*': No space left on device" "$err"
            check "one message" one_message
            check "says how to go on" grep -qE "^hint: go on with: mpirun -np 3 $MPART split .*--resume" "$err"
            check "no folder of that name" [ ! -e "$small/d" ]
        done
        run 0 split in.csv -o "$small/d" $way --resume --explain
        check "legs are kept" [ "$(grep -c kept "$out")" -ge 1 ]
        mount -o remount,size=8m "$small"
        succeeds 2 split in.csv -o "$small/d" $way --resume
        check "the same bytes" same_folder "$small/d" want
        check "nothing else is left" [ "$(ls -A "$small")" = d ]
        rm -rf "${small:?}"/* && mount -o remount,size=256k "$small"
    done
fi

# ---- another object of the same HDF5 file ----
if python3 -c 'import h5py, numpy' 2>/dev/null; then
    python3 - <<'END'
import h5py, numpy
with h5py.File("two.h5", "w") as f:
    for name in "ab":
        rows = numpy.zeros(20000, dtype=[("id", "i8"), ("v", "f8")])
        rows["id"] = numpy.arange(20000) * 7919 % 41
        rows["v"] = numpy.arange(20000) / 4
        f.create_dataset(name, data=rows, chunks=(500,))
END
    run 2 split two.h5:/a -o wanth5 --by id --parts 4
    MPART_TEST_SPLITS=$(seq -s, 500 500 20000) begin 2 2 two.h5:/a -o out/d --by id --parts 4
    kill -9 $job "${ranks[@]}"
    gone
    check "there is something to go on from" [ "$(legs)" -ge 1 ]
    refused 1 "input two.h5 /a changed: it was" split two.h5:/b -o out/d --by id --parts 4 --resume
    check "says what it is" grep -q 'ns, it is not there$' "$err"
    succeeds 3 split two.h5:/a -o out/d --by id --parts 4 --resume
    check "the same bytes" same_folder out/d wanth5
fi
finish
