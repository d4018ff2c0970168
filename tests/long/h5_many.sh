# h5_many.sh - HDF5 outputs by 31 and 40 ranks, both ways of writing, again and again: no hang, no difference.
# In parts: FIRST=1 TIMES=25, FIRST=26 TIMES=25 and so on are together the whole series, which is FIRST=1 TIMES=100.
. "$(dirname "$0")/../cli/lib.sh"
command -v h5diff >/dev/null || { echo "h5diff (hdf5-tools) is not here"; exit 77; }
first=${FIRST:-1} times=${TIMES:-100}
awk 'BEGIN { print "n,k,t,x"; for (i = 1; i <= 300000; i++)
    printf "%d,k%d,%s,%s\n", i, i * 7919 % 1013, i % 5 ? "text" i * i % 9973 : "", i % 7 ? i / 8 : "" }' >in.csv
for layout in compound columns; do
    succeeds 0 query in.csv --h5-layout $layout -o $layout.h5
done
for i in $(seq "$first" $((first + times - 1))); do
    np=31 layout=compound
    [ $((i % 2)) = 0 ] && np=40
    [ $((i % 3)) = 0 ] && layout=columns
    succeeds $np query in.csv --h5-layout $layout -o one.h5
    check "$i: $np ranks: the same bytes" same one.h5 $layout.h5
    succeeds $np query in.csv --h5-layout $layout --h5-collective -o all.h5
    check "$i: $np ranks together: no difference" h5diff all.h5 $layout.h5
    rm -f one.h5 all.h5
done
finish
