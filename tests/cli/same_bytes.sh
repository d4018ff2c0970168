# same_bytes.sh - one nasty file through filter, group, sort, distinct and limit: the same bytes for every number of ranks, way of
# reading, SIMD level and guess, and the answers are those of Python's csv, fractions and math.fsum.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || { echo "python3 is not here"; exit 77; }
ref=$work/ref
mkdir "$ref"

python3 "$here/nasty.py" make n.csv 3000 || exit 1
gzip -k n.csv
have_zstd=0
command -v zstd >/dev/null && zstd -q n.csv && have_zstd=1
# Boundaries in bad places: inside quotes, between CR and LF, next to each other.
splits=$(python3 -c "
import os
n = os.path.getsize('n.csv')
print(','.join(str(k) for k in sorted({n * i // 23 + i for i in range(1, 23)} | {1000, 1001, 1002})))")

names="pass filter group sort distinct limit top codes"
query_of() { mapfile -t args < <(python3 "$here/nasty.py" args "$1"); }

# The answer of one rank, checked by Python; all others are compared with it.
for q in $names; do
    query_of $q
    succeeds 0 query n.csv "${args[@]}"
    cp "$out" "$ref/$q"
    check "$q is what Python finds" python3 "$here/nasty.py" "$q" n.csv "$ref/$q"
done

# agree WHAT NP QUERY INPUT...: the environment may say more.
agree() {
    local what=$1 np=$2 q=$3
    shift 3
    query_of "$q"
    if [ "$what" = "from a pipe" ]; then
        run_piped n.csv "$np" query "$@" "${args[@]}"
        check "exit code 0" has_code 0
    else
        succeeds "$np" query "$@" "${args[@]}"
    fi
    check "$what: $q with $np ranks" same "$out" "$ref/$q"
}

for q in $names; do
    MPART_TEST_SPLITS=$splits agree "cut" 3 $q n.csv
    MPART_TEST_SPLITS=$splits MPART_GUESS=wrong agree "wrong guess" 0 $q n.csv
    agree "from a pipe" 0 $q -
    MPART_TEST_SPLITS=$splits agree "handed out" 0 $q n.csv --scatter data
    for simd in c avx2 avx512; do MPART_SIMD=$simd agree "simd $simd" 0 $q n.csv; done
done
for q in filter group distinct limit; do MPART_TEST_SPLITS=$splits agree "cut" 2 $q n.csv; done
for q in pass group sort distinct; do MPART_TEST_SPLITS=$splits agree "cut" 5 $q n.csv; done
for q in filter group; do
    MPART_TEST_SPLITS=$splits MPART_GUESS=wrong agree "wrong guess" 3 $q n.csv
    MPART_TEST_SPLITS=$splits agree "handed out" 3 $q n.csv --scatter data
    agree "from a pipe" 3 $q -
    agree "gzip" 2 $q n.csv.gz
    [ $have_zstd = 0 ] || agree "zstd" 2 $q n.csv.zst
done
for q in filter group; do MPART_TEST_SPLITS=$splits agree "cut" 16 $q n.csv; done
MPART_TEST_SPLITS=$splits agree "cut" 40 group n.csv
MPART_TEST_SPLITS=$splits agree "cut" 40 sort n.csv
# Into a file: the same bytes as on standard output.
query_of sort
MPART_TEST_SPLITS=$splits succeeds 3 query n.csv "${args[@]}" -o sorted.csv
check "a file holds the same bytes" same sorted.csv "$ref/sort"
query_of pass
MPART_TEST_SPLITS=$splits succeeds 5 query n.csv "${args[@]}" -o passed.csv
check "a file holds the same bytes" same passed.csv "$ref/pass"
finish
