# every_cut.sh - a nasty file of 2 KB with a boundary of splits at every byte: the bytes of the answer do not depend on where it is.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || { echo "python3 is not here"; exit 77; }
ref=$work/ref
mkdir "$ref"
python3 "$here/nasty.py" make n.csv 24 || exit 1
size=$(stat -c %s n.csv)
check "about 2 KB" test "$size" -gt 1200

query_of() { mapfile -t args < <(python3 "$here/nasty.py" args "$1"); }
for q in pass group sort; do
    query_of $q
    succeeds 0 query n.csv "${args[@]}"
    cp "$out" "$ref/$q"
    check "$q is what Python finds" python3 "$here/nasty.py" $q n.csv "$ref/$q"
done

# cut QUERY BOUNDARIES: one run without mpirun; quick, so failures alone are looked at.
n_runs=0
cut() {
    n_runs=$((n_runs + 1))
    MPART_TEST_SPLITS=$2 timeout -k 5 20 "$MPART" query n.csv "${args[@]}" >"$out" 2>"$err" && cmp -s "$out" "$ref/$1" && return
    rc=$?
    last="MPART_TEST_SPLITS=$2 MPART_GUESS=${MPART_GUESS:-} mpart query n.csv ${args[*]}"
    check "cut at $2: $1" false
}

# Every byte, in runs of many boundaries far from each other; wrong guesses at all of them, too.
stride=61
for q in pass group sort; do
    query_of $q
    for ((k = 1; k <= stride; k++)); do cut $q "$(seq -s, $k $stride $((size - 1)))"; done
done
query_of pass
export MPART_GUESS=wrong
for ((k = 1; k <= stride; k++)); do cut pass "$(seq -s, $k $stride $((size - 1)))"; done
unset MPART_GUESS
# One boundary alone, and two next to each other.
for ((k = 1; k < size; k += 9)); do cut pass $k; done
query_of sort
for ((k = 5; k < size; k += 19)); do cut sort $k,$((k + 1)); done
# A boundary at every byte at once.
every=$(seq -s, 1 $((size - 1)))
for q in pass group sort; do
    query_of $q
    cut $q "$every"
done
check "all cuts were tried" test "$n_runs" -gt $((4 * stride + size / 9))

# A sample of boundaries on 3 ranks.
for k in 97 411 503 "$((size / 2)),$((size / 2 + 1))" "$every"; do
    for q in pass group sort; do
        query_of $q
        MPART_TEST_SPLITS=$k succeeds 3 query n.csv "${args[@]}"
        check "cut at ${k:0:20}: $q on 3 ranks" same "$out" "$ref/$q"
    done
done
finish
