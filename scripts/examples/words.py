"""Lines in, words and their counts out; the sums over all shards are a query."""
import collections
import csv
import re
import sys


def words(line):
    return re.findall(r"[a-z]+", line.lower())


if __name__ == "__main__":
    counts = collections.Counter()
    rows = csv.reader(sys.stdin)
    next(rows)  # the header: line
    for row in rows:
        counts.update(words(row[0] if row else ""))
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["word", "count"])
    out.writerows(sorted(counts.items()))
