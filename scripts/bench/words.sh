#!/bin/sh
# words.sh - word count of a text by mpart's plug-in, mawk and a Python Pool, by turns in one run. Makes the text,
# repeats the measurement, compares the answers. Prints seconds (launch included), the processor's seconds of all
# processes, and the peak of the largest one in MiB.
# Usage: scripts/bench/words.sh [MB [ROUNDS]]    WORDS_DIR: where the text is made and kept (default: a folder that goes away)
set -u
cd "$(dirname "$0")/../.." || exit 1
mb=${1:-1000} rounds=${2:-3} ranks=${BENCH_RANKS:-2}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 LC_ALL=C
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
text=${WORDS_DIR:-$work}/words-$mb.txt

# Some 14 MB of lines of some 12 words, 200,000 different ones by Zipf's law, eight such blocks again and again.
[ -e "$text" ] || python3 - "$mb" "$text" <<'END'
import itertools, random, sys
random.seed(1)
letters = "etaoinshrdlucmfwypvbgkjqxz"
words = ["".join(random.choices(letters, range(26, 0, -1), k=1 + int(random.gammavariate(4, 1.3)))) for _ in range(200000)]
cum = list(itertools.accumulate(1 / (i + 2.7) for i in range(len(words))))
size, want = 0, int(sys.argv[1]) * 1000000
blocks = []
with open(sys.argv[2], "wb") as out:
    while size < want:
        if len(blocks) < 8:
            picked = random.choices(words, cum_weights=cum, k=2400000)
            at = 0
            lines = []
            while at < len(picked):
                n = random.randrange(24)
                lines.append(" ".join(picked[at:at + n]))
                at += n
            blocks.append("\n".join(lines).encode() + b"\n")
        block = blocks[size % len(blocks)]
        size += out.write(block)
END
cat >"$work/pool.py" <<'END'
import collections, multiprocessing, os, sys
def count(span):
    with open(sys.argv[1], "rb") as f:
        f.seek(span[0])
        return collections.Counter(f.read(span[1] - span[0]).split())
if __name__ == "__main__":
    size, cuts = os.path.getsize(sys.argv[1]), [0]
    with open(sys.argv[1], "rb") as f:
        while cuts[-1] < size:
            f.seek(min(cuts[-1] + (16 << 20), size))
            f.readline()
            cuts.append(f.tell())
    total = collections.Counter()
    with multiprocessing.Pool(int(sys.argv[2])) as pool:
        for part in pool.imap_unordered(count, zip(cuts, cuts[1:])):
            total.update(part)
    with open(sys.argv[3], "wb") as out:
        for word, n in total.items():
            out.write(b"%s,%d\n" % (word, n))
END
# run NAME COMMAND...: its seconds; the answer is $work/out.
run() {
    name=$1
    shift
    rm -rf "$work/out" "$work/out.csv"
    python3 - "$name" "$@" <<'END'
import os, resource, subprocess, sys, time
start = time.time()
done = subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL)
u = resource.getrusage(resource.RUSAGE_CHILDREN)
print("%-28s %7.2f s %7.2f s of processor %7d MiB%s" % (sys.argv[1], time.time() - start, u.ru_utime + u.ru_stime,
      u.ru_maxrss >> 10, "" if done.returncode == 0 else "   exit code %d" % done.returncode), flush=True)
END
    [ -e "$work/out.csv" ] && tail -n +2 "$work/out.csv" >"$work/out"
    sum=$(sort "$work/out" | cksum)
    [ "$sum" = "${first_sum:=$sum}" ] || echo "$name: another answer"
}
echo "$(stat -c %s "$text") bytes, $ranks ranks or processes"
cat "$text" >/dev/null
for round in $(seq "$rounds"); do
    run "mpart wordcount" mpirun -np "$ranks" ./mpart map "$text" --plugin build/plugins/wordcount.so -o "$work/out.csv"
    run "mpart wordcount --in-process" mpirun -np "$ranks" ./mpart map "$text" --plugin build/plugins/wordcount.so --in-process -o "$work/out.csv"
    run mawk sh -c 'mawk "{ for (i = 1; i <= NF; i++) n[\$i]++ } END { for (w in n) print w \",\" n[w] }" "$0" >"$1"' "$text" "$work/out"
    run "Python Pool" python3 "$work/pool.py" "$text" "$ranks" "$work/out"
done
