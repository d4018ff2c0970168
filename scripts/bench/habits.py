#!/usr/bin/env python3
"""The three old scripts of scripts/examples and the mpart commands in their place, by turns on the same data: seconds, launch
included, and the peak of the memory of all their processes (shared pages counted once). Compares what they write.
Usage: scripts/bench/habits.py [ROWS [LINES]]    rows of orders; lines of text for the shared dictionary"""
import os
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLES = os.path.join(TOP, "scripts", "examples")
RANKS = os.environ.get("BENCH_RANKS", "2")
MPART = ["mpirun", "-np", RANKS, os.path.join(TOP, "mpart")]


def script(name, *args):
    return ["python3", "-B", os.path.join(EXAMPLES, name), *args]


def parents():
    """The parent of every process."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
                found[int(pid)] = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            pass
    return found


def memory_of(root):
    """Bytes of a process and all that descend from it."""
    parent, total = parents(), 0
    for pid in parent:
        at = pid
        while at not in (root, 0, None):
            at = parent.get(at)
        if at != root:
            continue
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except OSError:
            pass
    return total << 10


def run(command):
    """(seconds, peak bytes) of a command."""
    peak, over = [0], threading.Event()
    start = time.monotonic()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def watch():
        while not over.wait(0.05):
            peak[0] = max(peak[0], memory_of(child.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = child.wait()
    seconds = time.monotonic() - start
    over.set()
    watcher.join()
    if code != 0:
        sys.exit(f"{' '.join(command)}: exit code {code}")
    return seconds, peak[0]


def lines_of(path):
    with open(path, encoding="utf-8") as file:
        return sorted(file)


def pair(name, old, new):
    answers = []
    for kind, commands, answer in (("old script", [old], "old.csv"), ("mpart", new, "new.csv")):
        figures = [run(command) for command in commands]
        seconds, peak = sum(f[0] for f in figures), max(f[1] for f in figures)
        print(f"{name:<24} {kind:<12} {seconds:8.2f} s {peak / 2**20:8.0f} MiB", flush=True)
        answers.append(lines_of(answer))
    if answers[0] != answers[1]:
        sys.exit(f"{name}: the answers differ")


def main():
    rows, lines = (sys.argv[1:] + ["1000000", "20000"][len(sys.argv) - 1:])[:2]
    os.environ.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_rmaps_base_oversubscribe="1")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        subprocess.run([*MPART, "gen", "orders", "--rows", rows, "-o", "orders.csv"], check=True)
        with open("orders.csv", encoding="utf-8") as table, open("text.txt", "w", encoding="utf-8") as text:
            for _, line in zip(range(int(lines)), table):
                text.write(line)
        print(f"{os.path.getsize('orders.csv')} bytes of orders, {os.path.getsize('text.txt')} of text, "
              f"2 processes, {RANKS} ranks")
        pair("slices of a table", script("old_slices.py", "orders.csv", "old.csv"),
             [[*MPART, "map", "orders.csv", "-o", "new.csv", "--", *script("score.py")]])
        pair("a shard per slice of keys", script("old_shards.py", "orders.csv", "old.csv"),
             [[*MPART, "map", "orders.csv", "--by", "customer", "--parts", "8", "-o", "new.csv", "--", *script("per_customer.py")]])
        pair("a shared dictionary", script("old_dict.py", "text.txt", "old.csv"),
             [[*MPART, "map", "text.txt", "--input-format", "lines", "--parts", "4", "-o", "counts.csv", "--", *script("words.py")],
              [*MPART, "query", "counts.csv", "--by", "word", "--agg", "sum(count) as count", "-o", "new.csv"]])


main()
