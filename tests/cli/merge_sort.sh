# merge_sort.sh - mpart merge --sort: what query --sort of the same inputs gives, byte for byte, however little memory there is: in
# one round and in many, with splits that are read where they are and with rows that go to scratch.
. "$(dirname "$0")/lib.sh"
mkdir out
awk 'BEGIN { srand(3); print "id,name,v"; for (i = 1; i <= 60000; i++) printf "%d,\"n %d\",%.2f\n", rand() * 9000, i % 7, rand() * 100 }' >in.csv

# merges WANT ARGS...: alone and with so many ranks, in whatever memory: the bytes of WANT.
ranks='0 2 3 5'
merges() {
    local want=$1 np
    shift
    for np in $ranks; do
        run $np merge "$@" </dev/null
        check "exit code 0" has_code 0
        check "says nothing" silent
        check "as a sort of all rows" same "$out" "$want"
    done
}
rows_in_scratch() { python3 -c 'import json, sys; print(sum(p["rows"] for p in json.load(open("stats"))["phases"] if p["name"] == "spill"))'; }

# ---- shards in order ----
for part in 1 2 3; do
    run 0 query in.csv --where "id % 3 == $part - 1" --sort 'id, -v' -o s$part.csv
done
run 0 query s1.csv s2.csv s3.csv --sort 'id, -v'
cp "$out" want.csv
merges want.csv s1.csv s2.csv s3.csv --sort 'id, -v'
merges want.csv s1.csv s2.csv s3.csv --sort 'id, -v' --memory 8M
export MPART_TEST_SPLITS=2000,2001,9000,15000,30000,60000,90000,120000,200000,300000
merges want.csv s1.csv s2.csv s3.csv --sort 'id, -v' --memory 8M
run 0 merge s1.csv s2.csv s3.csv --sort 'id, -v' --stats stats
check "shards in order are read where they are" [ "$(rows_in_scratch)" = 0 ]
unset MPART_TEST_SPLITS
ranks='0 3'
run 2 query s3.csv s1.csv --sort v --filename f
cp "$out" other.csv
merges other.csv s3.csv s1.csv --sort v --filename f --memory 8M
printf 'k,f\n1,a\n1,b\n2,c\n' >a.csv
printf 'k,f\n1,d\n2.0,e\n' >b.csv
run 3 merge b.csv a.csv --sort k
check "equal keys in the order of the files" [ "$(cut -d, -f2 "$out" | tr '\n' ' ')" = 'f d a b e c ' ]
yes 7,x | head -n 40000 >same.txt
(echo k,f && cat same.txt && echo 3,y) >a.csv
(echo k,f && echo 7,z && cat same.txt) >b.csv
(echo k,f && echo 3,y && cat same.txt && echo 7,z && cat same.txt) >ties.csv
merges ties.csv a.csv b.csv --sort k --memory 8M

# ---- shards that are not in order: sorted all the same ----
awk 'NR == 801 { kept = $0; next } { print } NR == 9000 { print kept } NR == 950 { print kept }' s2.csv >moved.csv
run 2 query s1.csv moved.csv s3.csv --sort 'id, -v'
cp "$out" want.csv
merges want.csv s1.csv moved.csv s3.csv --sort 'id, -v'
merges want.csv s1.csv moved.csv s3.csv --sort 'id, -v' --memory 8M
run 2 query in.csv s1.csv --sort '-name, v'
cp "$out" want.csv
merges want.csv in.csv s1.csv --sort '-name, v' --memory 6M
run 2 merge in.csv s1.csv --sort '-name, v' --memory 6M --stats stats -o out/m.csv
check "rows went to scratch" [ "$(rows_in_scratch)" -gt 50000 ]
rm out/m.csv
gzip -c s1.csv >s1.csv.gz
run 2 merge in.csv s1.csv.gz --sort '-name, v' --memory 6M
check "a stream among them" same "$out" want.csv
for np in 0 3; do
    run_piped in.csv $np merge - s1.csv --sort '-name, v' --memory 8M
    check "a pipe among them" same "$out" want.csv
done
run 3 merge in.csv s1.csv --sort '-name, v' --memory 8M --scatter data
check "read by rank 0" same "$out" want.csv
# the types are those of all rows: numbers, and where there is a word, texts
(echo k && yes 5 | head -n 20000 && printf '10\n9\n') >numbers.csv
(cat numbers.csv && echo word) >words.csv
for file in numbers words; do
    run 0 query $file.csv --sort k
    cp "$out" want.csv
    MPART_TEST_SPLITS=30000,40000 run 3 merge $file.csv --sort k
    check "$file" same "$out" want.csv
done
# records and keys longer than what is read at once
awk 'BEGIN { print "k,f"; for (i = 0; i < 40; i++) { s = sprintf("%c", 97 + i * 7 % 26); while (length(s) < 60000) s = s s; print s (i * 11 % 40) ",x" } }' >long.csv
run 0 query long.csv --sort k
cp "$out" want.csv
MPART_TEST_SPLITS=100000,300000,2000000 merges want.csv long.csv --sort k --memory 24M

# ---- formats ----
run 0 query s1.csv -o s1.h5
run 0 query s2.csv -o s2.h5
run 0 query s1.h5 s2.h5 --sort 'id, v' -o want.csv
merges want.csv s1.h5 s2.h5 --sort 'id, v' --memory 16M
for ending in h5 tsv ndjson csv.gz tsv.zst; do
    run 2 query s1.csv s2.csv --sort 'id, v' -o want.$ending
    for np in 0 3; do
        run $np merge s1.csv s2.csv --sort 'id, v' -o out/m.$ending --memory 24M
        check "exit code 0" has_code 0
        check "the same $ending" same out/m.$ending want.$ending
        rm -f out/m.$ending
    done
done
run 0 query s1.csv -o s1.ndjson
run 0 query s1.ndjson --sort 'id, v' -o want.csv
run 2 merge s1.ndjson --sort 'id, v'
check "NDJSON" same "$out" want.csv
bgzip -c s2.csv >s2.csv.gz 2>/dev/null || run 0 query s2.csv -o s2.csv.gz
run 0 query s1.csv s2.csv --sort 'id, v' -o want.csv
merges want.csv s1.csv s2.csv.gz --sort 'id, v' --memory 12M

# ---- headers, shards without rows, bad rows ----
echo name,v,id >none.csv
awk -F, 'BEGIN { OFS = "," } { print $3, $1, $2 }' s2.csv >turned.csv
run 0 query s1.csv turned.csv none.csv --sort id -o want.csv
merges want.csv s1.csv turned.csv none.csv --sort id
run 3 merge none.csv none.csv --sort v
check "no rows at all" same "$out" none.csv
printf 'id,name\n5,a\n' >less.csv
fails 65 "columns differ" merge s1.csv less.csv --sort id -o out/m.csv
run 2 query s1.csv less.csv --union --sort id -o want.csv
run 3 merge s1.csv less.csv --union --sort id
check "--union" same "$out" want.csv
fails 2 "nosuch" merge s1.csv --sort nosuch -o out/m.csv
(cat s1.csv && printf '1,2,3,4\n1\n') >bad.csv
fails 65 "bad.csv" merge s2.csv bad.csv --sort id -o out/m.csv
run 0 query s2.csv bad.csv --sort id --on-bad-row skip --rejects want.rejects -o want.csv
for np in 0 3; do
    run $np merge s2.csv bad.csv --sort id --on-bad-row skip --rejects out/rejects -o out/m.csv --memory 8M
    check "exit code 3" has_code 3
    check "the rest" same out/m.csv want.csv
    check "the rejected rows" same out/rejects want.rejects
    rm -f out/*
done

# ---- many shards, few open files ----
mkdir many
sort -t, -k1,1n -s <(tail -n +2 in.csv) | awk '{ f = sprintf("many/%04d.csv", NR % 2000) } NR <= 2000 { print "id,name,v" >f } { print >>f; close(f) }'
run 0 query many --sort id -o want.csv
for np in 0 2; do
    (ulimit -n 48 && run $np merge many --sort id -o out/m.csv --memory 20M && exit $rc)
    rc=$?
    check "2,000 shards: exit code 0" has_code 0
    check "the rows of all" same out/m.csv want.csv
    rm -f out/m.csv
done

# ---- trouble ----
for phase in scan spill exchange sort output commit; do
    for rank in 0 2; do
        MPART_TEST_FAIL=$rank:$phase run 3 merge in.csv --sort v --memory 8M -o out/m.csv
        check "$phase: exit code 1" has_code 1
        check "$phase: one message" one_message
        check "$phase: says so" says_once "injected in phase '$phase' on rank $rank"
        check "$phase: no output" no_output out
    done
done
if small_disk 1m; then
    for np in 0 3; do
        run $np merge in.csv in.csv in.csv --sort v --memory 8M --scratch "$small" -o out/m.csv
        check "no room in scratch: exit code 74" has_code 74
        check "says so" says "mpart: cannot write to scratch: file '$small': No space left on device
hint: name a folder with room: --scratch DIR"
        check "no output" no_output out
        run $np merge in.csv in.csv --sort v -o "$small/m.csv"
        check "no room for the output: exit code 74" has_code 74
        check "one message" one_message
        check "nothing is left" no_output "$small"
    done
fi
fails 74 "none" merge in.csv --sort v --memory 6M --scratch none -o out/m.csv
for i in $(seq 40); do echo in.csv; done >list
for rank in 0 2; do
    last="kill -9 of rank $rank"
    mpirun -np 3 "$MPART" merge $(cat list) --sort v --memory 12M -o out/m.csv >"$out" 2>"$err" &
    job=$!
    for _ in $(seq 500); do # until it writes to scratch
        one=$(pgrep -P $job -x mpart | tail -n 1)
        [ "$(sed -n 's/^wchar: //p' "/proc/${one:-none}/io" 2>/dev/null)" -gt 1000000 ] 2>/dev/null && break
        sleep 0.02
    done
    kill_rank $job $rank
    check "no output" [ ! -e out/m.csv ]
    rm -rf out && mkdir out
done

# ---- rows that differ far behind the beginning of their keys; few rows that are most of the bytes ----
awk 'BEGIN { p = sprintf("%300s", ""); gsub(/ /, "k", p); print "k,i,v"
    for (i = 0; i < 100000; i++) printf "%s%s,%d,%s\n", p, i % 3 ? "" : "x", i * 7919 % 100003, "a text beside it" }' >deep.csv
awk 'BEGIN { p = "t"; while (length(p) < 60000) p = p p; print "k,t"
    for (i = 0; i < 700000; i++) printf "%d,%s\n", i * 7919 % 1000003 + 1000, i
    for (i = 0; i < 600; i++) print i * 397 % 997 "," p }' >skew.csv
ranks='0 2'
run 0 query deep.csv --sort 'k, -i' && cp "$out" want.csv
merges want.csv deep.csv --sort 'k, -i' --memory 24M
run 0 query skew.csv --sort k && cp "$out" want.csv
merges want.csv skew.csv --sort k --memory 32M
rm deep.csv skew.csv

# ---- packed files that can be entered at their beginning alone are unpacked once ----
gzip -kf s1.csv s2.csv s3.csv
run 0 query s1.csv s2.csv s3.csv --sort 'name, v' && cp "$out" want.csv
merges want.csv s1.csv.gz s2.csv.gz s3.csv.gz --sort 'name, v' --memory 12M
run 2 merge s1.csv.gz s2.csv.gz s3.csv.gz --sort 'name, v' --stats stats -o out/m.csv
check "their rows went to scratch" [ "$(rows_in_scratch)" = 60000 ]

finish
