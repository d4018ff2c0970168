# map_dict_resume.sh - a map with a dictionary that is stopped, killed or fails, and goes on: what units did is in it once.
. "$(dirname "$0")/lib.sh"
export TMPDIR=$work/tmp
mkdir "$TMPDIR"
examples=$here/../../scripts/examples
printf 'key,value\nn,5\n' >own.csv

# ---- --resume: what finished units did is there once, however they were stopped ----
seq 1 10 >few
cat >steps.py <<END
import os, sys, time
sys.path.insert(0, "$examples")
from mpart_dict import Dict
d, i = Dict(), int(sys.argv[1])
if i == 3 and not os.path.exists("fixed"):
    sys.exit(1)
open("ran", "a").write("%d\n" % i)
d.many([("INCR", "units"), ("INCRBYFLOAT", "half", 0.5), ("SET", b"\0\n\xff %d" % i, b"\xfe\0"), ("SADD", "set", i)])
d("HSET", "hash", *[w for k in range(300) for w in ("f%d.%d" % (i, k), "v" * k)])
d("HINCRBY", "hash", "n", i)
while i > 5 and not os.path.exists("go"):
    time.sleep(0.01)
print(i)
END
touch fixed go
succeeds 0 map --items few -o joined --dict-out whole.ndjson -- python3 steps.py
mv joined whole
rm -f fixed ran
for np in 0 3; do
    rm -rf joined* fixed ran go
    start=(mpirun -np $np "$MPART") && [ $np = 0 ] && start=("$MPART")
    timeout 60 "${start[@]}" map --items few -o joined --dict-in own.csv --dict-out end.ndjson -- python3 steps.py >"$out" 2>"$err" &
    job=$!
    for _ in $(seq 200); do
        [ -s ran ] && [ "$(wc -l <ran)" -gt 1 ] && break
        sleep 0.02
    done
    to=$(pgrep -P $job | head -n 1) # of timeout
    kill -USR1 "$to"
    sleep 0.3 # mpirun passes it on
    taken "$to" && taken "$(pgrep -P "$to" -x mpart | head -n 1)"
    touch go
    wait $job
    rc=$?
    last="-np $np, SIGUSR1"
    check "exit code 75" has_code 75
    check "some units are left" [ "$(wc -l <ran)" -lt 9 ]
    run 2 map --items few -o joined --dict-in own.csv --dict-out end.ndjson --resume -- python3 steps.py
    check "one unit fails: exit code 3" has_code 3
    touch fixed
    succeeds 3 map --items few -o joined --dict-in own.csv --dict-out end.ndjson --resume -- python3 steps.py
    check "each unit ran once" [ "$(sort -n ran)" = "$(cat few)" ]
    check "the same output" same joined whole
    check "the same dictionary, beside --dict-in's" same <(grep -vE '"key":"[mn]"' end.ndjson) whole.ndjson
    check "which was read once" grep -qx '{"key":"n","value":"5"}' end.ndjson
    check "nothing is left of the run" [ ! -e joined.mpart-run ]
done
# ---- kill -9: what was done behind the dictionary that was kept is done again, all else once ----
seq 40 >many
cat >keep.py <<END
import sys, time
sys.path.insert(0, "$examples")
from mpart_dict import Dict
d, i = Dict(), int(sys.argv[1])
d("INCR", "units")
d.many([("INCRBY", "sum", i), ("SADD", "set", i), ("HINCRBY", "hash", i % 7, i)])
time.sleep(0.03)
d("INCR", "ends")
print(i)
END
succeeds 2 map --items many -o joined --dict-out whole.csv -- python3 -S keep.py
rm joined
kills=0
for case in "0 1" "2 1" "3 2"; do
    np=${case% *} who=${case#* }
    rm -rf joined*
    start=(mpirun -np $np "$MPART") && [ $np = 0 ] && start=("$MPART")
    "${start[@]}" map --items many -o joined --dict-in own.csv --dict-out end.csv --dict-keep 0.05 -- python3 -S keep.py >"$out" 2>"$err" &
    job=$!
    for _ in $(seq 200); do
        grep -q '^dict' joined.mpart-run/journal 2>/dev/null && break
        sleep 0.02
    done
    sleep 0.1
    victim=$job && [ $np != 0 ] && victim=$(pgrep -P $job -x mpart | sed -n ${who}p)
    kill -9 "$victim" 2>/dev/null && kills=$((kills + 1))
    wait $job 2>/dev/null
    last="-np $np, kill -9"
    check "the killed rank's socket is gone" [ $np = 0 -o -z "$(ls -A "$TMPDIR")" ]
    rm -rf "$TMPDIR"/* # nobody is left to remove what a lone one had
    [ -e joined ] && continue
    run 2 map --items many -o joined --dict-in own.csv --dict-out end.csv --explain -- python3 -S keep.py
    check "some units are kept" grep -q kept "$out"
    run 2 map --items many -o joined --resume -- python3 -S keep.py
    check "without --dict it is another run" has_code 1
    succeeds 2 map --items many -o joined --dict-in own.csv --dict-out end.csv --resume -- python3 -S keep.py
    check "the same output" same joined many
    check "the same dictionary, beside --dict-in's" same <(grep -v '^[mn],' end.csv) whole.csv
    check "nothing is left of the run" [ ! -e joined.mpart-run ]
done
check "it was killed on the way" [ $kills -gt 1 ]
# --dict-keep 0, or a kill before the first time: all is done again
rm -rf joined* end.csv
mpirun -np 2 "$MPART" map --items many --dict-out end.csv --dict-keep 0 -- python3 -S keep.py >"$out" 2>"$err" &
job=$!
for _ in $(seq 200); do
    grep -q '^unit' end.csv.mpart-run/journal 2>/dev/null && break
    sleep 0.02
done
kill -9 "$(pgrep -P $job -x mpart | head -n 1)"
wait $job 2>/dev/null
run 0 map --items many --dict-out end.csv --explain -- python3 -S keep.py
check "says why" grep -q 'redone.its part of the dictionary was not kept' "$out"
succeeds 2 map --items many --dict-out end.csv --resume -- python3 -S keep.py
check "says so" says_once "units that were done are done again: the dictionary was last kept before they ended"
check "the same dictionary" same end.csv whole.csv
# units that take long, and do not end at the same time: it is kept once waiting for them costs little
seq 200 >long
mpirun -np 4 "$MPART" map --items long --dict-out long.csv --dict-keep 0.5 -- bash -c 'sleep 0.$((26 + $0 * 7 % 9))' >"$out" 2>"$err" &
job=$!
for _ in $(seq 200); do
    grep -q '^dict' long.csv.mpart-run/journal 2>/dev/null && break
    [ -e long.csv ] && break
    sleep 0.05
done
check "kept beside long units" [ ! -e long.csv -a "$(grep -c '^unit' long.csv.mpart-run/journal)" -lt 190 ]
kill $job
wait $job 2>/dev/null
rm -rf long.csv*
refused 2 "--dict-keep goes with --dict" map --items many --dict-keep 5 -- true
# units that are ended under way do not leave a part of what they do
rm -rf joined*
touch slow
slow='[ ! -e slow ] || [ $0 != 21 ] || { sleep 0.3; exit 1; }; python3 -S keep.py $0; [ ! -e slow ] || [ $0 != 20 ] || sleep 9'
run 2 map --items many -o joined --dict-out end.csv --dict-keep 0.05 --halt now -- sh -c "$slow"
check "--halt now: exit code 1" has_code 1
rm slow
succeeds 2 map --items many -o joined --dict-out end.csv --resume -- sh -c "$slow"
check "the same dictionary" same end.csv whole.csv
# a value that has grown beyond what may travel at a time
cat >grow.py <<END
import os, sys
sys.path.insert(0, "$examples")
from mpart_dict import Dict
d = Dict()
if sys.argv[1] == "1":
    for k in b"abcdefghijklmnop":
        d("APPEND", "long", bytes([k]) * (1 << 20))
sys.exit(sys.argv[1] == "2" and not os.path.exists("grown"))
END
rm -f end.csv
run 2 map --items few -o joined --memory 48M --dict-out end.csv -- python3 -S grow.py
check "an item fails: exit code 3" has_code 3
touch grown
succeeds 3 map --items few -o joined --memory 48M --dict-out end.csv --resume -- python3 -S grow.py
check "it is whole" [ "$(tail -n 1 end.csv | tr -d a-p)$(wc -c <end.csv)" = ",$(((16 << 20) + 16))" ]
finish
