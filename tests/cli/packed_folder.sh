# packed_folder.sh - packed files that can be entered at their beginning alone, several of them: each is unpacked by one rank, and the
# answers, rejects and messages are those of the plain files, for every number of ranks and every cut.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || { echo "python3 is not here"; exit 77; }
command -v zstd >/dev/null || { echo "zstd is not here"; exit 77; }
mkdir out plain gz kinds "$work/ref"
nasty() { mapfile -t args < <(python3 "$here/nasty.py" args "$1"); }

# ---- files of every size, quotes and newlines in their fields, one without an end of its last line, one without rows ----
for i in 0 1 2 3 4; do python3 "$here/nasty.py" make plain/$i.csv $((100 + i * 900)) || exit 1; done
head -1 plain/0.csv >plain/5.csv
echo >>plain/2.csv
cp plain/* gz
cp plain/* kinds
gzip gz/*
gzip kinds/0.csv kinds/3.csv
head -c 150000 plain/4.csv | gzip >kinds/4.csv.gz # members of which the last one says little of the size
tail -c +150001 plain/4.csv | head -c 10000 | gzip >>kinds/4.csv.gz
tail -c +160001 plain/4.csv | gzip -1 >>kinds/4.csv.gz
rm kinds/4.csv
zstd -q --rm kinds/1.csv
zstd -qc <kinds/2.csv >kinds/2.csv.zst && rm kinds/2.csv # says nothing of its size
check "several files" test "$(ls kinds | wc -l)" = 6
succeeds 0 query gz --plan
check "unpacked by a rank each" test "$(grep -c 'unpacked by one rank' "$out")" = 6
succeeds 0 query gz --plan --scatter data
check "--scatter data" test "$(grep -c 'read by rank 0' "$out")" = 6
succeeds 0 query gz/4.csv.gz gz/0.csv.gz --plan
check "one that has nearly all" test "$(grep -c 'read by rank 0' "$out")" = 2
for q in pass group sort limit; do
    nasty $q
    succeeds 0 query plain "${args[@]}"
    cp "$out" "$work/ref/$q"
    for np in 0 2 3 5; do
        for cut in "" "$(seq -s, 3001 3001 90000),190000" 300,20000,5000000; do
            case $q-$np-$cut in pass-2- | pass-[03]-300?,* | pass-5-300,* | group-2-300?,* | sort-3-300?,* | limit-3-) ;; *) continue ;; esac
            for folder in gz kinds; do
                [ -n "$cut" ] && export MPART_TEST_SPLITS=$cut
                succeeds $np query $folder "${args[@]}"
                check "$folder, $np ranks, cuts '$cut': $q" same "$out" "$work/ref/$q"
                unset MPART_TEST_SPLITS
            done
        done
    done
done
nasty pass
MPART_GUESS=wrong succeeds 2 query kinds plain/0.csv plain/3.csv "${args[@]}"
cp "$out" x
succeeds 0 query plain plain/0.csv plain/3.csv "${args[@]}"
check "wrong guesses in the plain ones among them" same "$out" x

# ---- long ones: several ranges of a file; a size that is not what the front lets expect ----
mkdir long longz
awk 'BEGIN { print "id,name,v"; for (i = 1; i <= 300000; i++) printf "%d,\"n, %d\"%s,%d.5\n", i, i % 9, i == 250000 ? ",too" : "", i % 97 }' >long/a.csv
awk 'BEGIN { print "id,name,v"; for (i = 1; i <= 200000; i++) print "1,aaaa,2.5"; for (i = 1; i <= 200000; i++) printf "%d,n%d,%s\n", i * 7919 % 1000003, i * i % 99991, i % 1000 == 7 ? "x" : i / 8 }' >long/b.csv
awk 'BEGIN { print "id,name,v"; for (i = 1; i <= 200000; i++) printf "%d,\"n\n%d\",%d.25\n", i, i % 9, i % 97 }' >long/c.csv
gzip -c long/a.csv >longz/a.csv.gz
zstd -qc <long/b.csv >longz/b.csv.zst
gzip -1c long/c.csv >longz/c.csv.gz
types='--types v:float64'
run 0 query long $types --filename f --by 'f, name' --agg 'sum(v), count(), first(id)' --on-bad-row skip --rejects "$work/ref/rejects"
cp "$out" "$work/ref/long"
for np in 0 3; do
    run $np query longz $types --filename f --by 'f, name' --agg 'sum(v), count(), first(id)' --on-bad-row skip --rejects rejects
    check "exit code 3" has_code 3
    check "long files, $np ranks" same <(sed 's#^longz/#long/#; s#\.csv\.[gz][zs]t*,#.csv,#' "$out") "$work/ref/long"
    check "long files, $np ranks: the rejects" same <(sed 's#"longz/#"long/#; s#\.csv\.[gz][zs]t*",#.csv",#' rejects) "$work/ref/rejects"
done
refuses 65 "mpart: bad data: file 'longz/a.csv.gz', row 250000: 4 fields instead of 3
hint: --on-bad-row skip leaves such rows out" query longz --agg 'sum(id)' -o out/o.csv
"$MPART" query long --on-bad-row skip --format ndjson -o "$work/ref/long.ndjson" 2>/dev/null
run 2 query longz --on-bad-row skip --format ndjson -o long.ndjson
check "all rows in order" same long.ndjson "$work/ref/long.ndjson"
run 2 query longz --where 'id > 299990' --limit 5 --on-bad-row skip
check "a limit ends the scan" same "$out" <(printf 'id,name,v\n'; for i in 1 2 3 4 5; do printf '%d,"n, %d",%d.5\n' $((299990 + i)) $(((299990 + i) % 9)) $(((299990 + i) % 97)); done)

# ---- ones that are far longer than their front and their trailer say: read on in pieces, in little memory ----
mkdir far farz
for f in a b; do
    python3 -c '
import random, sys
random.seed(sys.argv[2])
with open(sys.argv[1], "w", newline="") as f:
    f.write("id,name,v\n")
    for i in range(5000):
        f.write(f"{i},{random.getrandbits(400):x},{random.getrandbits(40)}\n")
    for i in range(700000):
        f.write("7,\"a long name, over\ntwo lines, again and again\",1.25\n" if i % 100000 != 77777 else "8,9\n")
    f.write(f"{sys.argv[2]},last,3\n")' far/$f.csv $f
    { head -c -20 far/$f.csv | gzip -1; tail -c 20 far/$f.csv | gzip; } >farz/$f.csv.gz
done
run 0 query far --filename f --by 'f, name' --agg 'sum(v), count(), max(id)' --on-bad-row skip --rejects "$work/ref/far.rejects"
cp "$out" "$work/ref/far"
for np in 0 2; do
    run $np query farz --filename f --by 'f, name' --agg 'sum(v), count(), max(id)' --on-bad-row skip --rejects rejects --stats s.json
    check "far longer, $np ranks" same <(sed 's#^farz/#far/#; s#\.gz,#,#' "$out") "$work/ref/far"
    check "far longer, $np ranks: the rejects" same <(sed 's#"farz/#"far/#; s#\.gz",#",#' rejects) "$work/ref/far.rejects"
    check "far longer, $np ranks: little memory" python3 -c '
import json
assert all(r["peak_anon"] < 40 << 20 for r in json.load(open("s.json"))["ranks"])'
done
MPART_GUESS=wrong run 2 query farz/a.csv.gz farz/b.csv.gz far/a.csv --agg 'sum(v), count()' --on-bad-row skip
cp "$out" x
run 0 query far far/a.csv --agg 'sum(v), count()' --on-bad-row skip
check "a census of them" same "$out" x
rm -r far farz

# ---- a map and a split of them ----
for np in 0 3; do
    succeeds $np map kinds -- cat
    cp "$out" x
    succeeds 0 map plain -- cat
    check "map, $np ranks" same "$out" x
    succeeds $np map kinds --per-file --raw -- wc -c
    cp "$out" x
    succeeds 0 map plain --per-file --raw -- wc -c
    check "map --per-file, $np ranks" same "$out" x
    rm -rf s1 s2
    run $np split longz -o s1 --by name --parts 7 --on-bad-row skip
    check "split ends with 3" has_code 3
    run 0 split long -o s2 --by name --parts 7 --on-bad-row skip
    check "split, $np ranks" same <(cat s1/*.csv) <(cat s2/*.csv)
done

# ---- broken ones: the first one's message, on any number of ranks, also of a map ----
edit() { python3 -c "
d = bytearray(open('$1', 'rb').read())
$3
open('$2', 'wb').write(d)"; }
mkdir bad
cp gz/* bad
half=$(($(stat -c %s gz/4.csv.gz) / 2))
head -c $half gz/4.csv.gz >bad/4.csv.gz
message4="mpart: bad packed data: file 'bad/4.csv.gz': gzip at byte $half of the packed data: the data is cut off here"
refuses 65 "$message4" query bad --agg 'count()' -o out/o.csv
refuses 65 "$message4" split bad -o out/s --by code --parts 3
run 3 map bad -- cat
check "a map of them" says "$message4"
edit gz/3.csv.gz bad/3.csv.gz 'd[-8] ^= 1'
message3="mpart: bad packed data: file 'bad/3.csv.gz': gzip at byte $(stat -c %s gz/3.csv.gz) of the packed data: incorrect checksum or length"
refuses 65 "$message3" query bad --agg 'count()' -o out/o.csv
run 3 map bad -- cat
check "a map: the first of two broken files" grep -qF "file 'bad/3.csv.gz'" "$err"
cp gz/3.csv.gz bad/3.csv.gz
for what in "echo garbage" "printf '\x1f\x8c'"; do
    (cat gz/3.csv.gz; eval "$what") >bad/3.csv.gz
    refuses 65 "mpart: bad packed data: file 'bad/3.csv.gz': gzip at byte $(stat -c %s gz/3.csv.gz) of the packed data: trailing garbage, which is no packed data
hint: gzip -dc 'bad/3.csv.gz' | mpart COMMAND - reads what stands before it" query bad --agg 'count()' -o out/o.csv
    run_piped bad/3.csv.gz 2 query - --agg 'count()'
    check "the same in a pipe" grep -q "trailing garbage" "$err"
done
(cat gz/3.csv.gz; head -c 1000 /dev/zero) >bad/3.csv.gz
cp gz/4.csv.gz bad/4.csv.gz
succeeds 2 query bad --agg 'count()'
check "zeros behind a member are padding" same "$out" <("$MPART" query plain --agg 'count()')
(zstd -qc plain/1.csv; printf ab) >garbage.csv.zst
refuses 65 "mpart: bad packed data: file 'garbage.csv.zst': zstd at byte $(zstd -qc plain/1.csv | wc -c) of the packed data: trailing garbage, which is no packed data" query garbage.csv.zst --agg 'count()' -o out/o.csv
for n in 1 2 9; do
    head -c $n gz/3.csv.gz >cut.csv.gz
    run 0 query cut.csv.gz
    check "$n bytes of gzip" says "mpart: bad packed data: file 'cut.csv.gz': gzip at byte $n of the packed data: the data is cut off here"
    zstd -qc plain/1.csv | head -c $n >cut.csv.zst
    run 0 query cut.csv.zst
    check "$n bytes of zstd" says "mpart: bad packed data: file 'cut.csv.zst': zstd at byte $n of the packed data: the data is cut off here"
done
for pack in gzip "zstd -q"; do
    $pack </dev/null >none.csv.packed
    refuses 65 "mpart: bad data: file 'none.csv.packed': the file is empty" query none.csv.packed -o out/o.csv
done
echo "a,b" | gzip >bad/2.csv.gz
refuses 65 "mpart: columns differ: file 'bad/2.csv.gz', column 'a': 'bad/2.csv.gz' has it, 'bad/0.csv.gz' does not
hint: --union reads a missing column as null" query bad --agg 'count()' -o out/o.csv
finish
