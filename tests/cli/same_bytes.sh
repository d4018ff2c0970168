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

names="pass filter group sort distinct limit top codes odd"
query_of() { # NAME: sets args
    case $1 in
    pass) args=(--select '*') ;;
    filter) args=(--where "f > 0 and (ok or text ~ '[\"\n]') and d >= '2024-01-03'" --select 'id, text, f, code, f*2 as twice, id/7 as seventh') ;;
    group) args=(--by 'city, ok' --agg 'count() as n, sum(f) as s, mean(f) as m, var(dec) as v, median(f), min(text), max(d), sum(dec), first(id), last(id), count_distinct(code), top(f,2)') ;;
    sort) args=(--sort '-ok, f, text' --select 'id, ok, f, text, code') ;;
    distinct) args=(--distinct --select 'city, code, d') ;;
    limit) args=(--where 'id % 3 == 1' --offset 17 --limit 400) ;;
    top) args=(--sort '-dec, id' --limit 30 --offset 3) ;;
    codes) args=(--by code --agg 'count() as n, sum(id) as s, std(dec) as sd' --having 'n > 0') ;;
    odd) args=(--by '`odd name` as o, year(d) as y' --agg 'corr(f, dec) as c, quantile(f, 0.9), sum(if(ok, 1, 0)) as yes' --sort '-yes, o') ;;
    esac
}

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
    succeeds "$np" query "$@" "${args[@]}"
    check "$what: $q with $np ranks" same "$out" "$ref/$q"
}

for q in $names; do
    for np in 2 3; do MPART_TEST_SPLITS=$splits agree "cut" $np $q n.csv; done
    MPART_TEST_SPLITS=$splits MPART_GUESS=wrong agree "wrong guess" 0 $q n.csv
    agree "from a pipe" 0 $q - < <(cat n.csv)
    MPART_TEST_SPLITS=$splits agree "handed out" 0 $q n.csv --scatter data
    for simd in c avx2 avx512; do MPART_SIMD=$simd agree "simd $simd" 0 $q n.csv; done
done
for q in pass group sort distinct limit; do MPART_TEST_SPLITS=$splits agree "cut" 5 $q n.csv; done
for q in filter group sort; do
    MPART_TEST_SPLITS=$splits MPART_GUESS=wrong agree "wrong guess" 3 $q n.csv
    MPART_TEST_SPLITS=$splits agree "handed out" 3 $q n.csv --scatter data
    agree "from a pipe" 3 $q - < <(cat n.csv)
    agree "gzip" 2 $q n.csv.gz
    [ $have_zstd = 0 ] || agree "zstd" 2 $q n.csv.zst
done
for q in filter group top; do MPART_TEST_SPLITS=$splits agree "cut" 16 $q n.csv; done
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
