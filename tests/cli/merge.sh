# merge.sh - mpart merge: shards in the order of their manifest, their checksums, virtual tables. Sorted: merge_sort.sh.
. "$(dirname "$0")/lib.sh"
mkdir out
awk 'BEGIN { srand(3); print "id,name,v"; for (i = 1; i <= 3000; i++) printf "%d,\"n %d\",%.2f\n", rand() * 500, i % 7, rand() * 100 }' >in.csv
run 0 query in.csv
cp "$out" plain.csv

# ---- rows in input order come back as they were; by key in the order of the shards ----
succeeds 2 split in.csv -o out/rows --rows 170
for np in 0 1 3 5; do
    run $np merge out/rows -o out/m.csv
    check "exit code 0" has_code 0
    check "says nothing" silent
    check "the table" same out/m.csv plain.csv
done
succeeds 2 split in.csv -o out/by --by name --parts 5
(head -n 1 plain.csv && for i in 0 1 2 3 4; do tail -n +2 out/by/part-0000$i.csv; done) >want.csv
for np in 1 5; do
    run $np merge out/by
    check "the shards one behind the other" same "$out" want.csv
done
run 3 merge out/by/part-00001.csv out/by/part-00000.csv --format ndjson
check "files as they are named" [ "$(wc -l <"$out")" = $(($(cat out/by/part-0000[01].csv | wc -l) - 2)) ]
run 2 merge out/by -o out/m.csv.gz
check "packed" same <(gzip -dc out/m.csv.gz) want.csv
succeeds 2 split in.csv -o out/each --each name
run 2 merge out/each --filename f
check "folders of values" [ "$(awk -F, 'NR > 1 { print $4 }' "$out" | uniq | wc -l)" = 7 ]
rm -rf out && mkdir out

# ---- virtual: no row is copied; parts and whole can be moved together ----
mkdir parts 'parts/50% of'
printf 'id,name,v,b,day\n1,a,0.5,true,2024-02-29\n2,bb,,false,\n' >1.csv
printf 'id,name,v,b,day\n3,cccc,7.25,,1999-12-31\n4,d,1.5,true,\n5,,2.5,true,2024-01-01\n' >2.csv
run 0 query 1.csv -o parts/1.h5
run 0 query 2.csv -o 'parts/50% of/2.h5'
run 0 query 1.csv 2.csv
cp "$out" want.csv
for np in 0 3; do
    run $np merge parts/1.h5 'parts/50% of/2.h5' --virtual -o whole$np.h5
    check "exit code 0" has_code 0
    check "says nothing" silent
    run 2 query whole$np.h5
    check "the rows of both" same "$out" want.csv
done
check "the same bytes" same whole0.h5 whole3.h5
mkdir away && mv parts whole0.h5 away
run 0 query away/whole0.h5
check "moved together" same "$out" want.csv
fails 2 "--virtual takes HDF5 files alone, not '1.csv'" merge 1.csv 2.csv --virtual -o out/v.h5
fails 2 "--virtual writes HDF5" merge away/parts/1.h5 --virtual -o out/v.csv
fails 2 "no --sort" merge away/parts/1.h5 --virtual --sort id -o out/v.h5
run 0 query in.csv --select 'id as a' -o other.h5
fails 65 "columns differ" merge away/parts/1.h5 other.h5 --virtual -o out/v.h5
run 0 query 1.csv --select 'id, name, v, name as b, day' -o other.h5
fails 65 "types differ" merge away/parts/1.h5 other.h5 --virtual -o out/v.h5
MPART_TEST_FAIL=0:commit run 2 merge away/parts/1.h5 --virtual -o out/v.h5
check "exit code 1" has_code 1
check "nothing is left" no_output out
succeeds 2 split in.csv -o h5 --by id --parts 3 --format h5
succeeds 2 merge h5 --virtual -o out/v.h5
run 2 query out/v.h5 && cp "$out" v.csv
run 0 query h5
check "shards of split" same "$out" v.csv
rm -f out/v.h5

# ---- what cannot be ----
succeeds 2 split in.csv -o shards --by id --parts 4
printf 'k,f\n1,a\n' >a.csv
fails 65 "columns differ" merge in.csv a.csv
fails 74 "nosuch" merge nosuch -o out/m.csv
fails 2 "no input given" merge
cp -r shards changed
sed -i '2s/n/N/' changed/part-00001.csv
sed -i '2s/n/N/' changed/part-00002.csv
refuses 65 "mpart: shard was changed: file 'changed/part-00001.csv': its checksum is not what the manifest says
hint: make the shards again, or give the files themselves as inputs" merge changed -o out/m.csv
fails 65 "part-00001.csv" merge shards changed
rm changed/part-00001.csv
fails 74 "part-00001.csv" merge changed -o out/m.csv
echo '{"mpart":1' >changed/manifest.json
fails 65 "broken manifest" merge changed -o out/m.csv
for phase in open plan scan output commit verify; do
    MPART_TEST_FAIL=1:$phase run 3 merge shards -o out/m.csv
    check "$phase: exit code 1" has_code 1
    check "$phase: one message" one_message
    check "$phase: no output" no_output out
done
finish
