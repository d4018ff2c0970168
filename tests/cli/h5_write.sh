# h5_write.sh - HDF5 outputs: what h5py, PyTables and pandas read is the table, the same bytes for every
# number of ranks; nothing half-written.
. "$(dirname "$0")/lib.sh"
py=/usr/bin/python3
$py -c 'import h5py, tables, pandas' 2>/dev/null || { echo "python3-h5py, python3-tables, python3-pandas are not here"; exit 77; }

# is_table FILE.h5 FILE.csv TYPES [PATH]
# opens: not h5py alone, PyTables and pandas, too.
coproc checker { exec $py "$here/h5_write.py" serve 2>&1; }
asks() {
    local IFS=$'\t' line answer=
    echo "$*" >&"${checker[1]}"
    while IFS= read -r line <&"${checker[0]}" && [ "$line" != end ]; do
        answer=$line
        echo "$line"
    done >"$out"
    [ "$answer" = ok ]
}
is_table() { asks '' "$@"; }
opens() { asks 1 "$@"; }

# Every type, nulls in each, text of all kinds, limits of values; splits at odd places.
cat >types.csv <<'END'
i,f,s,b,d,t,n
1,1.5,héllo wörld,true,2020-02-29,2020-02-29T12:34:56,0.1
-9223372036854775808,nan,"a ""quoted"", text",false,1969-12-31,1969-12-31T23:59:59.999999,-7.25
9223372036854775807,-inf,"",true,0001-01-01,0001-01-01T00:00:00,1e300
0,2.5e-308,"two
lines",false,9999-12-31,9999-12-31T23:59:59,123456789012345.678
,,,,,,
7,0.30000000000000004,日本語,,1600-01-01,,5e-324
END
i=0
export MPART_TEST_SPLITS=30,100,101,210,300
for np in 0 1 2 3 5; do
    succeeds $np query types.csv -o types$np.h5
    check "no message" silent
    check "the same bytes" same types$np.h5 types0.h5
    succeeds $np query types.csv --h5-layout columns -o cols$np.h5
    check "columns: the same bytes" same cols$np.h5 cols0.h5
done
unset MPART_TEST_SPLITS
check "every type" opens types0.h5 types.csv ifsbdtf
check "every type, columns" is_table cols0.h5 types.csv ifsbdtf /data

# The other compressions, levels, places.
for o in "--h5-compress none" "--h5-compress lzf" "--h5-level 9"; do
    succeeds 2 query types.csv $o -o x.h5
    check "$o" is_table x.h5 types.csv ifsbdtf
    succeeds 2 query types.csv $o --h5-layout columns -o x.h5
    check "$o, columns" is_table x.h5 types.csv ifsbdtf /data
done
succeeds 2 query types.csv --h5-path /a/b/c -o x.h5
check "a place" is_table x.h5 types.csv ifsbdtf /a/b/c
run 0 query types0.h5 -o types0.csv
succeeds 0 query x.h5
check "a place: the null marks beside it are no table" same "$out" types0.csv
succeeds 2 query types.csv --h5-path /t -o x.hdf5
check "a place at the top" is_table x.hdf5 types.csv ifsbdtf /t
succeeds 2 query types.csv --h5-path /obs --h5-layout columns -o x.h5ad
check "a place of columns" is_table x.h5ad types.csv ifsbdtf /obs
succeeds 2 query types.csv --format h5 -o odd.name
check "--format" is_table odd.name types.csv ifsbdtf

# No rows, one row.
head -n 1 types.csv >none.csv
succeeds 3 query none.csv -o none.h5
check "a header alone" is_table none.h5 none.csv fffffff
succeeds 3 query types.csv --where 'i = 3' -o none.h5
check "no rows" is_table none.h5 none.csv ifsbdtf
succeeds 3 query types.csv --where 'i = 3' --h5-layout columns -o none.h5
check "no rows, columns" is_table none.h5 none.csv ifsbdtf /data
head -n 2 types.csv >one.csv
succeeds 3 query types.csv --limit 1 -o one.h5
check "one row" opens one.h5 one.csv ifsbdtf

# Many chunks and units, by every kind of query; what the answer is, CSV says.
awk 'BEGIN { print "n,k,t,x"; for (i = 1; i <= 150000; i++)
    printf "%d,k%d,%s,%s\n", i, i * 7919 % 1013, i % 5 ? "text" i * i % 9973 : "", i % 7 ? i / 8 : "" }' >in.csv
# makes NAME TYPES RANKS H5OPTIONS ARGS...: the CSV answer's values, the same bytes for every number of ranks.
makes() {
    local name=$1 types=$2 ranks=$3 options=$4 np place=/data/table
    shift 4
    case $options in *columns*) place=/data ;; esac
    succeeds 0 query in.csv "$@" -o "$name.csv"
    succeeds 0 query in.csv "$@" $options -o "$name.h5"
    check "$name: the answer" is_table "$name.h5" "$name.csv" "$types" $place
    for np in $ranks; do
        succeeds "$np" query in.csv "$@" $options -o x.h5
        check "$name, $np ranks: the same bytes" same "$name.h5" x.h5
    done
}
makes pass issf "1 2 3 5 9" ""
check "many chunks" opens pass.h5 pass.csv issf
makes cols issf "2 9" "--h5-layout columns"
makes filter isf "3" "--h5-compress lzf" --where 'n % 3 = 0' --select 'n, t, n * 2 + 0.5 as d'
makes part issf "2 5" "" --where 'n > 3000' --offset 1000 --limit 90000
makes groups sif "2 5" "" --by k --agg 'sum(n), mean(x)'
makes many isi "3" "" --by 'n, t' --agg 'count()'
makes sort issf "2 5" "" --sort '-k, n'
makes top issf "3" "" --sort '-x, n' --limit 1000
makes once s "2" "" --select t --distinct
makes sum if "2" "--h5-layout columns" --agg 'sum(n), mean(x)'
h5diff_says() { ! command -v h5diff >/dev/null || h5diff "$@"; }
succeeds 5 query in.csv --h5-compress none -o x.h5
check "h5diff finds no difference" h5diff_says pass.h5 x.h5
# The width of a string is that of the rows that are written, not of those that a limit leaves out.
{ echo s && echo short && seq 100000 | sed 's/^/a text that is much longer /'; } >long.csv
head -n 2 long.csv >short.csv
for np in 0 3; do
    succeeds $np query long.csv --limit 1 -o x.h5
    check "the width of a string" is_table x.h5 short.csv s
done
# Rows from a pipe, packed rows, a folder for scratch.
gzip -k in.csv
mkdir scratch
for np in 0 3; do
    succeeds $np query in.csv.gz -o x.h5 --scratch scratch
    check "a packed input" is_table x.h5 pass.csv issf
done
check "scratch is empty" no_output scratch

# Wide tables: 2,000 columns take the other layout and say so; 512 do not.
awk 'BEGIN { for (r = 0; r <= 9; r++) for (c = 1; c <= 2000; c++)
    printf "%s%s", r ? (c % 3 ? r * c : (c + r) % 4 ? "t" c : "") : "c" c, c < 2000 ? "," : "\n" }' >wide.csv
cut -d, -f1-512 wide.csv >fits.csv
kinds() { awk -v n="$1" 'BEGIN { for (c = 1; c <= n; c++) printf "%s", c % 3 ? "i" : "s" }'; }
for np in 0 3; do
    succeeds $np query wide.csv -o wide$np.h5
    check "a note" says "mpart: 2000 columns: each is a dataset of its own (--h5-layout columns)"
    check "2,000 columns" is_table wide$np.h5 wide.csv "$(kinds 2000)" /data
    check "the same bytes" same wide$np.h5 wide0.h5
done
succeeds 2 query fits.csv -o fits.h5
check "512 columns" opens fits.h5 fits.csv "$(kinds 512)"
check "no note" silent
succeeds 2 query wide.csv -q -o x.h5
check "-q: no note" silent
fails 2 "2000 columns do not fit in an HDF5 compound" query wide.csv --h5-layout compound -o no.h5

# All ranks write together: the same content.
head -n 1 in.csv >header.csv
for np in 0 2 5; do
    for options in "" "--h5-layout columns" "--h5-compress none"; do
        case $np$options in 0?* | 5*none) continue ;; esac
        succeeds $np query in.csv $options --h5-collective -o x.h5
        check "collective, $np ranks $options" is_table x.h5 pass.csv issf $(case $options in *col*) echo /data ;; esac)
        check "h5diff, $np ranks $options" h5diff_says x.h5 "$([ "$options" = "--h5-layout columns" ] && echo cols.h5 || echo pass.h5)"
    done
    succeeds $np query in.csv --h5-collective --where 'n < 0' -o x.h5
    check "collective, no rows" is_table x.h5 header.csv issf
done
fails 2 "which has no LZF" query in.csv --h5-collective --h5-compress lzf -o no.h5

# Odd names of columns.
printf 'a/b,.,%%2F,_index,"x,y",ü\n1,2,3,4,5,6\n' >odd.csv
succeeds 2 query odd.csv -o x.h5
sed '1s|.*|a%2Fb,%2E,%252F,_index,"x,y",ü|' odd.csv >encoded.csv
check "odd names" opens x.h5 encoded.csv iiiiii
succeeds 2 query odd.csv --h5-layout columns -o x.h5
check "odd names of datasets" test "$($py -c '
import h5py
g = h5py.File("x.h5")["data"]
print(*g.attrs["column-order"], g.attrs["_index"], len(g), g["a%2Fb"][0])')" = "a%2Fb %2E %252F _index x,y ü _index_ 7 1"

# Numbers keep the width of the file they come from; back to text, it is the table again.
cat >"$work/widths.py" <<'PY'
import h5py, numpy as np, sys
if sys.argv[1] == "make":
    a = np.zeros(5, dtype=[(n, n) for n in ("i1", "u1", "<i2", ">u2", "i4", "u4", "i8", "u8", "f4", "f8", "?")])
    for n in a.dtype.names:
        kind = a.dtype[n].kind
        if kind in "iu":
            a[n][:3] = [np.iinfo(a.dtype[n]).min, np.iinfo("i8" if n == "u8" else a.dtype[n]).max, 7]
        else:
            a[n] = [1.1, -2, 0.25, 1e3, np.nan] if kind == "f" else [1, 0, 1, 0, 0]
    h5py.File("w.h5", "w")["t"] = a
else:
    a, t, c = (h5py.File(f)[p] for f, p in (("w.h5", "t"), ("t.h5", "data/table"), ("c.h5", "data")))
    for n in a.dtype.names:
        kind = a.dtype[n].newbyteorder("<")
        assert t.dtype[n] == c[n].dtype == kind, (n, t.dtype[n], c[n].dtype)
        assert np.array_equal(a[n], t[n], kind.kind == "f") and np.array_equal(a[n], c[n][:], kind.kind == "f"), n
    g = h5py.File("g.h5")["data/table"]
    assert g.dtype["u1"] == np.uint8 and g.dtype["s"] == np.int64, g.dtype
PY
$py "$work/widths.py" make
succeeds 0 query w.h5 -o t.h5
succeeds 2 query w.h5 --h5-layout columns -o c.h5
succeeds 2 query w.h5 --by u1 --agg 'sum(i1) as s' -o g.h5
check "widths" $py "$work/widths.py" compare
succeeds 2 query types0.h5 --select 'i, s, b, d, t' -o x.csv
check "and back" same x.csv <("$MPART" query types.csv --select 'i, s, b, d, t' | sed 's/\([0-9]\)T/\1 /')

# Origin: what the query was, not where it went or who ran it.
succeeds 2 query in.csv --where 'n < 5' --sort -n -o x.h5
check "origin" test "$($py -c '
import h5py
a = h5py.File("x.h5")["data/table"].attrs
print(a["mpart_query"], a["mpart_inputs"])')" = "--where 'n < 5' --sort '-n' in.csv"

# ---- failures: the file that was there stays, no temporary is left ----
mkdir out
for phase in plan scan output store commit; do
    echo before >out/o.h5
    for rank in 0 2; do
        MPART_TEST_FAIL=$rank:$phase run 3 query in.csv --sort n -o out/o.h5
        check "$phase on rank $rank: exit 1" has_code 1
        check "$phase on rank $rank: one message" one_message
        check "$phase on rank $rank: the old file" same out/o.h5 <(echo before)
        check "$phase on rank $rank: no temporary" test "$(ls -A out)" = o.h5
    done
done
MPART_TEST_FAIL=1:store run 3 query in.csv --h5-collective -o out/o.h5
check "store, collective: exit 1" has_code 1
check "store, collective: the old file" same out/o.h5 <(echo before)
check "store, collective: no temporary" test "$(ls -A out)" = o.h5
rm out/o.h5
for np in 0 3; do
    { cat in.csv && echo 1,2; } >bad.csv
    run $np query bad.csv --on-bad-row skip --rejects out/r.csv -o out/o.h5
    check "rejected rows: exit 3" has_code 3
    check "rejected rows: the others" is_table out/o.h5 pass.csv issf
    rm -f out/*
done
mkfifo pipe
fails 2 "output 'pipe': HDF5 needs an ordinary file" query in.csv --format h5 -o pipe
fails 2 "output '/dev/null': HDF5 needs an ordinary file" query in.csv --format h5 -o /dev/null
rm pipe
refuses 74 "mpart: cannot write: file 'none/o.h5': No such file or directory
hint: there is no folder 'none/' here" query in.csv -o none/o.h5
awk 'BEGIN { print "a"; s = "0123456789abcdef"; for (i = 0; i < 20; i++) s = s s; print s "x" }' >huge.csv
refuses 65 "mpart: cannot write HDF5: file 'out/o.h5', column 'a': its strings are as long as the longest, here 16777217 bytes, and a row has at most 16777216
hint: leave the column out or cut it: --select 'substr(x, 1, 1000) as x'" query huge.csv -o out/o.h5
rm huge.csv
# No room: for the rows in scratch, for the file itself.
(
    ulimit -f 1000
    run 0 query in.csv -o out/o.h5
    check "a limit of the file size" says "mpart: cannot write: file 'out/o.h5': File too large"
    check "exit code 74" has_code 74
    check "no temporary" no_output out
    exit $((n_failed > 0))
) || n_failed=$((n_failed + 1))
if small_disk 250k; then
    for options in "" "--scratch scratch" "--scratch scratch --h5-layout columns" "--scratch scratch --h5-collective"; do
        refuses 74 "mpart: cannot write: file '$small/o.h5': No space left on device" query in.csv $options -o "$small/o.h5"
        check "no temporary" no_output "$small"
    done
    check "no temporary in scratch" no_output scratch
fi
# A rank is killed while chunks are made: the file that was there stays.
cat in.csv >more.csv
for _ in 1 2 3 4 5 6; do tail -n +2 in.csv >>more.csv; done
for rank in 0 1; do
    echo before >out/o.h5
    last="kill -9 of rank $rank"
    mpirun -np 3 "$MPART" query more.csv --h5-level 9 -o out/o.h5 >"$out" 2>"$err" &
    job=$!
    for _ in $(seq 200); do
        [ "$(stat -c %s out/.o.h5.mpart-* 2>/dev/null | sort -n | head -n 1)" -gt 100000 ] 2>/dev/null && break
        sleep 0.02
    done
    kill_rank $job $rank
    check "the file that was there stays" same out/o.h5 <(echo before)
    rm -rf out && mkdir out
done
finish
