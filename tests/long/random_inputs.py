"""random_inputs.py - the tables of random_tables.py, in every format and packing, and the ways of running mpart on them."""

import datetime
import gzip
import json
import math
import os
import struct
import subprocess
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'cli'))
import oracle
from oracle import Column, Table, MPART, make_cells, rng
from wide_exprs import Wide

try:
    import h5py
    import numpy as np
except ImportError:
    h5py = None

RANKS = list(map(int, os.environ.get('RANKS', '0 0 0 0 0 0 0 0 0 1 2 2 3 5 8').split()))

# ---- cells ----

PREFIXES = ['', 'a', 'aaaaaaa', 'a' * 8, 'a' * 9, 'ab', 'prefix-of-some-len', 'Zürich', 'z' * 70]
TAILS = ['', 'a', 'b', '\x01', '\x7f', 'é', '\uffff', '😀', ' ', '"', ',', '\t', '\\', '0', '10', '9']
INTS = [0, 1, -1, 7, 127, 128, 255, 256, -128, 2 ** 31, -2 ** 31, 2 ** 53 + 1, 2 ** 53, -2 ** 53 - 1, 2 ** 63 - 1, -2 ** 63 + 1]
DECIMALS = ['0.1', '.1', '0.10', '1e-1', '-0.1', '-0.100', '2', '2.', '2.0', '2e0', '-0', '-0.0', '0', '12345678.9', '0.000001',
            '-12345678.90', '1.5', '1.50', '15e-1', '3.141592', '99999999']
FLOATS = ['nan', 'inf', '-inf', '0.0', '-0.0', '5e-324', '-5e-324', '1.7976931348623157e308', '1', '-1.5', '0.1', '2.2250738585072014e-308',
          '3.1415926535897931159', '1e22', '123456789012345678901']


def odd_cells(kind, n):
    """Cells that are hard to order."""
    few = rng.random() < .5
    made = []
    for _ in range(n):
        if kind == 'prefixes':
            t = rng.choice(PREFIXES) + rng.choice(TAILS) + rng.choice(['', '', rng.choice(TAILS)])
        elif kind == 'ints':
            t = str(rng.choice(INTS) if few or rng.random() < .3 else rng.randrange(-2 ** 63, 2 ** 63) >> rng.randrange(63))
        elif kind == 'decimals':
            t = rng.choice(DECIMALS) if few else '%.*f' % (rng.randrange(7), rng.uniform(-1e4, 1e4))
        elif kind == 'floats':
            t = rng.choice(FLOATS) if few else repr(rng.gauss(0, 10.0 ** rng.randrange(-300, 300)))
        elif kind == 'longs':
            t = str(rng.randrange(-10 ** 18 + 1, 10 ** 18) // 10 ** rng.choice([0, 0, 9]))
            t = t[:-6] + '.' + t[-6:] if few and len(t) > 9 else t
        elif kind == 'halves':
            t = repr(rng.randrange(-2 ** 40, 2 ** 40) / 2.0 ** rng.randrange(60))
        elif kind == 'words':
            t = rng.choice('xyz')
        else:
            return make_cells(kind, n)
        made.append(t)
    empty = rng.choice([0, .1, .1, .5, .95])
    return [None if rng.random() < empty else t for t in made]


def surprise(a, b, k):
    """Cells whose form changes behind row k."""
    return a[:k] + b[k:]


class Odd(Table):
    """A table of the oracle's with more rows, hard values and forms that change late."""
    KINDS = oracle.KINDS + ['prefixes', 'decimals', 'words']
    SIZES = [1, 3, 40, 300, 300, 1000, 3000]

    def __init__(self, folder):
        self.n, self.folder = rng.choice(self.SIZES), folder
        self.columns = [Column('id', [str(i) for i in range(self.n)])]
        self.columns.append(Column('g', [rng.choice(['a', 'b', 'c"', None, '']) for _ in range(self.n)]))
        for k in range(rng.randrange(3, 9)):
            cells = self.cells(rng.choice(self.KINDS))
            if rng.random() < .25:
                cells = surprise(cells, self.cells(rng.choice(self.KINDS)), rng.choice([1, self.n // 2, self.n * 9 // 10, self.n - 1]))
            self.columns.append(Column('v%d' % k, cells))
        for k, kind in enumerate(('int', 'dec', 'str')):
            self.columns.append(Column('sidx'[k] + str(k), make_cells(kind, self.n)))
        self.write()
        if rng.random() < .2:
            self.paths = [packed(p, read(p)) for p in self.paths]

    def cells(self, kind):
        return odd_cells(kind, self.n)

    def maker(self, types):
        return Wide(super().maker(types).columns)


class Sortable(Odd):
    KINDS = ['prefixes', 'prefixes', 'ints', 'decimals', 'floats', 'words', 'bool', 'date', 'ts ', 'tsT', 'spread', 'code', 'mixed', 'odd',
             'int']
    SIZES = [1, 3, 40, 300, 1000, 3000, 12000]

    def wild(self, e):
        return False


class Extreme(Sortable):
    """Numbers of all sizes, for aggregates that have to be exact."""
    KINDS = ['ints', 'decimals', 'floats', 'longs', 'halves', 'big', 'odd', 'bool', 'float']
    SIZES = [1, 2, 3, 40, 300, 1000]

    def maker(self, types):
        return oracle.Maker(super().maker(types).columns)

    def wild(self, e):
        """Squares have to be floats."""
        return e.kind == 'float' and any(x is not None and math.isfinite(x) and abs(x) > 1e150 for x in map(e.fn, self.seen[e.plain]))


# ---- one table in many formats ----


class Typed(Column):
    """A column whose type the reader is told."""

    def __init__(self, name, texts, kind):
        super().__init__(name, texts)
        self.kind = kind

    def type_of(self, rows):
        return self.kind if any(self.said[i] for i in rows) else 'null'


SWAP = str.maketrans({'"': "'", "'": '"'})
TYPE_NAMES = {'int': 'int64', 'float': 'float64', 'bool': 'bool', 'date': 'date', 'ts ': 'timestamp', 'str': 'string'}
TEXTS = ['a', 'b"c', "it's", 'x, y', 'line\nbreak', 'Zürich', '日本', '😀', 'tab\there', 'back\\slash', '/', '{"k":[1]}', 'cr\rlf', ' pad ',
         'z' * 40, '\x01', '\x1f', '\x7f', '\u2028', 'nul', '-', '{', '[', '"', 'L' * 5000, '日' * 700]


def typed_cells(kind, n, nulls):
    made = []
    for _ in range(n):
        if kind == 'int':
            t = str(rng.choice([rng.randrange(-50, 50), rng.randrange(5), rng.randrange(-10 ** 9, 10 ** 9)]))
        elif kind == 'float':
            t = repr(rng.choice([rng.uniform(-10, 10), rng.gauss(0, 1e3), rng.random() / 3, float(rng.randrange(9))]))
        elif kind == 'bool':
            t = rng.choice(['true', 'false'])
        elif kind == 'date':
            t = str(datetime.date(2024, 1, 1) + datetime.timedelta(rng.randrange(-20000, 60)))
        elif kind == 'ts ':
            t = '2024-01-%02d %02d:00:%02d' % (rng.randrange(1, 29), rng.randrange(24), rng.randrange(60)) + rng.choice(['', '.5', '.000125'])
        else:
            t = rng.choice(TEXTS) if rng.random() < .9 else ''
        made.append(None if rng.random() < nulls else t)
    return made


class Plain(Table):
    """A table that every format can hold, in one file."""
    may_guess = True

    def __init__(self, folder):
        self.folder, self.n = folder, rng.choice([1, 2, 7, 40, 300, 1000, 5000])
        self.nulls = rng.choice([0, 0, .1, .5])
        self.columns = [Typed('id', [str(i) for i in range(self.n)], 'int')]
        n_columns = 300 if self.n < 50 and rng.random() < .1 else rng.randrange(2, 8)
        for k in range(n_columns):
            kind = rng.choice(list(TYPE_NAMES))
            name = rng.choice(['v%d', 'odd %d', 'Größe%d', 'q"%d', 'V_%d']) % k
            self.columns.append(Typed(name, typed_cells(kind, self.n, self.nulls), kind))
        self.types = ','.join('%s:%s' % (c.name, TYPE_NAMES[c.kind]) for c in self.columns)
        self.form = rng.choice(['csv', 'csv', 'tsv', 'ndjson', 'ndjson', 'h5', 'h5', 'h5py'])
        if self.form == 'h5py' and (self.nulls or not h5py):
            self.form = 'h5'
        self.thousands = self.dates = self.comma = None
        self.options = ['--types', self.types]
        if self.form not in ('h5', 'h5py') and self.may_guess and rng.random() < .5:
            self.columns = [Column(c.name, c.texts) for c in self.columns]
            self.options = []
        self.paths = [self.write_as()]

    def maker(self, types):
        return Wide(super().maker(types).columns)

    def write_as(self):
        if self.form in ('h5', 'h5py'):
            self.options = []
            return self.h5py_file() if self.form == 'h5py' else self.h5_file()
        data = self.json_text() if self.form == 'ndjson' else self.csv_text()
        return packed(os.path.join(self.folder, 't.' + self.form), data)

    def csv_text(self):
        self.delimiter, self.null = '\t' if self.form == 'tsv' else rng.choice([',', ';', '|']), ''
        if self.delimiter in ';|':
            self.options += ['--delimiter', self.delimiter]
        end, always, self.mark = rng.choice(['\n', '\r\n']), rng.random() < .3, rng.choice(['"', '"', "'"])
        texts = [t for c in self.columns for t in [c.name] + c.texts if t is not None]
        if rng.random() < .3 and not any(t == '' or t[0] == '\ufeff' or any(x in t for x in self.delimiter + '\r\n') for t in texts):
            self.mark = None
        if self.mark != '"':
            self.options += ['--quote', self.mark or 'none']
        one = lambda t: '' if t is None else t if not self.mark else self.field(t, always)
        lines = [self.delimiter.join(one(c.name) for c in self.columns)]
        lines += [self.delimiter.join(one(c.texts[i]) for c in self.columns) for i in range(self.n)]
        if rng.random() < .2 and self.n > 3:
            lines.insert(rng.randrange(2, self.n), '')
        text = end.join(lines) + rng.choice([end, ''])
        return (b'\xef\xbb\xbf' if rng.random() < .3 else b'') + text.encode()

    def field(self, t, always=False):
        quoted = super().field(t.translate(SWAP), always) if self.mark == "'" else super().field(t, always)
        return quoted.translate(SWAP) if self.mark == "'" else quoted

    def json_text(self):
        shuffled, escapes = rng.random() < .5, rng.random() < .5
        lines = []
        for i in range(self.n):
            members = []
            for c in self.columns:
                t = c.texts[i]
                if t is None and i > 0 and rng.random() < .5:
                    continue
                v = 'null' if t is None else t if c.said[i][0] in ('int', 'dec', 'float', 'bool') else json.dumps(t, ensure_ascii=escapes)
                gap = ' ' if rng.random() < .2 else ''
                members.append(json.dumps(c.name, ensure_ascii=escapes) + gap + ':' + gap + v)
            if shuffled and i > 0:
                rng.shuffle(members)
            lines.append('{' + rng.choice([',', ', ']).join(members) + '}')
        end = rng.choice(['\n', '\n', '\r\n', '\n\n'])
        return (end.join(lines) + rng.choice([end, ''])).encode()

    def h5_file(self):
        """Written by mpart, from CSV."""
        self.form, path = 'csv', os.path.join(self.folder, 't.h5')
        self.options = ['--types', self.types]
        source = packed(os.path.join(self.folder, 's.csv'), self.csv_text())
        options, self.options = self.options, []
        options += rng.choice([[], ['--h5-layout', 'columns'], ['--h5-compress', 'none'], ['--h5-compress', 'lzf'], ['--h5-path', '/a/b']])
        p = start(['query', source] + options + ['-o', path], Way(source))
        if p.returncode:
            raise Failure(p, 'the table as HDF5')
        return path

    def h5py_file(self):
        path = os.path.join(self.folder, 'p.h5')
        kinds = {'int': 'i8', 'float': 'f8', 'bool': '?'}
        text = lambda c: [t.encode() for t in c.texts]
        columns = [c for c in self.columns if c.kind in ('int', 'float', 'bool', 'str')]
        self.columns = columns
        values = {c.name: [c.values(c.kind)(i) for i in range(self.n)] for c in columns}
        way = rng.choice([{}, {'compression': 'gzip', 'chunks': (rng.choice([1, 7, 100]),)}, {'compression': 'lzf', 'shuffle': True}])
        if way.get('chunks', (0,))[0] > self.n:
            way = {}
        with h5py.File(path, 'w', track_order=True) as f:
            if rng.random() < .5:
                kind = [(c.name, kinds.get(c.kind) or 'S%d' % max(map(len, text(c) + [b'a']))) for c in columns]
                rows = [tuple(c.texts[i].encode() if c.kind == 'str' else values[c.name][i] for c in columns) for i in range(self.n)]
                f.create_dataset('t', data=np.array(rows, dtype=kind), **way)
            else:
                for c in columns:
                    if c.kind == 'str':
                        f.create_dataset(c.name, data=c.texts, dtype=h5py.string_dtype(), **way)
                    else:
                        f.create_dataset(c.name, data=np.array(values[c.name], dtype=kinds[c.kind]), **way)
        return path


class Damaged(Plain):
    """A CSV table some of whose rows are bad, and what is left of it when they are skipped or mended."""

    may_guess, mark = False, '"'

    def __init__(self, folder):
        self.bad = []
        super().__init__(folder)
        self.options += ['--on-bad-row', self.mode, '--rejects', os.path.join(folder, 'rejects.csv')]

    def write_as(self):
        self.form, self.mode = rng.choice(['csv', 'csv', 'tsv']), rng.choice(['skip', 'null'])
        head, *lines = self.records()
        often, left = rng.choice([0, .01, .1, .5]), []
        text, end = head, rng.choice([b'\n', b'\r\n'])
        for i, fields in enumerate(lines):
            values = [c.texts[i] for c in self.columns]
            reason = rng.random() < often and self.damage(fields, values)
            if reason:
                self.bad.append((i + 1, len(text) + len(end), reason))
            text += end + self.delimiter.join(fields).encode()
            if not reason or self.mode == 'null':
                left.append(values)
        self.columns = [Typed(c.name, [v[k] for v in left], c.kind) for k, c in enumerate(self.columns)]
        self.n = len(left)
        return packed(os.path.join(self.folder, 't.' + self.form), text + rng.choice([end, b'']))

    def records(self):
        self.delimiter, self.null = '\t' if self.form == 'tsv' else ',', ''
        one = lambda t: '' if t is None else self.field(t)
        head = self.delimiter.join(one(c.name) for c in self.columns)
        return [head.encode()] + [[one(c.texts[i]) for c in self.columns] for i in range(self.n)]

    def damage(self, fields, values):
        n, k = len(fields), rng.randrange(1, len(fields))
        way = rng.choice(['short', 'long', 'behind', 'misfit'])
        if way == 'short':
            del fields[k:]
            values[k:] = [None] * (n - k)
            return '%d field%s instead of %d' % (k, 's' if k > 1 else '', n)
        if way == 'long':
            fields += ['x', '"y"', ''][:rng.randrange(1, 4)]
            return '%d fields instead of %d' % (len(fields), n)
        values[k] = None
        if way == 'misfit' and self.columns[k].kind != 'str':
            fields[k] = 'zz'
            return "column '%s': 'zz' is not" % self.columns[k].name
        fields[k] = '"a"b'
        return 'text behind a closing quote'


def bgzf(data):
    out, size = b'', rng.choice([100, 5000, 65280])
    for at in list(range(0, len(data), size)) + [len(data)]:
        c = zlib.compressobj(6, zlib.DEFLATED, -15)
        body = c.compress(data[at:at + size]) + c.flush()
        out += struct.pack('<4BI2BH2BHH', 31, 139, 8, 4, 0, 0, 255, 6, 66, 67, 2, len(body) + 25) + body
        out += struct.pack('<II', zlib.crc32(data[at:at + size]), len(data[at:at + size]))
    return out


def cut(data, n):
    at = sorted(rng.randrange(len(data) + 1) for _ in range(n - 1))
    return [data[a:b] for a, b in zip([0] + at, at + [len(data)])]


def zstd(data):
    return subprocess.run(['zstd', '-q', '-c'] + rng.choice([[], ['--no-check']]), input=data, capture_output=True, check=True).stdout


def read(path):
    with open(path, 'rb') as f:
        return f.read()


def packed(path, data):
    """Writes data there, packed in one of the ways; returns the name."""
    way = rng.choice(['', '', 'gz', 'members', 'bgzf', 'zst', 'frames'])
    if way in ('gz', 'members'):
        data = b''.join(gzip.compress(d) for d in cut(data, 1 if way == 'gz' else 4))
    elif way == 'bgzf':
        data = bgzf(data)
    elif way:
        data = b''.join(zstd(d) for d in cut(data, 1 if way == 'zst' else 4))
    if way:
        path += '.zst' if way in ('zst', 'frames') else '.gz'
    with open(path, 'wb') as f:
        f.write(data)
    return path


# ---- ways of running ----


class Failure(Exception):
    pass


class Way:
    """Ranks, SIMD level, cuts and memory of one run."""

    def __init__(self, path, cuts=True):
        self.ranks = rng.choice(RANKS)
        self.env, self.options = {}, []
        if rng.random() < .6:
            self.env['MPART_SIMD'] = rng.choice(['c', 'avx2', 'avx512'])
        size = os.path.getsize(path) if os.path.isfile(path) else 1000
        if cuts and size > 1 and rng.random() < .8:
            n = rng.choice([1, 3, 12, 40])
            self.env['MPART_TEST_SPLITS'] = ','.join(map(str, sorted({rng.randrange(1, size) for _ in range(n)})))
        if rng.random() < .2:
            self.env['MPART_GUESS'] = 'wrong'
        if rng.random() < .15:
            self.options += ['--memory', rng.choice(['64M', '200M'])]
        if rng.random() < .15:
            self.options += ['--scatter', 'data']


def start(args, way):
    command = (['mpirun', '-np', str(way.ranks)] if way.ranks else []) + [MPART] + args + way.options
    p = subprocess.run(command, capture_output=True, env=dict(os.environ, **way.env), timeout=120, stdin=subprocess.DEVNULL)
    p.command = ['%s=%s' % e for e in way.env.items()] + command
    return p
