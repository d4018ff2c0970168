"""Whether two answers are the same: equal keys and integers, floats within a relative 1e-9.

An answer is a CSV file with a header, its rows in any order; no field of the benchmark data needs
quotes. Answers may be as large as the data, so they are sorted by sort(1) and read side by side,
never held in memory.
"""
import itertools
import math
import os
import subprocess

RELATIVE = 1e-9
ABSOLUTE = 1e-12  # a squared correlation near 0 has few digits left in any double arithmetic
NULLS = {'', 'NULL', '\\N', 'nan', 'NaN'}


def sort_rows(path, folder):
    """Write path's rows, sorted bytewise, without header and quotes, to path + '.sorted'; return
    that name."""
    done = path + '.sorted'
    with open(done, 'wb') as out:
        subprocess.run(['sh', '-c', 'tail -n +2 "$1" | tr -d \'"\' | '
                        'LC_ALL=C sort -S 1G --parallel=2 -T "$2"', 'sh', path, folder],
                       stdout=out, check=True)
    return done


def same_field(kind, a, b):
    if a == b or (a in NULLS and b in NULLS):
        return True
    if kind != 'float' or a in NULLS or b in NULLS:
        return False
    try:
        return math.isclose(float(a), float(b), rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    except ValueError:
        return False


def difference(columns, path_a, path_b):
    """The first difference of two sorted answers, as text; None if there is none."""
    with open(path_a, encoding='utf-8') as file_a, open(path_b, encoding='utf-8') as file_b:
        for row, (a, b) in enumerate(itertools.zip_longest(file_a, file_b), 1):
            if a == b:
                continue
            if a is None or b is None:
                return f'row {row}: only one of them has {(a or b).rstrip()!r}'
            fields_a, fields_b = a.rstrip('\n').split(','), b.rstrip('\n').split(',')
            if (not len(fields_a) == len(fields_b) == len(columns)
                    or not all(map(same_field, columns, fields_a, fields_b))):
                return f'row {row}: {a.rstrip()!r} and {b.rstrip()!r}'
    return None


def disorder(columns, keys, path):
    """The first row whose key columns are below those of the row before, as text, or None."""
    def key(line):
        fields = line.rstrip('\n').replace('"', '').split(',')
        return [float(fields[k]) if columns[k] == 'float' else fields[k] for k in keys]

    with open(path, encoding='utf-8') as rows:
        next(rows, None)
        last = None
        for line in rows:
            now = key(line)
            if last is not None and now < last:
                return f'out of order: {line.rstrip()!r}'
            last = now
    return None


def compare(question, paths, folder):
    """Compare the first engine's answer with each of the others.

    paths: engine name to file, in order. Returns what differs: a list of texts, empty if all agree.
    """
    columns = question['columns']
    found = []
    if question.get('sorted_by'):
        for name, path in paths.items():
            text = disorder(columns, question['sorted_by'], path)
            found += [f'{name} {text}'] if text else []
    names = list(paths)
    if len(names) < 2:
        return found
    reference = sort_rows(paths[names[0]], folder)
    for name in names[1:]:
        other = sort_rows(paths[name], folder)
        text = difference(columns, reference, other)
        found += [f'{names[0]} against {name}, {text}'] if text else []
        os.remove(other)
    os.remove(reference)
    return found
