# test_hooks.sh - any one rank fails in any phase: exit 1, one message, no output, soon, never a hang. A wrong guess and odd splits
# change nothing.
. "$(dirname "$0")/lib.sh"
mkdir out
awk 'BEGIN { print "id,g,v,s"; for (i = 1; i <= 30000; i++) print i "," i % 7 "," i % 1013 ".5,\"t\n" i % 20011 "\"" }' >in.csv

# dies RANK:PHASE WHAT ARGS...: with 5 ranks.
dies() {
    local spec=$1 what=$2 start=$SECONDS
    shift 2
    MPART_TEST_FAIL=$spec run 5 query in.csv "$@" </dev/null
    check "$spec: exit code 1" has_code 1
    check "$spec: $what" says "mpart: test failure: $what"
    check "$spec: nothing on standard output" is_empty "$out"
    check "$spec: no output, no temporary" no_output out
    check "$spec: within 30 seconds" [ $((SECONDS - start)) -le 30 ]
}

MPART_TEST_FAIL=list run 0
check "the list" has_code 0
phases=$(awk '{ print $1 }' "$out")
check "17 phases" [ "$(echo "$phases" | wc -l)" = 17 ]

# Every phase, each rank once; and in all the kinds of query that come to it.
n=0
for phase in $phases; do
    set --
    case $phase in
    census) export MPART_GUESS=wrong && set -- "--where v>3" ;;
    exchange) set -- "--by id,s --agg sum(v)" "--sort -v" ;;
    merge) set -- "--by g --agg sum(v)" "--distinct --select s" ;;
    sort) set -- "--sort -v" "--by g --agg max(s) --sort g" ;;
    units) continue ;; # of map: map_items.sh
    dict | dict-out) continue ;; # of map --dict: map_dict.sh
    store | write) continue ;; # of HDF5 outputs: h5_write.sh, h5_collective.sh
    leg) continue ;; # of split: split_resume.sh
    spill) continue ;; # of a sorted merge: merge_sort.sh
    gather) set -- "--by g --agg sum(v)" "--sort -v --limit 5" ;;
    *) set -- "--where v>3" "--by id,s --agg sum(v)" "--sort -v" ;;
    esac
    for query; do
        for rank in 0 4; do
            to=() && [ $((n++ % 2)) = 0 ] && to=(-o out/o.csv)
            dies $rank:$phase "injected in phase '$phase' on rank $rank" $query "${to[@]}"
        done
    done
    unset MPART_GUESS
done
dies 2:merge "phase 'merge' was not reached on rank 2" --where 'v > 3'
dies 1:nothing "phase 'nothing' was not reached on rank 1" --by g -o out/o.csv
MPART_TEST_FAIL=0:scan run 0 query in.csv --by g
check "alone" says "mpart: test failure: injected in phase 'scan' on rank 0"
MPART_TEST_FAIL=5:scan run 5 query in.csv --limit 1 --select id
check "there is no such rank" same "$out" <(printf 'id\n1\n')

# ---- the same bytes, however it is read ----
same_answer() {
    local np=$1
    shift
    if [ "$1" = - ]; then
        run_piped in.csv $np query - --by s --agg 'count(),sum(v),min(id)' --sort s
    else
        run $np query "$@" --by s --agg 'count(),sum(v),min(id)' --sort s
    fi
    check "exit code 0" has_code 0
    check "the same bytes" same "$out" "$work/want"
}
run 0 query in.csv --by s --agg 'count(),sum(v),min(id)' --sort s
cp "$out" "$work/want"
gzip -k in.csv
MPART_GUESS=wrong same_answer 1 in.csv
MPART_GUESS=wrong same_answer 5 in.csv
MPART_TEST_SPLITS=9,10,11,12,13,100000,100001 same_answer 5 in.csv
MPART_TEST_SPLITS=9,10,11,12,13,100000,100001,99999999 MPART_GUESS=wrong same_answer 5 in.csv
same_answer 5 in.csv --scatter data
same_answer 5 in.csv.gz
same_answer 5 -
same_answer 0 -
finish
