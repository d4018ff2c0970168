"""nasty.py - makes the nasty file of same_bytes.sh and works out its answers without mpart.

    nasty.py make FILE ROWS          write the file
    nasty.py args QUERY              the query's options, one a line
    nasty.py QUERY FILE ANSWER       compare ANSWER with what Python finds; exit 1 and a word where they differ
"""

import csv
import datetime
import math
import random
import sys
from fractions import Fraction

TEXTS = ['plain', '', None, 'a "quoted" word', 'two\nlines', 'carriage\r\nreturn', '5" pipe', 'komma, inside',
         'Zürich', '日本語', 'emoji 🙂', '"', '""', "'", ' blanks ', '\n', 'end of line\n', 'x' * 300]
CITIES = ['Zürich', 'St. Gallen', 'a,b', 'new\nline', 'Genève', None, 'Genève"']
CODES = ['007', '7', '08', '1e5', 'x', '0', '-0', '+1', None]
FLOATS = ['0.1', '1e300', '-1e300', '3.141592653589793', '2.2250738585072014e-308', '123456789012345678901.25',
          '0.30000000000000004', '1e-300', '5', '-7', '1.50', '1.5', None, '1e16', '-1e16', '1', '.5', '2.']

QUERIES = {
    'pass': ['--select', '*'],
    'filter': ['--where', "f > 0 and (ok or text ~ '[\"\\n]') and d >= '2024-01-03'",
               '--select', 'id, text, f, code, f*2 as twice, id/7 as seventh'],
    'group': ['--by', 'city, ok',
              '--agg', 'count() as n, sum(f) as s, mean(f) as m, var(dec) as v, median(f), min(text), max(d), sum(dec), '
              'first(id), last(id), count_distinct(code), top(f,2)'],
    'sort': ['--sort', '-ok, f, text', '--select', 'id, ok, f, text, code'],
    'distinct': ['--distinct', '--select', 'city, code, d'],
    'limit': ['--where', 'id % 3 == 1', '--offset', '17', '--limit', '400'],
    'top': ['--sort', '-dec, id', '--limit', '30', '--offset', '3'],
    'codes': ['--by', 'code', '--agg', 'count() as n, sum(id) as s, std(dec) as sd', '--having', 'n > 0'],
}


def field(value, rng):
    if value is None:
        return ''
    if value == '' or any(c in value for c in '",\n\r') or rng.random() < 0.1:
        # A quote inside an unquoted field is a quote.
        if value == '5" pipe' and rng.random() < 0.5:
            return value
        return '"' + value.replace('"', '""') + '"'
    return value


def make(path, n_rows):
    rng = random.Random(7)
    with open(path, 'wb') as f:
        f.write('\ufeffid,text,f,d,ok,code,"odd name",city,dec\r\n'.encode())
        for i in range(n_rows):
            row = [str(i), rng.choice(TEXTS), rng.choice(FLOATS),
                   None if rng.random() < .05 else str(datetime.date(2023, 12, 25) + datetime.timedelta(rng.randrange(20))),
                   rng.choice(['true', 'false', 'True', 'FALSE', None]), rng.choice(CODES),
                   rng.choice(['o1', 'o"2', None]), rng.choice(CITIES),
                   None if rng.random() < .1 else '%d.%02d' % (rng.randrange(100), rng.randrange(100))]
            end = rng.choice(['\n', '\r\n']) if i < n_rows - 1 else ''
            f.write((','.join(field(v, rng) for v in row) + end).encode())


# ---- the file, read by hand: csv does not tell "" from nothing ----

def records(text):
    row, value, i, n, quoted, any_field = [], [], 0, len(text), False, False
    while i < n:
        c = text[i]
        if not value and not quoted and c == '"':
            quoted = True
            i += 1
            while True:
                j = text.index('"', i)
                value.append(text[i:j])
                i = j + 1
                if i < n and text[i] == '"':
                    value.append('"')
                    i += 1
                else:
                    break
        elif c == ',' or c == '\n' or text.startswith('\r\n', i):
            row.append(''.join(value) if quoted or value else None)
            value, quoted = [], False
            if c != ',':
                yield row
                row = []
            i += 2 if c == '\r' else 1
        else:
            value.append(c)
            i += 1
    if row or value or quoted:
        row.append(''.join(value) if quoted or value else None)
        yield row


def load(path):
    rows = list(records(open(path, encoding='utf-8-sig', newline='').read()))
    return rows[0], rows[1:]


def write(header, rows):
    def text(v):
        if v is None:
            return ''
        if isinstance(v, bool):
            return 'true' if v else 'false'
        if isinstance(v, float):
            return number(v)
        v = str(v)
        return '"' + v.replace('"', '""') + '"' if v == '' or any(c in v for c in '",\r\n') else v
    return ''.join(','.join(text(v) for v in row) + '\n' for row in [header] + rows)


def number(x):
    """The shortest text, as mpart writes it: always a fraction or an exponent."""
    if math.isnan(x):
        return 'nan'
    if math.isinf(x):
        return 'inf' if x > 0 else '-inf'
    return repr(x)


class Row:
    def __init__(self, v):
        self.raw = v
        self.id = int(v[0])
        self.text, self.code, self.odd, self.city = v[1], v[5], v[6], v[7]
        self.f = None if v[2] is None else float(v[2])
        self.d = v[3]
        self.ok = None if v[4] is None else v[4].lower() == 'true'
        self.dec = None if v[8] is None else Fraction(v[8])


def nearest(x):
    """A fraction as the nearest double."""
    return None if x is None else x.numerator / x.denominator if abs(x) < Fraction(2) ** 1020 else float(x)


def root(x):
    return None if x is None else math.sqrt(nearest(x))


def var(v):
    if len(v) < 2:
        return None
    v = [Fraction(x) for x in v]
    m = sum(v) / len(v)
    return sum((x - m) ** 2 for x in v) / (len(v) - 1)


def values(rows, name):
    return [x for x in (getattr(r, name) for r in rows) if x is not None]


def groups(rows, key):
    found = {}
    for r in rows:
        found.setdefault(key(r), []).append(r)
    return [(k, found[k]) for k in sorted(found, key=lambda k: tuple(null_last(v) for v in k))]


def null_last(v):
    return (v is None, b'' if v is None else v.encode() if isinstance(v, str) else v)


def dec_text(x):
    """An exact decimal of two digits as text."""
    if x is None:
        return None
    s = '%d.%02d' % (x.numerator * 100 // x.denominator // 100, int(x * 100) % 100)
    return s[:-1] if s.endswith('0') else s


def answer(query, header, raw):
    rows = [Row(v) for v in raw]
    by_id = {r.id: r for r in rows}
    if query == 'pass':
        return write(header, raw)
    if query == 'filter':
        kept = [r for r in rows if r.f is not None and r.f > 0 and (r.ok or (r.text and ('"' in r.text or '\n' in r.text)))
                and r.d is not None and r.d >= '2024-01-03']
        return write(['id', 'text', 'f', 'code', 'twice', 'seventh'],
                     [[r.raw[0], r.text, r.raw[2], r.code, r.f * 2, r.id / 7] for r in kept])
    if query == 'sort':
        key = lambda r: ((r.ok is None, not r.ok), null_last(r.f), null_last(r.text), r.id)
        return write(['id', 'ok', 'f', 'text', 'code'],
                     [[r.raw[0], r.raw[4], r.raw[2], r.text, r.code] for r in sorted(rows, key=key)])
    if query == 'distinct':
        key = sorted({(r.city, r.code, r.d) for r in rows}, key=lambda k: tuple(null_last(v) for v in k))
        return write(['city', 'code', 'd'], [list(k) for k in key])
    if query == 'limit':
        return write(header, [r.raw for r in rows if r.id % 3 == 1][17:417])
    if query == 'top':
        key = lambda r: (r.dec is None, -(r.dec or 0), r.id)
        return write(header, [r.raw for r in sorted(rows, key=key)[3:33]])
    if query == 'codes':
        return write(['code', 'n', 's', 'sd'],
                     [[k[0], len(g), sum(r.id for r in g), root(var(values(g, 'dec')))]
                      for k, g in groups(rows, lambda r: (r.code,))])
    if query == 'group':
        result = []
        for (city, ok), g in groups(rows, lambda r: (r.city, r.ok)):
            f = values(g, 'f')
            top = sorted(f, reverse=True) + [None, None]
            result.append([city, ok, len(g), math.fsum(f) if f else None,
                           nearest(sum(map(Fraction, f)) / len(f)) if f else None, nearest(var(values(g, 'dec'))), median(f),
                           min(values(g, 'text'), key=str.encode, default=None), max(values(g, 'd'), default=None),
                           dec_text(sum(values(g, 'dec'), Fraction(0)) if values(g, 'dec') else None),
                           g[0].id, g[-1].id, len(set(values(g, 'code'))), top[0], top[1]])
        return write(['city', 'ok', 'n', 's', 'm', 'v', 'median_f', 'min_text', 'max_d', 'sum_dec', 'first_id', 'last_id',
                      'count_distinct_code', 'top_f_1', 'top_f_2'], result)
    raise SystemExit('no such query: ' + query)


def median(f):
    if not f:
        return None
    f, n = sorted(f), len(f)
    return f[n // 2] if n % 2 else (f[n // 2 - 1] + f[n // 2]) / 2


def main():
    if sys.argv[1] == 'make':
        make(sys.argv[2], int(sys.argv[3]))
        return 0
    if sys.argv[1] == 'args':
        print('\n'.join(QUERIES[sys.argv[2]]))
        return 0
    query, path, answer_path = sys.argv[1:]
    got = open(answer_path, encoding='utf-8', newline='').read()
    want = answer(query, *load(path))
    if want == got:
        return 0
    g, w = list(csv.reader(got.splitlines(True))), list(csv.reader(want.splitlines(True)))
    print('%s: %d rows, not %d' % (query, len(g), len(w)))
    for a, b in zip(g, w):
        if a != b:
            print('got  %s\nwant %s' % (a, b))
            break
    return 1


if __name__ == '__main__':
    sys.exit(main())
