# interrupts.sh - SIGINT, SIGTERM and SIGHUP at any moment: exit code 130, one message, and nothing left behind but what was there.
. "$(dirname "$0")/lib.sh"
run 0 gen groupby --rows 2000000 --groups 100 -o big.csv
run 0 gen groupby --rows 200000 --groups 100 -o small.csv
mkfifo quiet.csv
echo old >there.csv
mkdir -p into/mine
files() { find . -mindepth 1 | sort; }
# An input that does not end until the run does.
feed() { rm -f slow.csv; mkfifo slow.csv; { cat small.csv; sleep 60; } >slow.csv 2>/dev/null & feeder=$!; }
fed_enough() { pkill -P $feeder; kill $feeder; wait $feeder; } 2>/dev/null

# interrupt SIGNAL NP WHEN ARGS...: the run gets the signal when the shell command WHEN succeeds. $took: seconds from the signal to
# its end.
interrupt() {
    local signal=$1 np=$2 when=$3 start=("$MPART") job to i
    shift 3
    [ "$np" != 0 ] && start=(mpirun -np "$np" "$MPART")
    last="SIG$signal when $when: -np $np mpart $*"
    mkfifo slow.csv 2>/dev/null; files >"$work/before"
    feed
    env --default-signal=INT timeout -k 5 60 "${start[@]}" "$@" >"$out" 2>"$err" &
    job=$!
    for i in $(seq 500); do
        eval "$when" && break
        sleep 0.01
    done
    to=$(pgrep -P $job | head -n 1)
    kill -"$signal" "$to"
    wait $job
    rc=$?
    fed_enough
    sed -i '/^\[warn\] Epoll /d' "$err"
}
no_message() { ! grep -q ^mpart: "$err"; }
left_as_it_was() {
    files >"$work/after"; diff "$work/before" "$work/after" >&2
    check "nothing is left behind" same "$work/after" "$work/before"
    check "the old output is untouched" [ "$(cat there.csv)" = old ]
}
all_of_it() {
    check "exit code 130" has_code 130
    check "says so" says_once 'mpart: interrupted'
    check "and no more" [ "$(wc -l <"$err")" = 1 ]
    left_as_it_was
}
# the signals are mpart's own affair
hears() { to=$(pgrep -P $job | head -n 1) && (("0x0$(sed -n 's/^SigCgt:\t//p' "/proc/$to/status" 2>/dev/null)" & 0x4000)); }
temporary() { [ -n "$(find . -name '.*mpart-*')" ]; }
shards() { [ "$(find . -path './.*mpart-*' -name 'part-*' | wc -l)" -gt 0 ]; }

for signal in INT TERM HUP; do
    interrupt $signal 0 temporary query slow.csv -o there.csv --sort id3
    all_of_it
done
interrupt INT 0 temporary query slow.csv --where 'v1 < 3' --rejects rejects -o new.csv.gz
all_of_it
interrupt INT 0 temporary query slow.csv -o new.h5
all_of_it
interrupt TERM 0 shards split slow.csv --by id3 --parts 300 -o parts
all_of_it
interrupt INT 0 shards split slow.csv --each id1 -o into --force
all_of_it
interrupt INT 0 temporary gen groupby --rows 100000000 -o there.csv
all_of_it
interrupt INT 0 temporary gen join --rows 100000000 -o joined
all_of_it
interrupt INT 0 temporary merge big.csv big.csv big.csv big.csv big.csv -o there.csv
all_of_it
interrupt TERM 0 'hears && sleep 0.2' query quiet.csv
all_of_it
interrupt INT 0 'hears && sleep 0.2' map quiet.csv -- cat
check "a map that waits for its input: the list of units is not known yet" has_code 130
left_as_it_was

# a program that ignores the signal when it starts goes on
rm -f slow.csv && mkfifo slow.csv
{ cat small.csv; until [ -e go ]; do sleep 0.01; done; } >slow.csv &
(
    trap '' INT
    exec "$MPART" query slow.csv -o ignored.csv
) &
job=$!
for _ in $(seq 500); do temporary && break || sleep 0.01; done
kill -INT $job
touch go
wait $job
rc=$? last="a SIGINT that is ignored"
check "nohup and the like" has_code 0
check "its whole output" same ignored.csv small.csv
rm ignored.csv go

# ---- several ranks: mpirun passes it on, and gives them a second ----
interrupt TERM 3 temporary query slow.csv -o there.csv --sort id3
check "no exit code 0" [ "$rc" != 0 ]
check "no message, as where a rank failed and the launcher ends the rest" no_message
left_as_it_was
interrupt TERM 3 shards split slow.csv --by id3 --parts 300 -o parts
check "no exit code 0" [ "$rc" != 0 ]
left_as_it_was
# one rank alone: the others follow
mkfifo slow.csv 2>/dev/null; files >"$work/before"
feed
mpirun -np 3 "$MPART" split slow.csv --by id3 --parts 300 -o parts >"$out" 2>"$err" &
job=$!
for _ in $(seq 500); do shards && break || sleep 0.01; done
kill -TERM "$(pgrep -P $job -x mpart | sed -n 2p)"
wait $job
rc=$?
fed_enough
last="SIGTERM to one of three ranks"
check "exit code 130" has_code 130
left_as_it_was

# ---- map: the first stops it, the second interrupts it ----
seq 40 >list
mkdir "$work/tmp"
TMPDIR=$work/tmp timeout -k 5 60 "$MPART" map --items list -o joined --dict -- sh -c 'echo >>ran; trap "" TERM INT; sleep 0.5; echo $0' >"$out" 2>"$err" &
job=$!
for _ in $(seq 500); do [ -s ran ] && [ "$(wc -l <ran)" -ge 2 ] && break || sleep 0.01; done
to=$(pgrep -P $job)
kill -TERM "$to"
taken "$to"
kill -TERM "$to"
wait $job
rc=$?
last="map, twice SIGTERM"
check "exit code 130" has_code 130
check "how far it came" grep -qE '^mpart: interrupted: [0-9]+ of 40 units are done$' "$err"
check "and how to go on" grep -q '^hint: go on with: .* --resume --items list -o joined' "$err"
check "no output" [ ! -e joined ]
check "no socket" no_output "$work/tmp"
check "no child is left" [ -z "$(pgrep -f "sleep 0.5$" -P 1)" ]
finish
