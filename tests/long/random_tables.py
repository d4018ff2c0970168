"""random_tables.py - random tables, queries and ways of running them, answered by mpart and by tests/cli/oracle.py.

    random_tables.py KIND FIRST_SEED CASES

KIND is query (filters, expressions, groups, distinct), sort (many keys, odd values, ties, limits; also merge --sort), formats (one
table as CSV, TSV, NDJSON, HDF5, packed or not), split (a folder of shards, merged again), bad (rows skipped or mended) or extreme
(aggregates of the largest and smallest numbers). A case is a table with some queries, each on a random number of ranks, SIMD level,
cutting and memory. MPART is the program, RANKS the numbers of ranks to choose from (0: without mpirun); KEEP is a folder for the
inputs of what fails.
"""

import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile

from random_inputs import Damaged, Extreme, Failure, Odd, Plain, Sortable, Way, TYPE_NAMES, start
import oracle
from oracle import Query, rng

# ---- sorts ----


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

# ---- cases ----


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


def overflows(p, want):
    """Rightly an error: an integer of the answer, or of groups and rows that are cut off it, is beyond int64."""
    hidden = any(o in p.command for o in ('--having', '--offset', '--limit'))
    beyond = any(abs(int(t)) >= 2 ** 63 for t in re.findall(r'(?<![\w.+-])-?\d{19,}(?![\w.])', want))
    return re.search(rb'outside int64|overflow', p.stderr) and (hidden or beyond)


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
        if p.returncode == 65 and not got and overflows(p, want):
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


class Told(Plain):
    may_guess = False


def split_case(cases):
    table = Told(cases.folder)
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
