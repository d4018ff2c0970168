# random_tables.sh [CASES] [FIRST_SEED] - queries, sorts, formats, shards, bad rows and extreme numbers at random, CASES tables of each:
# the answers are those of an independent program, whatever the number of ranks, SIMD level, cutting and memory.
. "$(dirname "$0")/../cli/lib.sh"
py=/usr/bin/python3
$py -c 'import h5py' 2>/dev/null || { echo "python3-h5py is not here"; exit 77; }
export MPART
for kind in query sort formats split bad extreme; do
    last="random_tables.py $kind ${2:-1} ${1:-20}" rc=0
    $py "$here/../long/random_tables.py" $kind "${2:-1}" "${1:-20}" >"$out" 2>"$err" || rc=$?
    tail -n 1 "$out"
    check "every answer agrees" has_code 0
done
finish
