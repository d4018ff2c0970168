# packed_in.sh - packed inputs whose blocks every rank unpacks for itself: the plain file's answer for every number of ranks and every
# cut; broken and lying files end with one message, the same for all.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || { echo "python3 is not here"; exit 77; }
command -v zstd >/dev/null || { echo "zstd is not here"; exit 77; }
mkdir out "$work/ref"
pack() { python3 "$here/blocks.py" "$@" || exit 1; }
declare -A query_of
for q in pass group sort limit; do query_of[$q]=$(python3 "$here/nasty.py" args $q); done
nasty() { mapfile -t args <<<"${query_of[$1]}"; }
ranges() { grep -q 'scattered as byte ranges' "$out"; }
blocks() { grep -q 'read by rank 0 and scattered as blocks' "$out"; }

# ---- small blocks, every kind, all queries; cuts far and near the blocks' edges ----
python3 "$here/nasty.py" make n.csv 6000 || exit 1
echo >>n.csv # its last line has no end, and files are joined below
size=$(stat -c %s n.csv)
check "some hundred KB" test "$size" -gt 400000
pack bgzf 30000 n.csv b.csv.gz
pack zst 50000 n.csv z.csv.zst
pack seek 50000 n.csv s.csv.zst
pack multi 90000 n.csv m.csv.gz
check "gunzip reads it" same <(zcat b.csv.gz) n.csv
check "zstd reads it" same <(zstd -dqc s.csv.zst) n.csv
for q in pass group sort limit; do
    nasty $q
    succeeds 0 query n.csv "${args[@]}"
    cp "$out" "$work/ref/$q"
done
for f in b.csv.gz z.csv.zst s.csv.zst; do
    succeeds 0 query $f --plan
    check "$f: ranges" ranges
    succeeds 0 query $f --plan --scatter data
    check "$f: as data" blocks
done
succeeds 0 query m.csv.gz --plan
check "gzip that does not say its sizes: rank 0" blocks
cuts() { # SEED
    awk "BEGIN { srand($1); for (i = 0; i < 12; i++) print 1 + int(rand() * ($size - 1))
        for (i = 1; i < 8; i++) for (k = -1; k < 2; k++) print 32768 * i + k }" | sort -nu | paste -sd,
}
for f in b.csv.gz z.csv.zst s.csv.zst m.csv.gz; do
    for seed in 1 2; do
        MPART_TEST_SPLITS=$(cuts $seed)
        export MPART_TEST_SPLITS
        for q in pass group sort limit; do
            nasty $q
            for np in 0 2 3 5; do
                case $q-$seed-$np in *-0 | pass-1-* | group-2-3 | sort-2-2) ;; *) continue ;; esac
                succeeds $np query $f "${args[@]}"
                check "$f, cuts $seed, $np ranks: $q" same "$out" "$work/ref/$q"
            done
        done
        nasty pass
        MPART_GUESS=wrong run $((2 * seed - 2)) query $f "${args[@]}"
        check "$f, wrong guesses" same "$out" "$work/ref/pass"
        unset MPART_TEST_SPLITS
    done
done

# ---- several natural ranges; rejects and messages have the plain file's rows and offsets ----
awk 'BEGIN { print "id,name,v"; for (i = 1; i <= 300000; i++) printf "%d,\"n, %d\"%s,%d.5\n", i, i % 9, i == 250000 ? ",too" : "", i % 97 }' >l.csv
pack bgzf 65280 l.csv l.csv.gz
zstd -q --no-check -T1 l.csv -o one.csv.zst
pack zst 400000 l.csv l.csv.zst
run 0 query l.csv --by name --agg 'sum(v), count()' --on-bad-row skip --rejects "$work/ref/rejects"
cp "$out" "$work/ref/l"
for f in l.csv.gz l.csv.zst one.csv.zst; do
    for np in 0 3; do
        run $np query $f --by name --agg 'sum(v), count()' --on-bad-row skip --rejects rejects
        check "$f: exit code 3" has_code 3
        check "$f: the answer" same "$out" "$work/ref/l"
        check "$f: the rejects" same <(sed "s/\"$f\"/\"l.csv\"/" rejects) "$work/ref/rejects"
    done
    refuses 65 "mpart: bad data: file '$f', row 250000: 4 fields instead of 3
hint: --on-bad-row skip leaves such rows out" query $f --by name --agg 'sum(v)' -o out/o.csv
    succeeds 2 query $f --where 'id % 2 = 0' --limit 5
    check "limit" same "$out" <(awk -F, 'BEGIN { print "id,name,v" } $1 % 2 == 0 && NR > 1 && n++ < 5' l.csv)
done

# ---- broken files: the same message on any number of ranks ----
broken() {
    local text=$1 file=$2
    refuses 65 "mpart: bad packed data: file '$file': $text" query "$file" --on-bad-row skip --agg 'count()' -o out/o.csv
}
# edit FILE TO CODE: Python changes the bytes d; at(i) is where block i of a BGZF file begins.
edit() {
    python3 -c "
import struct, sys
d = bytearray(open('$1', 'rb').read())
def at(i):
    p = 0
    while i: p += struct.unpack_from('<H', d, p + 16)[0] + 1; i -= 1
    return p
$3
open('$2', 'wb').write(d)" || exit 1
}
place() { python3 -c "
import struct
d = open('l.csv.gz', 'rb').read()
p = 0
for i in range($1): p += struct.unpack_from('<H', d, p + 16)[0] + 1
print(p)"; }
edit l.csv.gz sum.csv.gz 'd[at(41) - 8] ^= 1'
broken "gzip at byte $(place 40) of the packed data: incorrect checksum or length" sum.csv.gz
edit l.csv.gz len.csv.gz 'd[at(41) - 4] ^= 1'
broken "gzip at byte $(place 40) of the packed data: incorrect checksum or length" len.csv.gz
edit l.csv.gz bits.csv.gz 'd[at(40) + 18:at(40) + 40] = bytes([255] * 22)'
broken "gzip at byte $(place 40) of the packed data: invalid compressed data" bits.csv.gz
edit l.csv.gz last.csv.gz 'd[-8] ^= 1'
run 0 query last.csv.gz --agg 'count()' --on-bad-row skip
check "the last block's checksum" has_code 65
edit l.csv.gz lie.csv.gz 'n = at(42) - at(40) - 1; d[at(40) + 16:at(40) + 18] = struct.pack("<H", n)'
for np in 0 5; do
    run $np query lie.csv.gz --agg 'count()' --on-bad-row skip
    check "a block that claims the next one: exit code 65" has_code 65
    check "a block that claims the next one" grep -q "file 'lie.csv.gz': gzip at byte .*: its size is not what the headers say" "$err"
    [ $np = 0 ] && first=$(message)
done
check "a block that claims the next one: the same message" test "$(message)" = "$first"
edit l.csv.gz garbage.csv.gz 'd += b"garbage behind the last block"'
run 0 query garbage.csv.gz --agg 'count()' --on-bad-row skip
check "garbage behind the last block: exit code 65" has_code 65
check "garbage behind the last block" grep -q "file 'garbage.csv.gz': gzip at byte .*: trailing garbage" "$err"
edit l.csv.gz cut.csv.gz 'del d[at(40) + 1000:]'
broken "gzip at byte $(($(place 40) + 1000)) of the packed data: the data is cut off here" cut.csv.gz
edit l.csv.zst bits.csv.zst 'd[len(d) // 2] ^= 64'
run 0 query bits.csv.zst --agg 'count()' --on-bad-row skip
check "a broken frame" has_code 65
first=$(message)
run 5 query bits.csv.zst --agg 'count()' --on-bad-row skip
check "a broken frame: the same message" test "$(message)" = "$first"
edit s.csv.zst lie.csv.zst '
e = len(d) - 9 - 8 * 3
while not all(struct.unpack_from("<4I", d, e)): e -= 8
a, b, c, f = struct.unpack_from("<4I", d, e)
struct.pack_into("<4I", d, e, a, b + 1, c, f - 1)'
for np in 0 3; do
    MPART_TEST_SPLITS=$(seq -s, 1000 10000 $size) run $np query lie.csv.zst --on-bad-row skip --agg 'count()'
    check "a seek table that lies: exit code 65" has_code 65
    check "a seek table that lies" grep -q "its size is not what the headers say" "$err"
done

# ---- files joined by cat, a folder of all kinds, names ----
tail -n +2 n.csv >rest.csv
cat n.csv rest.csv >"$work/ref/twice"
pack bgzf 30000 rest.csv rest.gz
gzip -c rest.csv >rest1.gz
zstd -qc rest.csv >rest.zst
cat b.csv.gz rest.gz >cat1.csv.gz
cat b.csv.gz rest1.gz >cat2.csv.gz
cat z.csv.zst rest.zst >cat3.csv.zst
cat s.csv.zst rest.zst >cat4.csv.zst
succeeds 0 query "$work/ref/twice" --input-format csv
cp "$out" "$work/ref/cat"
for f in cat1.csv.gz cat2.csv.gz cat3.csv.zst cat4.csv.zst; do
    MPART_TEST_SPLITS=$(cuts 5) succeeds 3 query $f
    check "$f" same "$out" "$work/ref/cat"
done
mkdir all
for ((i = 0; i < 6; i++)); do awk -v i=$i 'BEGIN { print "k,v"; for (r = 0; r < 20000 + i; r++) print r % 5 + i "," r * i }' >all/$i.csv; done
(cd all && gzip 1.csv && pack bgzf 20000 2.csv 2.csv.gz && zstd -q --rm 3.csv && pack zst 20000 4.csv 4.csv.zst && pack seek 20000 5.csv 5.csv.zst && rm -f 2.csv 4.csv 5.csv block.tmp)
(cd all && mkdir ../flat && for f in *; do case $f in *.gz) zcat $f ;; *.zst) zstd -dqc $f ;; *) cat $f ;; esac >../flat/${f%%.*}.csv; done)
for np in 0 3; do
    succeeds $np query flat --filename f --by 'f, k' --agg 'sum(v), count()'
    cp "$out" "$work/ref/flat"
    succeeds $np query all --filename f --by 'f, k' --agg 'sum(v), count()'
    check "a folder of all kinds" same <(sed 's/^all/flat/; s/\.gz,/,/; s/\.zst,/,/' "$out") "$work/ref/flat"
    succeeds $np query all --filename f --select 'f, k, v' -o all.csv
    check "the rows of a folder, in order" same <(cut -d, -f2,3 all.csv | tail -n +2) <(for f in flat/*; do tail -n +2 $f; done)
done

# ---- NDJSON and lines ----
"$MPART" query l.csv --on-bad-row skip --limit 100000 --format ndjson -o l.ndjson 2>/dev/null
pack bgzf 65280 l.ndjson l.ndjson.gz
pack zst 300000 l.ndjson l.ndjson.zst
succeeds 0 query l.ndjson --by name --agg 'sum(v), sum(id)'
cp "$out" "$work/ref/json"
for f in l.ndjson.gz l.ndjson.zst; do
    for np in 0 3; do
        succeeds $np query $f --by name --agg 'sum(v), sum(id)'
        check "$f" same "$out" "$work/ref/json"
        succeeds $np query $f --input-format lines --select line -o lines.csv
        check "$f as lines" same <(tail -n +2 lines.csv | sed 's/""/"/g; s/^"//; s/"$//') l.ndjson
    done
done
finish
