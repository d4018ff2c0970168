# h5_scatter.sh - HDF5 that rank 0 reads for all (--scatter data, or another rank cannot open it): the same rows, places and
# errors as where every rank reads its own.
. "$(dirname "$0")/lib.sh"
python=/usr/bin/python3
$python -c 'import h5py, tables, pandas' 2>/dev/null || {
    echo "skip: python3-h5py, python3-tables, python3-pandas are not here"
    exit 77
}
$python "$here/h5_read.py" make . || exit 1

for name in filters strings kinds compound nd pandas_table matlab virtual external_link latest no_rows; do
    succeeds 2 query "$(cat $name.args)" --scatter data
    check "$name" same "$out" $name.want
done
export MPART_TEST_SPLITS=1,2,97,100,150,211,1000,1001,4097
for name in filters pandas_table; do
    succeeds 3 query "$(cat $name.args)" --scatter data
    check "$name cut at rows" same "$out" $name.want
done
unset MPART_TEST_SPLITS

# ---- places: ties of a sort, first and last, limits; the filter is applied where the rows are read ----
queries=(
    "filters.h5 --where 'gz % 7 = 3 and holes = 5' --select 'gz, lzf_sh, noise, so'"
    "filters.h5 --sort holes --limit 5"
    "pandas_table.h5 --by c --agg 'first(s), last(f), count(), median(i)' --sort c"
    "filters.h5 --where 'gz > 900' --limit 7"
    "bad/ints.h5 bad/floats.h5 --filename f --where \"f like '%ints%'\""
)
for q in "${queries[@]}"; do
    eval "succeeds 0 query $q"
    cp "$out" want
    for np in 1 3; do
        eval "succeeds $np query $q --scatter data"
        check "$q on $np ranks" same "$out" want
    done
done

# ---- errors: the row, and that of a filtered row is none ----
run 2 query bad/big.h5 --agg 'sum(u)' --scatter data
check "exit code 65" has_code 65
check "the row" says_once "mpart: bad data: file 'bad/big.h5', row 2, column 'u': 9223372036854775813 does not fit int64"
run 2 query bad/sum.h5 --agg 'sum(x)' --scatter data
check "exit code 65" has_code 65
check "a chunk that does not unpack" says_once "row 401, column 'x': a chunk does not unpack (fletcher32: its checksum)"
for phase in scan open; do
    MPART_TEST_FAIL=0:$phase run 2 query filters.h5 --scatter data
    check "rank 0 fails in $phase" [ "$rc" != 0 ]
    check "no hang" [ "$rc" != 124 ]
done

# ---- the other commands ----
succeeds 2 query filters.h5 --scatter data --plan
check "--plan" prints 'filters.h5: HDF5, read by rank 0 and scattered as rows'
succeeds 2 info filters.h5 --scatter data
grep -v ^splits: "$out" >info
succeeds 0 info filters.h5
check "info" same <(grep -v ^splits: "$out") info
succeeds 2 split filters.h5 --scatter data --rows 400 -o parts
succeeds 0 merge parts -o back.csv
succeeds 0 query filters.h5
check "split and merge" same "$out" back.csv
succeeds 2 map filters.h5 --scatter data --raw -- cat
tail -n +2 filters.want >want
check "map" same <(grep -v '^gz,\|,gz,' "$out") want
succeeds 0 map filters.h5 --raw -- wc -l
cp "$out" want
succeeds 2 map filters.h5 --scatter data --raw -- wc -l
check "map's shards" same "$out" want

# ---- a file that rank 1 does not see ----
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
    mkdir data empty
    cp filters.h5 data
    cat >hide.sh <<'EOS'
#!/bin/sh
[ "$OMPI_COMM_WORLD_RANK" = 1 ] || exec "$@"
exec unshare -m sh -c 'mount --bind empty data && exec "$@"' sh "$@"
EOS
    chmod +x hide.sh
    timeout 60 mpirun -np 3 ./hide.sh "$MPART" query data/filters.h5 >"$out" 2>"$err"
    rc=$? last="query data/filters.h5, hidden from rank 1"
    check "exit code 0" has_code 0
    check "the same answer" same "$out" filters.want
fi
finish
