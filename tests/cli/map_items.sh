# map_items.sh - a command on every item: the same bytes for any number of ranks, what commands get and how they fail, what they leave
# behind, and what is said about it.
. "$(dirname "$0")/lib.sh"
seq 1 40 >list

# ---- joined in list order, whichever ends first ----
seq 1 40 | sed 's/.*/<&>/' >want
for np in 0 2 5; do
    succeeds $np map --items list -- sh -c 'sleep 0.0$(($$ % 5)); echo "<$0>"'
    check "in list order" same "$out" want
    succeeds $np map --items list -o joined -- printf '<%s>\n'
    check "a file" same joined want
    check "no run folder" [ ! -e joined.mpart-run ]
    rm -f joined
done
run_piped list 3 map --items - -o joined.any -- printf '<%s>\n'
check "a list from a pipe, any name" same joined.any want
succeeds 2 map --items list -o /dev/null -- printf '<%s>\n'
check "devices get no run folder" [ ! -e /dev/null.mpart-run ]
rm -f joined.any
gzip -k list
succeeds 0 map --items list.gz -- printf '<%s>\n'
check "a packed list" same "$out" want

# ---- words ----
printf 'a b\n\n  \n"q"\n-n\n$(ls) `ls` ; *\n{#}\n\xff\n\\n' >odd
awk 'NF' odd | LC_ALL=C sed 's/.*/[&|x&y]/' >want
succeeds 2 map --items odd -- printf '[%s|%s]\n' {} 'x{}y'
check "items are words, whatever is in them; blank lines are none" same "$out" want
succeeds 0 map --items odd -- printf '[%s|%s]\n' {} x{}y
check "alone, too" same "$out" want
printf 'a\nb\0\0c' >nul
succeeds 2 map -0 --items nul -- printf '[%s]'
check "NUL between items" [ "$(cat "$out")" = "[a
b][c]" ]
refused 65 "hint: -0 reads items that end with NUL" map --items nul -- echo
succeeds 0 map --items list -I @ -- sh -c 'awk "BEGIN { print @ * {}2 }" 2>/dev/null || echo @ "{}" "{#}"'
check "-I" prints '7 {} 7'
printf 'one\ntwo\n' >two
succeeds 2 map --items two -- echo '{#}:{}:{#}'
check "numbers from 1" same "$out" <(printf '1:one:1\n2:two:2\n')
succeeds 2 map --items two -- sh -c 'echo $MPART_SHARD $MPART_SHARDS $MPART_RANKS; [ $MPART_RANK -lt 2 ]'
check "variables" same "$out" <(printf '0 2 2\n1 2 2\n')
succeeds 2 map --items two -- sh -c 'env | grep -cE "^(OMPI|PMIX|PMI|ORTE)_"; cat; ls /proc/self/fd | wc -l'
check "no launcher, no input, no other descriptor" same "$out" <(printf '0\n4\n0\n4\n')
succeeds 2 map --items two -I @ -- sh -c '"$0" query list --no-header --agg "sum(c1)"' "$MPART"
check "an MPI program as a command" same "$out" <(printf 'sum_c1\n820\nsum_c1\n820\n')
succeeds 2 map --items /dev/null -o empty -- echo
check "no items, no bytes" is_empty empty

# ---- standard error ----
for np in 0 3; do
    succeeds $np map --items two -- sh -c 'printf "a\nb" >&2; echo out'
    check "lines behind the number" same <(sort "$err") <(printf '[1] a\n[1] b\n[2] a\n[2] b\n')
done
succeeds 2 map --items two -o big -- sh -c 'head -c 20000000 /dev/zero | tr "\0" x >&2; echo $0'
check "much on standard error in one line" [ "$(wc -c <"$err")" -gt 40000000 ]
check "and the result" same big two
: >"$err"

# ---- what commands may do ----
succeeds 2 map --items two -o big -- sh -c 'head -c 30000000 /dev/zero'
check "30 MB each" [ "$(stat -c %s big)" = 60000000 ]
rm -f big
succeeds 2 map --items two -- printf '%s'
check "no newline is added" [ "$(cat "$out")" = onetwo ]
start=$SECONDS
succeeds 2 map --items two -- sh -c 'sleep 60 & echo $0'
check "what stays behind is ended" same "$out" two
check "soon" [ $((SECONDS - start)) -lt 20 ]
succeeds 2 map --items two -- sh -c 'setsid sleep 5 & echo $0; exec >&- 2>&-; sleep 0.1'
check "closed outputs" same "$out" two
timeout 60 "$MPART" map --items <(yes 100000 | head -n 2000) -- seq 2>"$err" | head -n 1 >"$out"
rc=${PIPESTATUS[0]}
check "a closed standard output is success" has_code 0
check "silently" silent

# ---- failures ----
fails 1 "mpart: cannot run the command: file 'no-such-command': command not found" map --items list -- no-such-command {}
: >plain
refused 1 "mpart: cannot run the command: file './plain': Permission denied" map --items list -- ./plain {}
refused 1 "mpart: cannot run the command: file './': Is a directory" map --items list -- ./
printf '#!/no/such/interpreter\n' >script && chmod +x script
run 2 map --items two -- ./script
check "no interpreter: exit code 3" has_code 3
check "no interpreter: says so" says_once "[2] mpart: cannot run the command: the interpreter that it names is not there"
run 2 map --items two -- ./{}
check "no such item" says_once "[1] mpart: cannot run the command: No such file or directory"
refused 2 "option '--items': '.' is a folder" map --items . -- echo
refused 74 "cannot open: file 'nothing'" map --items nothing -- echo
refused 2 'no input given: name tables, or --items LIST' map -- echo
refused 2 "no command behind --" map --items list
refused 2 "'echo' is an input, but --items is given" map --items list echo
refused 2 "exclude each other" map --items list -o x --results y -- echo
refused 2 "option '--timeout': '1h' is not a time in seconds" map --items list --timeout 1h -- echo
refused 2 "there is no journal to resume from" map --items list --resume -- echo
refused 74 "there is no folder 'none/' here" map --items list -o none/x --run-dir rd -- echo
rm -rf rd
seq 1 40 | grep -vxE '7|21' >want
for np in 0 3; do
    rm -rf part part.mpart-run
    run $np map --items list -o part -- sh -c 'echo $0; case $0 in 7) exit 9 ;; 21) kill -SEGV $$ ;; esac'
    check "exit code 3" has_code 3
    check "the first one is told" says_once "mpart: some items failed: 2 of 40; the first is 7 ('7'): exit code 9"
    check "one message" one_message
    check "the rest is written" same part want
    check "the journal stays" [ -e part.mpart-run/journal ]
done
rm -rf part*
for how in soon now; do
    run 2 map --items list -o part --halt $how -- sh -c '[ $0 != 3 ]'
    check "--halt $how: exit code 1" has_code 1
    check "--halt $how: says so" says_once "mpart: stopped because an item failed (--halt): 1 of 40; the first is 3 ('3'): exit code 1"
    check "--halt $how: no output" [ ! -e part ]
    rm -rf part*
done
start=$SECONDS
run 2 map --items two --timeout 0.3 -- sh -c '[ $0 = one ] || { trap "" TERM; sleep 30.25 & sleep 30.25; }; echo $0'
check "a timeout costs its item" has_code 3
check "and says so" says_once "mpart: some items failed: 1 of 2; the first is 2 ('two'): its time limit was over"
check "the other one is there" [ "$(cat "$out")" = one ]
check "in time" [ $((SECONDS - start)) -lt 15 ]
check "all of its processes are gone" [ -z "$(pgrep -x -f 'sleep 30.25')" ]
rm -f tried.*
succeeds 3 map --items two --retries 3 -- sh -c 'echo x >>tried.$0; [ $(wc -l <tried.$0) = 3 ] && echo $0'
check "tried again until it goes well" same "$out" two
rm -f tried.*
run 2 map --items two --retries 1 -- sh -c 'echo x >>tried.$0; exit 1'
check "and no more often than asked" [ "$(cat tried.* | wc -l)" = 4 ]

# ---- folders, job log ----
for np in 0 3; do
    rm -rf results
    run $np map --items list --results results -- sh -c 'echo out$0; echo err$0 >&2; [ $0 != 5 ]'
    check "exit code 3" has_code 3
    check "80 files" [ "$(ls -A results | wc -l)" = 80 ]
    check "what was printed" [ "$(cat results/7.out results/7.err results/5.out)" = "out7
err7
out5" ]
    rm -rf results*
done
mkdir full && touch full/x
refused 2 "mpart: cannot write: file 'full': the folder is not empty" map --items list --results full -- echo
rm -rf full.mpart-run
succeeds 0 map --items two --results full --force -- echo
check "--force" [ -e full/2.out ]
run 2 map --items list --joblog log -- sh -c 'echo $0; case $0 in 4) exit 6 ;; 5) kill -9 $$ ;; esac; : "a	b"'
check "nine columns" [ "$(awk -F'\t' '{ print NF }' log | sort -u)" = 9 ]
check "the columns of GNU parallel" [ "$(head -n 1 log)" = "Seq	Host	Starttime	JobRuntime	Send	Receive	Exitval	Signal	Command" ]
check "a line each" [ "$(tail -n +2 log | cut -f 1 | sort -n | tr '\n' ' ')" = "$(seq 1 40 | tr '\n' ' ')" ]
check "exit code and signal" [ "$(awk -F'\t' '$1 == 4 || $1 == 5 { print $1, $6, $7, $8 }' log | sort)" = "4 0 6 0
5 0 0 9" ]

# ---- hosts of URLs: never more than so many at a time ----
{
    for i in $(seq 1 12); do echo "https://user@One.example:80/$i"; done
    for i in $(seq 1 4); do echo "http://two.example?$i"; done
} >urls
mkdir busy
succeeds 5 map --items urls --per-host 2 -- sh -c 'h=$(echo "$0" | grep -o "[Oo]ne\|two" | tr O o); touch busy/$h.$$
    ls busy | grep -c "^$h"; sleep 0.1; rm busy/$h.$$'
check "all are done" [ "$(wc -l <"$out")" = 16 ]
check "two of a host at a time" [ "$(sort -n "$out" | tail -n 1)" = 2 ]

# ---- disk full, one rank fails ----
if small_disk 300k; then
    run 2 map --items list -o "$small/x" -- sh -c 'head -c 100000 /dev/zero'
    check "a full disk" has_code 74
    check "says so" says_once "No space left on device"
    check "no output" [ ! -e "$small/x" ]
    run 2 map --items two --scratch "$small" -- sh -c 'head -c 400000 /dev/zero'
    check "a full scratch" has_code 74
fi
for phase in 0:plan 1:units 4:output; do
    MPART_TEST_FAIL=$phase run 5 map --items list -o failed -- echo
    check "$phase" says_once "mpart: test failure: injected in phase '${phase#*:}' on rank ${phase%:*}"
    check "exit code 1" has_code 1
    check "no output" [ ! -e failed ]
done
finish
