# union.sh - inputs whose columns differ: map --union and merge --union make one table of them; what cannot be made one is named.
. "$(dirname "$0")/lib.sh"
mkdir out
printf 'a,b\n1,x\n2,y\n' >1.csv
printf 'b,c\nz,0.5\n' >2.csv
printf '{"a":3,"d":true}\n{"a":4}\n' >3.ndjson
printf 'a,b,c,d\n1,x,,\n2,y,,\n,z,0.5,\n3,,,true\n4,,,\n' >want.csv

# ---- every shard has all columns, whichever file its rows are of ----
for np in 0 3; do
    for cut in '' '--parts 3' '--rows 1' --per-file; do
        run $np map 1.csv 2.csv 3.ndjson --union $cut -o out/m.csv -- cat
        check "'$cut': exit code 0" has_code 0
        check "'$cut': all columns" same out/m.csv want.csv
        run $np map 1.csv 2.csv 3.ndjson --union $cut --raw -o out/m.txt -- head -n 1
        check "'$cut': each shard's header" [ "$(sort -u out/m.txt)" = a,b,c,d ]
    done
    run $np map 1.csv 2.csv 3.ndjson --union --by b --parts 3 -o out/m.csv -- cat
    check "by key: the rows of all" same <(sort out/m.csv) <(sort want.csv)
    run $np map 1.csv 2.csv 3.ndjson --union --by b --parts 1 -- cut -d, -f1,2
    check "a key that one file lacks is null there" [ "$(grep -c ',$' "$out")" = 2 ]
    run $np map 1.csv 2.csv 3.ndjson --union --shard-format ndjson --raw -- cat
    check "as NDJSON" same "$out" <(printf '%s\n' '{"a":1,"b":"x","c":null,"d":null}' '{"a":2,"b":"y","c":null,"d":null}' \
        '{"a":null,"b":"z","c":0.5,"d":null}' '{"a":3,"b":null,"c":null,"d":true}' '{"a":4,"b":null,"c":null,"d":null}')
    run $np merge 1.csv 2.csv 3.ndjson --union
    check "merge" same "$out" want.csv
done
rm -rf out && mkdir out
fails 65 "columns differ: file '2.csv', column 'c': '2.csv' has it, '1.csv' does not" map 1.csv 2.csv -o out/m.csv -- cat
check "no output" [ ! -e out/m.csv ]
rm -rf out && mkdir out

# ---- shards that cannot be one table: which, and why ----
run 0 query 1.csv -o 1.h5
run 0 query 3.ndjson -o 3.h5
run 0 query 2.csv --select 'b as a, b' -o words.h5
fails 65 "columns differ: file '3.h5', column 'd': '3.h5' has it, '1.h5' does not" merge 1.h5 3.h5 --virtual -o out/v.h5
for how in --virtual '--sort a' ''; do
    refuses 65 "mpart: types differ: file 'words.h5', column 'a': string here, int64 in '1.h5'
hint: mpart query --select 'string(a) as a, ...' -o NEW.h5 makes a file that agrees" merge 1.h5 words.h5 $how -o out/v.h5
done
refuses 2 "mpart: usage error: file '2.csv': HDF5 and text files cannot be one table
hint: make the text files HDF5 first, or the others CSV" merge 1.h5 2.csv --union -o out/m.csv
refuses 65 "mpart: cannot make a virtual table: file '3.h5', column 'b': the part has no such column
hint: without --virtual the rows are copied, and types made alike" merge 1.h5 3.h5 --union --virtual -o out/v.h5
finish
