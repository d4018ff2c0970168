# version.sh - --version says what this build is made of.
. "$(dirname "$0")/lib.sh"

for np in 0 4; do
    for args in '--version' 'query --version' 'gen --version -q'; do
        succeeds $np $args
        check "version line, once" test "$(grep -cE '^mpart [0-9]+\.[0-9]+\.[0-9]+ \(.+\)$' "$out")" = 1
        check "nothing on standard error" silent
        check "compiler" grep -qE '^compiler +.*[0-9]' "$out"
        check "MPI" grep -qE '^mpi +Open MPI v[0-9]' "$out"
        check "HDF5" grep -qE '^hdf5 +[0-9]+\.[0-9]+\.[0-9]+' "$out"
        check "SIMD level" grep -qE '^simd +(c|avx2|avx512)$' "$out"
    done
done
MPART_SIMD=c succeeds 0 --version
check "the level that was asked for" grep -qE '^simd +c$' "$out"
finish
