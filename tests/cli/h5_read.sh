# h5_read.sh - HDF5 in: every kind of table as its own tools read it, the same for every number of ranks and cut; what is refused,
# and how; malformed files.
. "$(dirname "$0")/lib.sh"
python=/usr/bin/python3
$python -c 'import h5py, tables, pandas' 2>/dev/null || {
    echo "skip: python3-h5py, python3-tables, python3-pandas are not here"
    exit 77
}
$python "$here/h5_read.py" make . || exit 1
mkdir out

# ---- every kind, alone; some of them on ranks and cut anywhere ----
for want in *.want; do
    name=${want%.want}
    succeeds 0 query "$(cat "$name.args")"
    check "$name as its own tool reads it" same "$out" "$want"
done
for name in filters strings nd latest pandas_table vaex; do
    for np in 3; do
        succeeds $np query "$(cat $name.args)"
        check "$name on $np ranks" same "$out" $name.want
    done
    export MPART_TEST_SPLITS=1,2,97,100,150,211,1000,1001,4097
    succeeds 5 query "$(cat $name.args)"
    unset MPART_TEST_SPLITS
    check "$name cut at rows" same "$out" $name.want
done

# ---- queries: filters before the other columns, groups, sorting, projection ----
for np in 0 1 2; do
    succeeds $np query filters.h5 --where 'gz % 7 = 3 and holes = 5' --select 'gz, lzf_sh, noise, so'
    [ $np = 0 ] && cp "$out" filtered.ref
    check "filter, -np $np" same "$out" filtered.ref
    succeeds $np query pandas_table.h5 --by 'c, s' --agg 'count(), sum(f), mean(i), min(t), count(f)' --sort 'c, s'
    [ $np = 0 ] && cp "$out" grouped.ref
    check "groups, -np $np" same "$out" grouped.ref
done
$python - <<'PY' >want.txt
import pandas as pd
d = pd.read_hdf("pandas_table.h5")
d["c"] = d["c"].astype(str)
g = d.groupby(["c", "s"], dropna=False)
for (c, s), x in sorted(g, key=lambda k: (k[0][0], k[0][1] != k[0][1], str(k[0][1]))):
    print(c, "" if s != s else s, len(x), x.t.min(), x.f.count(), sep=",")
PY
succeeds 3 query pandas_table.h5 --by 'c, s' --agg 'count(), min(t), count(f)' --sort 'c, s'
check "groups as pandas has them" same <(tail -n +2 "$out") want.txt
succeeds 2 query filters.h5 --sort '-noise' --limit 3 --select noise
check "sorted" same <(tail -n +2 "$out") <(tail -n +2 filters.want | cut -d, -f10 | sort -rn | head -3)

# ---- several files ----
succeeds 2 query bad/ints.h5 bad/floats.h5 --filename f --where 'k = 3'
check "ints beside floats are floats" same "$out" <(printf 'k,x,f\n3,3.0,bad/ints.h5\n3,1.5,bad/floats.h5\n')
refuses 65 "mpart: types differ: file 'bad/texts.h5', column 'x': string here, int64 in 'bad/ints.h5'
hint: mpart query --select 'string(x) as x, ...' -o NEW.h5 makes a file that agrees" query bad/ints.h5 bad/texts.h5
refuses 65 "mpart: columns differ: file 'compound.h5', column 'id': 'compound.h5' has it, 'bad/ints.h5' does not
hint: --union reads a missing column as null" query bad/ints.h5 compound.h5
succeeds 2 query bad/ints.h5 one_row.h5 --union --agg 'count(), count(x), count(s)'
check "union" same <(tail -n 1 "$out") <(echo 6,5,1)
succeeds 0 query bad/big.h5 --types u:string --limit 2
check "uint64 as text" same "$out" <(printf 'u\n1\n9223372036854775813\n')
cp compound.h5 renamed.csv
succeeds 0 query renamed.csv
check "the first bytes tell" same "$out" compound.want

# ---- what is in a file ----
for np in 0 2; do
    succeeds $np info pandas_table.h5
    check "the tree" prints 'dataset 5003, {index int64, values_block_0'
    check "the table" prints '[table: pandas table, 5003 rows, 8 columns]'
    check "its columns" prints '  f       float64    472 nulls'
    check "indexes are one line" prints 'group  indexes of PyTables'
done
succeeds 0 info bad/several.h5 --json
check "JSON of several" same <($python -c 'import json, sys
print([(o["path"], o.get("rows")) for o in json.load(sys.stdin)["objects"]])' <"$out") <(echo "[('/', None), ('/a', 3), ('/b', 4)]")
succeeds 0 info bad/objects.h5
check "a column that cannot be read" prints '  s       unreadable'
succeeds 0 info bad/link.h5
check "a link" prints "/far      link that leads nowhere  -> 'gone.h5', /t"

# ---- refused ----
# fails_alone CODE TEXT ARGS...: without mpirun; the way to all ranks is the same for all of these.
fails_alone() {
    local code=$1 text=$2
    shift 2
    run 0 "$@" </dev/null
    check "exit code $code" has_code "$code"
    check "says once '$text'" says_once "$text"
    check "one message" one_message
    check "nothing on standard output" is_empty "$out"
}
refuses 65 "mpart: bad data: file 'bad/big.h5', row 2, column 'u': 9223372036854775813 does not fit int64
hint: --types u:float64 or u:string reads it" query bad/big.h5 --agg 'sum(u)'
refuses 65 "mpart: not an HDF5 file: file 'bad/text.h5': it does not have the signature of one
hint: --input-format says what it is, where the name is wrong" query bad/text.h5
fails_alone 65 "not an HDF5 file: file 'bad/empty.h5': it has 0 bytes" query bad/empty.h5
fails_alone 65 "broken HDF5 file: file 'bad/cut.h5': it cannot be opened: " query bad/cut.h5
fails 65 "no table: file 'bad/none.h5': the file has none that can be read" query bad/none.h5
refuses 2 "mpart: several tables: file 'bad/several.h5': /a (3 rows, 1 column), /b (4 rows, 2 columns)
hint: name one: 'bad/several.h5:/a'" query bad/several.h5
fails_alone 2 "there is no '/bb' in the file" query bad/several.h5:/bb
check "suggests" says_once "did you mean '/b'?"
fails_alone 65 "column 's': Python objects (texts in pandas' fixed form), which only Python can read: write the frame with df.to_hdf(..., format='table')" \
    query bad/objects.h5
succeeds 0 query bad/objects.h5 --agg 'count(), sum(i)'
fails_alone 65 "the filter 'blosc' (32033), which is not here" query bad/filter.h5
fails_alone 65 "/v is made of data in 'gone.h5', which is not there" query bad/virtual.h5
fails_alone 65 "/far is a link that leads nowhere: -> 'gone.h5', /t" query bad/link.h5:/far
fails_alone 65 "/t: its chunks are of another type" query bad/element.h5
fails 65 "row 401, column 'x': a chunk does not unpack (fletcher32: its checksum)" query bad/sum.h5 --agg 'sum(x)'
fails_alone 2 "HDF5 is read at many places at once" query - --input-format h5
fails_alone 2 "HDF5 and text files cannot be one table" query filters.want filters.h5
fails_alone 2 "are for text files" query filters.h5 --delimiter ';'
exec 9<bad/ints.h5
flock 9
fails_alone 74 "the file is locked: another program has it open for writing" query bad/ints.h5
exec 9<&-

# ---- malformed: an answer or an error, never a crash, never a hang ----
ended_well() { [ "$rc" = 0 ] || [ "$rc" = 65 ] || [ "$rc" = 74 ] || [ "$rc" = 2 ]; }
for file in flipped/*; do
    run 0 query "$file"
    check "$file" ended_well
done
finish
