#!/usr/bin/python3
"""pandas_pool.py FILE QUESTION OUT: one question of questions.json answered by pandas, CSV to CSV.

The file is cut into byte ranges at line ends; a multiprocessing.Pool reads each range with pandas
and groups it; the partial results are joined and grouped again. What cannot be merged (median, std,
corr) is grouped in the parent. BENCH_THREADS is the number of processes.
"""
import io
import multiprocessing
import os
import sys

import pandas as pd

CHUNK_BYTES = 64 << 20


def ranges(path):
    """The column names, and byte ranges of about CHUNK_BYTES that start and end at line ends."""
    size = os.path.getsize(path)
    with open(path, 'rb') as f:
        header = f.readline().decode().strip().split(',')
        first = f.tell()
        cuts = [first]
        while cuts[-1] < size:
            f.seek(min(cuts[-1] + CHUNK_BYTES, size))
            f.readline()
            cuts.append(f.tell())
    return header, list(zip(cuts, cuts[1:]))


def read(path, names, start, end, columns):
    with open(path, 'rb') as f:
        f.seek(start)
        return pd.read_csv(io.BytesIO(f.read(end - start)), names=names, usecols=columns)


def group(table, keys):
    return table.groupby(keys, sort=False)


def sums(keys, columns):
    return (keys + columns,
            lambda t: group(t, keys)[columns].sum(),
            lambda parts: group(pd.concat(parts), keys).sum())


def means(keys, sum_columns, mean_columns):
    def part(t):
        return group(t, keys).agg(**{c: (c, 'sum') for c in sum_columns + mean_columns},
                                  n=(mean_columns[0], 'count'))

    def merge(parts):
        total = group(pd.concat(parts), keys).sum()
        for c in mean_columns:
            total[c] = total[c] / total['n']
        return total[sum_columns + mean_columns]

    return keys + sum_columns + mean_columns, part, merge


def whole(keys, columns, answer):
    """The rows come back to the parent, which groups them at once."""
    return (keys + columns, lambda t: t,
            lambda parts: answer(group(pd.concat(parts, ignore_index=True), keys)))


def extent():
    keys = ['id3']

    def merge(parts):
        m = group(pd.concat(parts), keys).agg({'v1': 'max', 'v2': 'min'})
        return (m['v1'] - m['v2']).to_frame('range')

    return keys + ['v1', 'v2'], lambda t: group(t, keys).agg({'v1': 'max', 'v2': 'min'}), merge


def largest_two():
    def part(t):
        return group(t.sort_values('v3', ascending=False), ['id6']).head(2)

    def merge(parts):
        top = part(pd.concat(parts))
        top = top.assign(place=group(top, ['id6']).cumcount())
        return top.pivot(index='id6', columns='place', values='v3')

    return ['id6', 'v3'], part, merge


def six_keys():
    keys = ['id1', 'id2', 'id3', 'id4', 'id5', 'id6']
    return (keys + ['v3'],
            lambda t: group(t, keys).agg(v3=('v3', 'sum'), count=('v3', 'size')),
            lambda parts: group(pd.concat(parts), keys).sum())


def r_squared(groups):
    return (groups.corr().iloc[0::2, 1] ** 2).droplevel(-1).to_frame('r2')


QUESTIONS = {
    'q1': sums(['id1'], ['v1']),
    'q2': sums(['id1', 'id2'], ['v1']),
    'q3': means(['id3'], ['v1'], ['v3']),
    'q4': means(['id4'], [], ['v1', 'v2', 'v3']),
    'q5': sums(['id6'], ['v1', 'v2', 'v3']),
    'q6': whole(['id4', 'id5'], ['v3'], lambda g: g['v3'].agg(['median', 'std'])),
    'q7': extent(),
    'q8': largest_two(),
    'q9': whole(['id2', 'id4'], ['v1', 'v2'], r_squared),
    'q10': six_keys(),
}


def work(task):
    path, names, start, end, name = task
    columns, part, _ = QUESTIONS[name]
    return part(read(path, names, start, end, columns))


def main():
    path, name, out = sys.argv[1:4]
    names, cuts = ranges(path)
    tasks = [(path, names, start, end, name) for start, end in cuts]
    with multiprocessing.Pool(int(os.environ['BENCH_THREADS'])) as pool:
        parts = pool.map(work, tasks, chunksize=1)
    QUESTIONS[name][2](parts).to_csv(out)


if __name__ == '__main__':
    main()
