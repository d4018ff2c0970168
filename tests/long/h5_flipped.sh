#!/usr/bin/env bash
# h5_flipped.sh - HDF5 files with bytes changed at random, many of them: an answer or an error, never a crash, never a hang; with the
# sanitizers' build where there is one.
. "$(dirname "$0")/../cli/lib.sh"
python=/usr/bin/python3
$python -c 'import h5py, tables, pandas' 2>/dev/null || { echo "skip: python3-h5py is not here"; exit 77; }
$python "$here/h5_read.py" make . && $python "$here/h5_read.py" more . 300 || exit 1
ended_well() { [ "$rc" = 0 ] || [ "$rc" = 65 ] || [ "$rc" = 74 ] || [ "$rc" = 2 ]; }
for file in flipped.more/*; do
    run 0 query "$file"
    check "$file" ended_well
    run 0 info "$file"
    check "info $file" ended_well
done
finish
