"""random_tables.py - random tables, queries and ways of running them, answered by mpart and by tests/cli/oracle.py.

    random_tables.py KIND FIRST_SEED CASES

KIND is query (filters, expressions, groups, distinct), sort (many keys, odd values, ties, limits; also merge --sort), formats (one
table as CSV, TSV, NDJSON, HDF5, packed or not) or split (a folder of shards, merged again). A case is a table with some queries, each
on a random number of ranks, SIMD level, cutting and memory. MPART is the program, RANKS the numbers of
ranks to choose from (0: without mpirun); KEEP is a folder for the inputs of what fails.
"""

import csv
import datetime
import gzip
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'cli'))
import oracle
from oracle import Column, Query, Table, MPART, make_cells, rng
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


class Sort(Query):
    FORMS = ['select', 'select', 'pass']
    OFFSETS = [0, 1, 7, 100, 1000, 5000]
    LIMITS = [0, 1, 3, 10, 100, 1000, 4096]

    def select(self):
        items = rng.sample(self.maker.columns, rng.randrange(1, len(self.maker.columns) + 1))
        self.args += ['--select', ', '.join(e.text for e in items)]
        self.names = [e.plain for e in items]
        keys = self.keys()
        makes = [self.output_of(e) for e in items]
        self.sort_and_cut([(i, [e.fn(i) for e, _ in keys], [m(i) for m in makes]) for i in self.kept], [d for _, d in keys], True)

    def keys(self):
        keys = [(rng.choice(self.maker.columns), rng.random() < .5) for _ in range(rng.choice([1, 1, 2, 2, 3, 5]))]
        self.args += ['--sort', ', '.join(('-' if d else '') + e.text for e, d in keys)]
        self.key_text = self.args[-1]
        return keys


def sorted_whole(self):
    """All columns in order: what merge --sort gives, too."""
    if not self.maker.columns:
        return oracle.whole_table(self)
    keys = self.keys()
    if self.format == 'ndjson':
        self.format = 'csv'
    columns = self.t.columns
    self.names = [c.name for c in columns]
    get = lambda c, i: None if c.texts[i] is None else oracle.Raw(c.local[i])
    self.merges = '--where' not in self.args
    self.sort_and_cut([(i, [e.fn(i) for e, _ in keys], [get(c, i) for c in columns]) for i in self.kept], [d for _, d in keys])


setattr(Sort, 'pass', sorted_whole)

# ---- one table in many formats ----


class Typed(Column):
    """A column whose type the reader is told."""

    def __init__(self, name, texts, kind):
        super().__init__(name, texts)
        self.kind = kind

    def type_of(self, rows):
        return self.kind if any(self.said[i] for i in rows) else 'null'


TYPE_NAMES = {'int': 'int64', 'float': 'float64', 'bool': 'bool', 'date': 'date', 'ts ': 'timestamp', 'str': 'string'}
TEXTS = ['a', 'b"c', "it's", 'x, y', 'line\nbreak', 'Zürich', '日本', '😀', 'tab\there', 'back\\slash', '/', '{"k":[1]}', 'cr\rlf', ' pad ',
         'z' * 40, '\x01', '\x1f', '\x7f', '\u2028', 'nul', '-', '{', '[', '"']


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

    def __init__(self, folder):
        self.folder, self.n = folder, rng.choice([1, 2, 7, 40, 300, 1000, 5000])
        self.nulls = rng.choice([0, 0, .1, .5])
        self.columns = [Typed('id', [str(i) for i in range(self.n)], 'int')]
        for k in range(rng.randrange(2, 8)):
            kind = rng.choice(list(TYPE_NAMES))
            name = rng.choice(['v%d', 'odd %d', 'Größe%d', 'q"%d', 'V_%d']) % k
            self.columns.append(Typed(name, typed_cells(kind, self.n, self.nulls), kind))
        self.types = ','.join('%s:%s' % (c.name, TYPE_NAMES[c.kind]) for c in self.columns)
        self.form = rng.choice(['csv', 'csv', 'tsv', 'ndjson', 'ndjson', 'h5', 'h5', 'h5py'])
        if self.form == 'h5py' and (self.nulls or not h5py):
            self.form = 'h5'
        self.thousands = self.dates = self.comma = None
        self.options = ['--types', self.types]
        self.paths = [self.write_as()]

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
        end = rng.choice(['\n', '\r\n'])
        always = rng.random() < .3
        one = lambda t: '' if t is None else self.field(t, always)
        lines = [self.delimiter.join(one(c.name) for c in self.columns)]
        lines += [self.delimiter.join(one(c.texts[i]) for c in self.columns) for i in range(self.n)]
        if rng.random() < .2 and self.n > 3:
            lines.insert(rng.randrange(2, self.n), '')
        text = end.join(lines) + rng.choice([end, ''])
        return (b'\xef\xbb\xbf' if rng.random() < .3 else b'') + text.encode()

    def json_text(self):
        shuffled, escapes = rng.random() < .5, rng.random() < .5
        lines = []
        for i in range(self.n):
            members = []
            for c in self.columns:
                t = c.texts[i]
                if t is None and i > 0 and rng.random() < .5:
                    continue
                v = 'null' if t is None else t if c.kind in ('int', 'float', 'bool') else json.dumps(t, ensure_ascii=escapes)
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
        options = ['--types', self.types, '--quote', '"']
        self.options = options
        source = packed(os.path.join(self.folder, 's.csv'), self.csv_text())
        self.options = []
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


class Mended(Query):
    """All rows that are left, so that every bad one is met."""
    FORMS, FORMATS = ['pass'], ['csv', 'csv', 'ndjson']
    OFFSETS, LIMITS = [0], [10 ** 6]


def bad_case(cases):
    table = Damaged(cases.folder)
    for k in range(3):
        rng.seed('%d %d' % (cases.seed, k))
        query = Mended(table)
        p = start(['query'] + table.paths + table.options + query.args + ['--format', query.format], Way(table.paths[0]))
        if cases.check(p, query.answer(), 3 if table.bad else 0):
            cases.check_rejects(p, os.path.join(cases.folder, 'rejects.csv'), table.bad)


class Cases:
    def __init__(self):
        self.n = self.failed = 0
        self.base = tempfile.mkdtemp()
        self.folder = None

    def begin(self, seed):
        rng.seed(seed)
        self.seed = seed
        self.folder = os.path.join(self.base, str(seed))
        os.mkdir(self.folder)

    def end(self):
        if os.environ.get('KEEP') and self.bad:
            shutil.copytree(self.folder, os.path.join(os.environ['KEEP'], os.path.basename(self.folder)), dirs_exist_ok=True)
        shutil.rmtree(self.folder)

    def check(self, p, want, code=0):
        self.n += 1
        got = p.stdout.decode('utf-8', 'replace')
        if p.returncode == code and got == want:
            return True
        self.fail(p, got, want)
        return False

    def check_rejects(self, p, path, bad):
        rows = list(csv.reader(open(path, encoding='utf-8', newline='')))[1:] if os.path.exists(path) else []
        said = [(int(r[1]), int(r[2]), r[3][:len(b[2])]) for r, b in zip(rows, bad)]
        if said != bad or len(rows) != len(bad):
            self.fail(p, '\n'.join(map(repr, said)), '\n'.join(map(repr, bad)))
        if rows:
            os.unlink(path)

    def fail(self, p, got, want):
        self.failed += 1
        self.bad = True
        oracle.differ(self.seed, p.command, p.returncode, got, want, p.stderr.decode('utf-8', 'replace'))
        sys.stdout.flush()


def ask(cases, table, query, files=None):
    args = ['query'] + (files or table.paths) + table.options + query.args + ['--format', query.format]
    return cases.check(start(args, Way(table.paths[0], not (query.passing and '--limit' in query.args))), query.answer())


def query_case(cases, kind=Odd, questions=Query, n=6):
    table = kind(cases.folder)
    if table.n < 0:
        return
    for k in range(n):
        rng.seed('%d %d' % (cases.seed, k))
        query = questions(table)
        if query.args or query.names:
            ask(cases, table, query)
            if getattr(query, 'merges', False):
                merge_sort(cases, table, query)


def merge_sort(cases, table, query):
    if '--limit' in query.args or '--offset' in query.args:
        return
    way = Way(table.paths[0])
    way.options = ['--memory', rng.choice(['8M', '12M', '64M']), '--scratch', cases.folder]
    cases.check(start(['merge'] + table.paths + table.options + ['--sort', query.key_text, '--format', query.format], way), query.answer())


class Extreme(Sortable):
    """Numbers of all sizes, for aggregates that have to be exact."""
    KINDS = ['ints', 'decimals', 'floats', 'longs', 'halves', 'big', 'odd', 'bool', 'float']
    SIZES = [1, 2, 3, 40, 300, 1000]

    def maker(self, types):
        return oracle.Maker(super().maker(types).columns)


class Aggregate(Query):
    FORMS = ['total', 'group', 'group']


def extreme_case(cases):
    query_case(cases, Extreme, Aggregate)


def sort_case(cases):
    query_case(cases, Sortable, Sort)


def format_case(cases):
    query_case(cases, Plain, Query, 4)


# ---- shards ----

SPLIT = os.path.join(os.path.dirname(oracle.__file__), 'split.py')


def whole_answer(names, columns, rows):
    out = [','.join(oracle.out_field(n, ',') for n in names)]
    for i in rows:
        out.append(','.join(oracle.out_field(None if c.texts[i] is None else oracle.Raw(c.texts[i]), ',') for c in columns))
    return '\n'.join(out) + '\n'


def split_case(cases):
    table = Plain(cases.folder)
    key = rng.choice(table.columns)
    keys = [key] + ([c for c in rng.sample(table.columns, 1) if c is not key] if rng.random() < .3 else [])
    way = rng.choice(['by', 'by', 'range', 'rows', 'each'])
    if way == 'each' and len(set(key.texts)) > 60:
        way = 'by'
    spelled = lambda c: c.name if c.name.isidentifier() else '`%s`' % c.name
    parts = str(rng.choice([1, 2, 3, 7, 20]))
    how = {'by': ['--by', ', '.join(map(spelled, keys)), '--parts', parts], 'range': ['--range', spelled(key), '--parts', parts],
           'rows': ['--rows', str(rng.choice([1, 7, 100, 1000]) if table.n < 300 else rng.choice([50, 999]))],
           'each': ['--each', spelled(key)]}[way]
    form = rng.choice(['csv', 'csv', 'csv', 'tsv', 'ndjson', 'h5'])
    how += ['--format', form]
    if form != 'h5' and rng.random() < .3:
        how += ['--compress', rng.choice(['gzip', 'zstd'])]
    shards = os.path.join(cases.folder, 'shards')
    run = Way(table.paths[0])
    run.options += ['--scratch', cases.folder]
    p = start(['split'] + table.paths + table.options + how + ['-o', shards], run)
    if not cases.check(p, ''):
        return
    names = [c.name for c in table.columns]
    want = whole_answer(names, table.columns, range(table.n))
    types = [] if form == 'h5' else ['--types', ','.join('%s:%s' % (c.name, TYPE_NAMES[c.kind]) for c in table.columns)]
    if way == 'rows':
        cases.check(start(['merge', shards, '--format', 'csv'], Way(shards)), want)
    cases.check(start(['merge', shards, '--sort', 'id', '--format', 'csv', '--scratch', cases.folder], Way(shards)), want)
    cases.check(start(['query', shards, '--sort', 'id'] + types, Way(shards)), want)
    if '--compress' not in how and form in ('csv', 'tsv', 'ndjson'):
        with open(os.path.join(cases.folder, 'plain.csv'), 'w', encoding='utf-8', newline='') as f:
            f.write(want)
        q = subprocess.run([sys.executable, SPLIT, 'check', f.name, shards], capture_output=True)
        q.command = p.command
        cases.check(q, '')


CASES = {'query': query_case, 'sort': sort_case, 'formats': format_case, 'bad': bad_case, 'extreme': extreme_case, 'split': split_case}


def main():
    kind, first, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    cases = Cases()
    for seed in range(first, first + n):
        cases.begin(seed)
        cases.bad = False
        try:
            CASES[kind](cases)
        except Failure as e:
            cases.n += 1
            cases.fail(e.args[0], '', e.args[1])
        except subprocess.TimeoutExpired as e:
            cases.failed += 1
            cases.bad = True
            print('HANGS: seed %d: %s' % (seed, e))
        cases.end()
    shutil.rmtree(cases.base)
    print('%s: %d of %d answers agree' % (kind, cases.n - cases.failed, cases.n))
    return 1 if cases.failed or cases.n == 0 else 0


if __name__ == '__main__':
    sys.exit(main())
