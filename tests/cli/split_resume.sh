# split_resume.sh - mpart split goes on after kill -9 of any rank or of mpirun, with any number of ranks: the same bytes, and what was
# in its shards is not dealt again.
. "$(dirname "$0")/lib.sh"
. "$here/split_begin.bash"
mkdir out
awk 'BEGIN { srand(9); for (i = 0; i < 25000; i++) printf "%d,\"n %d\",%.2f,x%d\n", rand() * 40, i % 7, rand() * 100, i }' >rows.csv
(echo id,name,v,t && cat rows.csv) >in.csv
export MPART_TEST_SPLITS=$(seq -s, 2500 2500 "$(stat -c %s in.csv)")
# ---- kills: of a rank, of all at once, of mpirun, without which the ranks may come to their end ----
i=0
for way in '--by id --parts 7' '--each name' '--rows 4000' '--range t --parts 5' '--by t --parts 3 --format ndjson --compress zstd' '--by id --parts 5 --format h5'; do
    rm -rf want
    MPART_TEST_SPLITS='' run 2 split in.csv -o want $way
    i=$((i + 1))
    who=all
    [ $((i % 2)) = 1 ] && who=rank
    for who in $who mpirun; do # tests/long/split_kills.sh has every way and every kill
        [ $who = mpirun ] && [ "$way" != '--rows 4000' ] && continue
        last="kill -9 of $who, split $way"
        begin $((i % 3 + 2)) $((RANDOM % 20 + 1)) in.csv -o out/d $way
        case $who in
        rank) kill -9 "${ranks[$((RANDOM % ${#ranks[@]}))]}" ;;
        all) kill -9 $job "${ranks[@]}" ;;
        mpirun) kill -9 $job ;;
        esac
        gone
        if [ $who = mpirun ] && [ -e out/d ]; then
            check "mpirun was killed: whole" same_folder out/d want
            check "nothing else is left" [ "$(left)" = d ]
            rm -rf out/d
            continue
        fi
        kept=$(legs)
        check "it was killed on its way" [ "$kept" -ge 1 ]
        check "no folder of that name" [ ! -e out/d ]
        succeeds 0 split in.csv -o out/d $way --resume --explain
        check "--explain: the legs are kept" [ "$(grep -c kept "$out")" = "$kept" ]
        check "the rest is redone" [ "$(grep -c redone "$out")" = 1 ]
        from=$(sed -n 's/.*from byte \([0-9]*\) on/\1/p' "$out")
        succeeds $((i % 5)) split in.csv -o out/d $way --resume --stats stats.json
        check "the same bytes" same_folder out/d want
        check "nothing else is left" [ "$(left)" = d ]
        check "what was in its shards is not read again" python3 -c "
import json
assert $from > 0 and sum(r['bytes'] for r in json.load(open('stats.json'))['ranks']) <= $(stat -c %s in.csv) - $from + 100"
        rm -rf out/d
    done
done

# ---- a stop ----
MPART_TEST_SPLITS='' run 2 split in.csv -o want --by id --parts 7 --force
begin 3 2 in.csv -o out/d --by id --parts 7
kill -USR1 $job
gone
rc=0
mpirun -np 1 "$MPART" split in.csv -o out/d --by id --parts 6 --resume >"$out" 2>"$err" || rc=$?
last='another number of parts'
check "exit code 1" has_code 1
check "says which" grep -qF 'cannot resume: file ' "$err"
check "what it was" grep -qF 'option --parts changed: it was 7, it is 6' "$err"
check "says how to go on" grep -qE 'go on with: mpirun -np 3 .*mpart split --resume in.csv -o out/d --by id --parts 7' "$work/begun"
check "how far it came" grep -qE '[0-9]+ % of the input is in its shards' "$work/begun"
cp -p in.csv kept.csv
echo '5,"n 1",1.00,y' >>in.csv
refused 1 "input in.csv changed: it was" split in.csv -o out/d --by id --parts 7 --resume
mv kept.csv in.csv
check "the journal is as it was" [ "$(legs)" -ge 2 ]
touch "$(echo out/.d.mpart-*)/.manifest.json.mpart-abcdef"
succeeds 2 split in.csv -o out/d --by id --parts 7 --resume
check "the same bytes" same_folder out/d want
check "nothing else is left" [ "$(left)" = d ]
rm -rf out/d

# ---- a shard that is not what it was: all anew; a state cut short: the one before is not believed ----
for what in shard log journal; do
    begin 2 3 in.csv -o out/d --by id --parts 7
    kill -9 $job "${ranks[@]}"
    gone
    case $what in
    shard) printf x | dd of="$(echo out/.d.mpart-*/part-00002.csv)" bs=1 seek=50 conv=notrunc 2>/dev/null ;;
    log) truncate -s -9 out/d.mpart-run/log-1-0 ;;
    journal) truncate -s -5 out/d.mpart-run/journal ;;
    esac
    succeeds 3 split in.csv -o out/d --by id --parts 7 --resume
    check "a $what that was changed: the same bytes" same_folder out/d want
    check "nothing else is left" [ "$(left)" = d ]
    rm -rf out/d
done

# ---- twice killed; afresh without --resume; nothing to go on from ----
begin 2 3 in.csv -o out/d --by id --parts 7
kill -9 "${ranks[1]}"
gone
begin 4 $(($(legs) + 2)) in.csv -o out/d --by id --parts 7 --resume
kill -9 $job "${ranks[@]}"
gone
succeeds 1 split in.csv -o out/d --by id --parts 7 --resume
check "killed twice: the same bytes" same_folder out/d want
check "nothing else is left" [ "$(left)" = d ]
rm -rf out/d
begin 2 3 in.csv -o out/d --by id --parts 6
kill -9 $job "${ranks[@]}"
gone
succeeds 2 split in.csv -o out/d --by id --parts 7
check "afresh: the same bytes" same_folder out/d want
check "what the killed run left is gone" [ "$(left)" = d ]
rm -rf out/d
succeeds 2 split in.csv -o out/d --by id --parts 7 --resume
check "--resume without a journal: the same bytes" same_folder out/d want
check "nothing else is left" [ "$(left)" = d ]
rm -rf out/d

# ---- types and quotes that the rows behind the journal refute: the rows in front are dealt again ----
(echo k,v && yes 5,1 | head -n 20000 && echo 5.0,2 && echo 7,x && yes 7,1 | head -n 9000) >late.csv
MPART_TEST_SPLITS='' run 2 split late.csv -o late --each k
begin 2 3 late.csv -o out/d --each k
kill -9 $job "${ranks[@]}"
gone
succeeds 3 split late.csv -o out/d --each k --resume
check "the same bytes" same_folder out/d late
check "no folder of the first plan" [ "$(left)" = d ]
rm -rf out/d

# ---- rejected rows of before the kill are told, too ----
awk 'NR % 1201 == 0 { print "bad"; next } { print }' in.csv >bad.csv
MPART_TEST_SPLITS='' run 2 split bad.csv -o wantbad --by id --parts 3 --on-bad-row skip --rejects want.rej
begin 3 4 bad.csv -o out/d --by id --parts 3 --on-bad-row skip --rejects got.rej
kill -9 $job "${ranks[@]}"
gone
run 2 split bad.csv -o out/d --by id --parts 3 --on-bad-row skip --rejects got.rej --resume
check "exit code 3" has_code 3
check "the same bytes" same_folder out/d wantbad
check "the same rejects" same got.rej want.rej
rm -rf out/d

# ---- one at a time; a failure where it is written down ----
begin 2 2 in.csv -o out/d --by id --parts 7
refused 1 "another run is using the run's folder" split in.csv -o out/d --by id --parts 7
gone
check "the first one is not disturbed" same_folder out/d want
rm -rf out/d
for rank in 0 1; do
    MPART_TEST_FAIL=$rank:leg run 2 split in.csv -o out/d --by id
    check "$rank:leg: exit code 1" has_code 1
    check "$rank:leg: one message" one_message
    check "$rank:leg: nothing is left" no_output out
done
finish
