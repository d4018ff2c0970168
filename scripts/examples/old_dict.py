"""The third habit: one dictionary that all processes read and change."""
import csv
import multiprocessing
import sys

from words import words


def work(job):
    lines, counts, lock = job
    for line in lines:
        for word in words(line):
            with lock:
                counts[word] = counts.get(word, 0) + 1


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        lines = file.readlines()
    n = max(1, len(lines) // 4)
    with multiprocessing.Manager() as manager, multiprocessing.Pool(2) as pool:
        counts, lock = manager.dict(), manager.Lock()
        pool.map(work, [(lines[i : i + n], counts, lock) for i in range(0, len(lines), n)])
        with open(sys.argv[2], "w", newline="") as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow(["word", "count"])
            out.writerows(sorted(counts.items()))
