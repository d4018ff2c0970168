# groups_random.sh - groups by keys of random forms, domains and odd values: the same bytes for every number of ranks and SIMD level,
# and the answer of a dictionary. SEEDS="1 2 3" chooses the tables.
. "$(dirname "$0")/../cli/lib.sh"
command -v python3 >/dev/null || { echo "python3 is not here"; exit 77; }
for seed in ${SEEDS:-$(seq 40)}; do
    python3 - "$seed" <<'P' || exit 1
import collections, csv, random, sys
r = random.Random(int(sys.argv[1]))
domain, n = r.choice([1000, 70000, 140000, 300000, 1000000]), r.choice([200000, 900000])
form, odd = r.choice(["%d", "id%010d", "%07d"]), r.choice([0, 0.001, 0.05])
rows, total, most = collections.Counter(), collections.Counter(), {}
with open("t.csv", "w", newline="") as f:
    w = csv.writer(f, lineterminator="\n")
    w.writerow("kv")
    for i in range(n):
        k = form % r.randrange(domain)
        if r.random() < odd:
            k = r.choice(["-5", "99999999999", "zz", "id", "a,b", "x" * 20])
        v = r.randrange(-50, 50)
        w.writerow((k, v))
        rows[k] += 1
        total[k] += v
        most[k] = max(v, most.get(k, v))
with open("want", "w", newline="") as f:
    w = csv.writer(f, lineterminator="\n")
    for k in sorted(rows):
        w.writerow((k, total[k], rows[k], most[k]))
P
    first=
    for run in "1 c" "1 avx512" "2 avx512" "3 avx2" "5 avx512"; do
        MPART_SIMD=${run#* } succeeds ${run% *} query t.csv --by k --agg 'sum(v), count(), max(v)' -o o.csv
        [ -n "$first" ] || { cp o.csv first.csv && first=1; }
        check "$seed: $run: the same bytes" same o.csv first.csv
    done
    check "$seed: the answer" same <(tail -n +2 first.csv | LC_ALL=C sort) <(LC_ALL=C sort want)
done
finish
