"""The files behind `--shapes`: data of other forms than the db-benchmark's, the same bytes every
time.

A file is one block of random rows written again and again, its pieces in a new random order each
time, so that making it costs little more than writing it.
"""
import hashlib
import itertools
import os
import random

PIECE_ROWS = 100
WORDS = 'amber birch cedar delta ember fjord grove heath inlet jetty knoll ledge marsh'.split()
WIDE_COLUMNS = 200


def text_rows(rng, n_rows):
    """Rows of id1, id2, id3, note, v1, v3; one note in a hundred has {gap} between its words."""
    for _ in range(min(n_rows, 200_000)):
        note = ' '.join(rng.choices(WORDS, k=rng.randint(2, 5)))
        if rng.randrange(100) == 0:
            note = note.replace(' ', '{gap}', 1)
        yield [f'id{rng.randint(1, 100):03d}', f'id{rng.randint(1, 100):03d}',
               f'id{rng.randint(1, 100_000):010d}', note,
               str(rng.randint(1, 5)), f'{100 * rng.random():.6f}']


def plain(rng, n_rows):
    rows = [','.join(row).replace('{gap}', ' ') + '\n' for row in text_rows(rng, n_rows)]
    return 'id1,id2,id3,note,v1,v3\n', rows


def quoted(rng, n_rows):
    rows = [','.join([f'"{field}"' for field in row[:4]] + row[4:]).replace('{gap}', '\n') + '\n'
            for row in text_rows(rng, n_rows)]
    return '"id1","id2","id3","note","v1","v3"\n', rows


def ndjson(rng, n_rows):
    names = 'id1', 'id2', 'id3', 'note'
    rows = ['{' + ', '.join(f'"{name}": "{field}"' for name, field in zip(names, row))
            + f', "v1": {row[4]}, "v3": {row[5]}}}\n' for row in text_rows(rng, n_rows)]
    return '', [row.replace('{gap}', ' ') for row in rows]


def wide(rng, n_rows):
    """Columns by turns: integers, decimals, short text, digits."""
    def row():
        for _ in range(WIDE_COLUMNS // 4):
            yield str(rng.randrange(100_000))
            yield f'{1000 * rng.random():.2f}'
            yield f'id{rng.randrange(1000):03d}'
            yield str(rng.randrange(10))

    rows = [','.join(row()) + '\n' for _ in range(min(n_rows, 5_000))]
    return ','.join(f'c{i:03d}' for i in range(1, WIDE_COLUMNS + 1)) + '\n', rows


def short(rng, n_rows):
    rows = [f'{rng.randrange(10)},{rng.randrange(10)}\n' for _ in range(min(n_rows, 100_000))]
    return 'a,b\n', rows


def n_keys(n_rows):
    return min(1_000_000, max(1, n_rows // 10))


def keys40(rng, n_rows):
    rows = [f"{hashlib.sha1(b'%d' % k).hexdigest()},{rng.randrange(100)}\n"
            for k in range(n_keys(n_rows))]
    return 'key,v\n', rows


def zipf(rng, n_rows):
    """The k-th most frequent of the keys comes with a probability proportional to 1/k."""
    n = n_keys(n_rows)
    weights = list(itertools.accumulate(1 / k for k in range(1, n + 1)))
    names = list(range(n))
    rng.shuffle(names)
    drawn = rng.choices(names, cum_weights=weights, k=min(n_rows, 1_000_000))
    return 'id,v1,v2\n', [f'id{k:010d},{rng.randint(1, 5)},{rng.randint(1, 15)}\n' for k in drawn]


MAKERS = {f.__name__: f for f in (plain, quoted, ndjson, wide, short, keys40, zipf)}


def write(path, maker, n_rows):
    # plain, quoted and ndjson start from the same seed: the same rows, with and without quotes.
    rng = random.Random(2026)
    header, block = maker(rng, n_rows)
    starts = list(range(0, len(block), PIECE_ROWS))
    left = n_rows
    with open(path + '.new', 'w', encoding='ascii', newline='') as f:
        f.write(header)
        while left > 0:
            rng.shuffle(starts)
            for start in starts:
                piece = block[start:start + min(PIECE_ROWS, left)]
                f.write(''.join(piece))
                left -= len(piece)
    os.replace(path + '.new', path)


def data_file(question, options):
    """(path, rows) of the question's file; made where it is not there yet."""
    n_rows = max(1, int(options.rows * question['rows_factor']))
    ending = 'ndjson' if question['name'] == 'ndjson' else 'csv'
    path = os.path.join(options.folder, f"shape-{question['name']}-{n_rows}.{ending}")
    if not os.path.exists(path):
        print(f'bench: writing {os.path.basename(path)}', flush=True)
        write(path, MAKERS[question['name']], n_rows)
    return path, n_rows
