"""oracle.py - random tables and random queries, answered by mpart and by this program, which shares nothing with it: fractions, exact
sums, three-valued logic and sorting are Python's own. The two answers have to be the same text.

    oracle.py FIRST_SEED TABLES QUERIES RANKS_EVERY

MPART is the program; every RANKS_EVERY-th query runs on 3 ranks with boundaries in bad places, the others alone. Exit 1 where an answer
differs; the seed and the command are printed.
"""

import datetime
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from fractions import Fraction

MPART = os.environ.get('MPART', './mpart')
NUMBERS = ('int', 'dec', 'float')
rng = random.Random()

# ---- values ----


def to_float(x):
    if x is None or isinstance(x, float):
        return x
    x = Fraction(x)
    try:
        return x.numerator / x.denominator
    except OverflowError:
        return math.inf if x > 0 else -math.inf


def dec_text(x):
    sign, x, scale = '-' if x < 0 else '', abs(x), 0
    while x.denominator != 1:
        x, scale = x * 10, scale + 1
    digits = str(x.numerator).rjust(scale + 1, '0')
    return sign + (digits[:-scale] + '.' + digits[-scale:] if scale else digits + '.0')


def float_text(x):
    if x != x:
        return 'nan'
    return repr(x + 0.0) if x else '0.0'


def text_of(x):
    """A value as mpart prints it."""
    if isinstance(x, bool):
        return 'true' if x else 'false'
    if isinstance(x, float):
        return float_text(x)
    if isinstance(x, Fraction):
        return dec_text(x)
    if isinstance(x, Stamp):
        s = x.at.strftime('%Y-%m-%d').rjust(10, '0') + x.sep + x.at.strftime('%H:%M:%S')
        return s + (('.%06d' % x.at.microsecond).rstrip('0') if x.at.microsecond else '')
    if isinstance(x, datetime.date):
        return x.isoformat()
    return str(x)


class Stamp:
    """A timestamp and the letter between its date and its time."""

    def __init__(self, at, sep):
        self.at, self.sep = at, sep


def order(x):
    """A key that sorts values as mpart does: NaN above all numbers, text by bytes."""
    if isinstance(x, float):
        return (x != x, 0.0 if x != x else x)
    if isinstance(x, str):
        return x.encode()
    if isinstance(x, Stamp):
        return x.at
    return x


def sort_key(x, descending):
    """Nulls last in both directions."""
    return (x is None, Reversed(order(x)) if descending and x is not None else order(x) if x is not None else 0)


class Reversed:
    def __init__(self, x):
        self.x = x

    def __lt__(self, other):
        return other.x < self.x

    def __eq__(self, other):
        return other.x == self.x


# ---- what a field's text says ----

DECIMAL = re.compile(r'-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?')
BOOLS = {w: w.lower() == 'true' for w in ('true', 'True', 'TRUE', 'false', 'False', 'FALSE')}


def read(s):
    """Form and value of one field."""
    t = s.strip(' \t')
    if re.fullmatch(r'-?(0|[1-9]\d*)', t):
        if -2 ** 63 <= int(t) < 2 ** 63:
            return 'int', int(t)
        return 'str', s
    if DECIMAL.fullmatch(t) and not re.match(r'-?0\d', t):
        x = Fraction(t)
        y, scale = x, 0
        while y.denominator != 1 and scale < 30:
            y, scale = y * 10, scale + 1
        return ('dec', x) if scale <= 18 and abs(y) < 10 ** 18 else ('float', float(t))
    if t in ('nan', 'inf', '-inf'):
        return 'float', float(t)
    if s in BOOLS:
        return 'bool', BOOLS[s]
    if re.fullmatch(r'\d{4}-\d\d-\d\d', s):
        try:
            return 'date', datetime.date.fromisoformat(s)
        except ValueError:
            return 'str', s
    m = re.fullmatch(r'(\d{4}-\d\d-\d\d)([T ])(\d\d:\d\d:\d\d(\.\d{1,6})?)', s)
    if m:
        form = '%Y-%m-%d %H:%M:%S' + ('.%f' if m[4] else '')
        return 'ts' + m[2], Stamp(datetime.datetime.strptime(m[1] + ' ' + m[3], form), m[2])
    return 'str', s


def digits_of(x):
    x, scale = abs(Fraction(x)), 0
    while x.denominator != 1:
        x, scale = x * 10, scale + 1
    return len(str(int(x / 10 ** scale))) if x >= 10 ** scale else 0, scale


class Column:
    """Field texts (None: null) and what each says; the type follows from the rows that are looked at."""

    def __init__(self, name, texts):
        self.name, self.texts = name, texts
        self.said = [None if t is None else read(t) for t in texts]
        self.local = texts  # as they stand in the file, where numbers and dates have a form of their own

    def type_of(self, rows):
        forms = {self.said[i][0] for i in rows if self.said[i]}
        if not forms:
            return 'null'
        if forms <= {'int', 'dec'}:
            if forms == {'int'}:
                return 'int'
            sizes = [digits_of(self.said[i][1]) for i in rows if self.said[i]]
            return 'dec' if max(s[0] for s in sizes) + max(s[1] for s in sizes) <= 18 else 'float'
        if forms <= set(NUMBERS):
            return 'float'
        return forms.pop() if len(forms) == 1 else 'str'

    def values(self, type_name):
        def one(i):
            if self.said[i] is None:
                return None
            form, x = self.said[i]
            if type_name == 'str':
                return self.local[i]
            if type_name == 'float':
                return float(self.texts[i])
            return Fraction(x) if type_name == 'dec' else x
        return one


# ---- expressions: text, a function of a row, a type, bounds of size and digits behind the point ----


class Expr:
    def __init__(self, text, fn, kind, size=0, scale=0, literal=False):
        self.text, self.fn, self.kind, self.size, self.scale, self.literal = text, fn, kind, size, scale, literal


def lift(fn, *args):
    """Null spreads."""
    def run(row):
        v = [a.fn(row) for a in args]
        return None if any(x is None for x in v) else fn(*v)
    return run


def meet(a, b):
    """Two numbers as they are compared."""
    if isinstance(a, float) or isinstance(b, float):
        return order(to_float(a)), order(to_float(b))
    return order(a), order(b)


COMPARE = {'=': lambda a, b: a == b, '==': lambda a, b: a == b, '!=': lambda a, b: a != b, '<>': lambda a, b: a != b,
           '<': lambda a, b: a < b, '<=': lambda a, b: a <= b, '>': lambda a, b: a > b, '>=': lambda a, b: a >= b}


def quote(s):
    return "'" + s.replace("'", "''") + "'"


def half_away(x):
    return -math.floor(-x + Fraction(1, 2)) if x < 0 else math.floor(x + Fraction(1, 2))


def bounded(x, digits):
    """A float rounded to digits behind the point, half away from zero on its exact value."""
    if x != x or math.isinf(x):
        return x
    p = Fraction(10) ** digits
    return to_float(half_away(Fraction(x) * p) / p)


class Maker:
    """Random expressions over columns whose types are known."""

    def __init__(self, columns):
        self.columns = columns  # (name as written, kind, fn, size, scale)

    def pick(self, kinds):
        fit = [c for c in self.columns if c.kind in kinds]
        return rng.choice(fit) if fit else None

    def literal(self, kind):
        if kind == 'int':
            n = rng.choice([0, 1, 2, 3, 7, -1, -5, 10, 100])
            return Expr(str(n) if n >= 0 else '(%d)' % n, lambda r: n, 'int', abs(n), 0, True)
        s = rng.choice(['0.5', '1.25', '0.1', '10.0', '3.75'])
        return Expr(s, lambda r: Fraction(s), 'dec', 10, len(s.split('.')[1]), True)

    def number(self, depth):
        if depth == 0 or rng.random() < .25:
            c = self.pick(NUMBERS) if rng.random() < .8 else None
            return c or self.literal(rng.choice(['int', 'dec']))
        op = rng.choice(['+', '-', '*', '/', '%', 'neg', 'abs', 'round', 'round2', 'floor', 'ceil', 'if', 'coalesce', 'length',
                         'year', 'cast', 'case', 'sqrt', 'int'])
        if op in '+-*/%':
            return self.arithmetic(op, self.number(depth - 1), self.number(depth - 1))
        if op == 'length':
            s = self.string(depth - 1)
            return Expr('length(%s)' % s.text, lift(len, s), 'int', 400)
        if op == 'year':
            c = self.pick(('date', 'tsT', 'ts '))
            part = rng.choice(['year', 'month', 'day', 'hour'])
            get = lambda x: getattr(x.at if isinstance(x, Stamp) else x, part, 0)
            return Expr('%s(%s)' % (part, c.text), lift(get, c), 'int', 9999) if c else self.literal('int')
        x = self.number(depth - 1)
        if op == 'neg':
            return Expr('-(%s)' % x.text, lift(lambda a: -a, x), x.kind, x.size, x.scale)
        if op == 'abs':
            return Expr('abs(%s)' % x.text, lift(abs, x), x.kind, x.size, x.scale)
        if op == 'sqrt':
            return Expr('sqrt(%s)' % x.text, lift(lambda a: root(to_float(a)), x), 'float')
        if op in ('floor', 'ceil'):
            f = math.floor if op == 'floor' else math.ceil
            kind = 'float' if x.kind == 'float' else 'int'
            whole = lambda a: a if isinstance(a, float) and not math.isfinite(a) else float(f(a)) if kind == 'float' else f(a)
            return Expr('%s(%s)' % (op, x.text), lift(whole, x), kind, x.size + 1)
        if op == 'round':
            kind = 'float' if x.kind == 'float' else 'int'
            near = lambda a: a if isinstance(a, float) and not math.isfinite(a) else \
                float(half_away(Fraction(a))) if kind == 'float' else half_away(Fraction(a))
            return Expr('round(%s)' % x.text, lift(near, x), kind, x.size + 1)
        if op == 'round2':
            n = rng.choice([0, 1, 2, 3])
            if x.kind == 'float':
                return Expr('round(%s, %d)' % (x.text, n), lift(lambda a: bounded(a, n), x), 'float')
            near = lambda a: half_away(Fraction(a) * 10 ** n) / Fraction(10) ** n
            return Expr('round(%s, %d)' % (x.text, n), lift(lambda a: int(near(a)) if x.kind == 'int' else near(a), x),
                        x.kind, x.size + 1, min(x.scale, n))
        if op == 'cast':
            return Expr('float(%s)' % x.text, lift(to_float, x), 'float')
        if op == 'int':
            if x.kind == 'float':
                return self.literal('int')
            return Expr('int(%s)' % x.text, lift(lambda a: int(a), x), 'int', x.size)
        y = self.number(depth - 1)
        return self.choice(op, depth, x, y)

    def choice(self, op, depth, x, y):
        if 'dec' in (x.kind, y.kind) and max(x.size, y.size) * 10 ** max(x.scale, y.scale) > 10 ** 17:
            x = Expr('float(%s)' % x.text, lift(to_float, x), 'float')
        kind = x.kind if x.kind == y.kind else 'float' if 'float' in (x.kind, y.kind) else 'dec'
        to = {'float': to_float, 'dec': lambda a: None if a is None else Fraction(a), 'int': lambda a: a}.get(kind, lambda a: a)
        size, scale = max(x.size, y.size), max(x.scale, y.scale)
        if op == 'coalesce':
            fn = lambda r: to(x.fn(r)) if x.fn(r) is not None else to(y.fn(r))
            return Expr('coalesce(%s, %s)' % (x.text, y.text), fn, kind, size, scale)
        c = self.condition(depth - 1)
        fn = lambda r: to(x.fn(r)) if c.fn(r) is True else to(y.fn(r))
        form = 'if(%s, %s, %s)' if op == 'if' else 'case when %s then %s else %s end'
        return Expr(form % (c.text, x.text, y.text), fn, kind, size, scale)

    def arithmetic(self, op, x, y):
        text = '(%s %s %s)' % (x.text, op, y.text)
        kind = 'float' if 'float' in (x.kind, y.kind) else 'dec' if 'dec' in (x.kind, y.kind) else 'int'
        scale = x.scale + y.scale if op == '*' else max(x.scale, y.scale)
        size = x.size * y.size if op == '*' else x.size + y.size
        if kind != 'float' and op != '/' and (scale > 12 or size * 10 ** scale > 10 ** 16):
            return self.arithmetic(op, Expr('float(%s)' % x.text, lift(to_float, x), 'float'), y)
        if op == '/':
            if kind == 'float':
                fn = lift(lambda a, b: divide(to_float(a), to_float(b)), x, y)
            else:
                fn = lift(lambda a, b: None if b == 0 else to_float(Fraction(a) / Fraction(b)), x, y)
            return Expr(text, fn, 'float')
        if kind == 'float':
            return Expr(text, lift(lambda a, b: float_op(op, to_float(a), to_float(b)), x, y), 'float')
        return Expr(text, lift(lambda a, b: exact_op(op, a, b), x, y), kind, size, scale)

    def string(self, depth):
        c = self.pick(('str',))
        if c is None or (depth > 0 and rng.random() < .1):
            s = rng.choice(['x', "it's", 'Zürich', ''])
            return Expr(quote(s), lambda r: s, 'str', literal=True)
        if depth == 0 or rng.random() < .3:
            return c
        op = rng.choice(['lower', 'upper', 'trim', 'substr', 'concat', 'replace', 'string', 'substr2'])
        s = self.string(depth - 1)
        if op in ('lower', 'upper'):
            to = str.lower if op == 'lower' else str.upper
            change = lambda a: ''.join(to(ch) if ch.isascii() else ch for ch in a)
            return Expr('%s(%s)' % (op, s.text), lift(change, s), 'str')
        if op == 'trim':
            return Expr('trim(%s)' % s.text, lift(lambda a: a.strip(' \t\n\r\v\f'), s), 'str')
        if op == 'substr':
            a, n = rng.randrange(1, 5), rng.randrange(0, 5)
            return Expr('substr(%s, %d, %d)' % (s.text, a, n), lift(lambda t: t[a - 1:a - 1 + n], s), 'str')
        if op == 'substr2':
            a = rng.randrange(1, 5)
            return Expr('substr(%s, %d)' % (s.text, a), lift(lambda t: t[a - 1:], s), 'str')
        if op == 'replace':
            return Expr("replace(%s, 'a', '<>')" % s.text, lift(lambda t: t.replace('a', '<>'), s), 'str')
        if op == 'string':
            x = self.number(depth - 1)
            return Expr('string(%s)' % x.text, lift(text_of, x), 'str')
        t = self.string(depth - 1)
        return Expr("concat(%s, '-', %s)" % (s.text, t.text), lift(lambda a, b: a + '-' + b, s, t), 'str')

    def condition(self, depth):
        op = rng.choice(['cmp', 'cmp', 'cmp', 'in', 'between', 'null', 'bool', 'str', 'like', 'regex', 'date', 'in_str'])
        if depth > 0 and rng.random() < .5:
            op = rng.choice(['and', 'or', 'not'])
        if op in ('and', 'or'):
            a, b = self.condition(depth - 1), self.condition(depth - 1)
            return Expr('(%s %s %s)' % (a.text, op, b.text), lambda r: logic(op, a.fn(r), b.fn(r)), 'bool')
        if op == 'not':
            a = self.condition(depth - 1)
            return Expr('not (%s)' % a.text, lift(lambda x: not x, a), 'bool')
        if op == 'bool':
            c = self.pick(('bool',))
            if c:
                return c
        if op == 'null':
            c = rng.choice(self.columns)
            no = rng.random() < .5
            return Expr('%s is %snull' % (c.text, 'not ' if no else ''), lambda r: (c.fn(r) is None) != no, 'bool')
        if op in ('str', 'like', 'regex', 'in_str') and self.pick(('str',)):
            return self.text_condition(op, depth)
        if op == 'date' and self.pick(('date',)):
            c, cmp = self.pick(('date',)), rng.choice(list(COMPARE))
            d = datetime.date(2024, 1, 1) + datetime.timedelta(rng.randrange(60))
            return Expr("%s %s '%s'" % (c.text, cmp, d), lift(lambda a: COMPARE[cmp](a, d), c), 'bool')
        x, y = self.number(depth), self.number(depth)
        if op == 'in':
            z = [self.literal(rng.choice(['int', 'dec'])) for _ in range(3)]
            hit = lambda v: any(COMPARE['='](*meet(v, k.fn(None))) for k in z)
            return Expr('%s in (%s)' % (x.text, ', '.join(k.text for k in z)), lift(hit, x), 'bool')
        if op == 'between':
            z = self.number(0)
            fn = lambda r: logic('and', compare('>=', x.fn(r), y.fn(r)), compare('<=', x.fn(r), z.fn(r)))
            return Expr('%s between %s and %s' % (x.text, y.text, z.text), fn, 'bool')
        cmp = rng.choice(list(COMPARE))
        return Expr('%s %s %s' % (x.text, cmp, y.text), lambda r: compare(cmp, x.fn(r), y.fn(r)), 'bool')

    def text_condition(self, op, depth):
        s = self.string(depth)
        if op == 'like':
            p, rx = rng.choice([('a%', 'a.*'), ('%a%', '.*a.*'), ('_b%', '.b.*'), ('%', '.*'), ('x', 'x')])
            return Expr('%s like %s' % (s.text, quote(p)), lift(lambda t: bool(re.fullmatch(rx, t, re.S)), s), 'bool')
        if op == 'regex':
            p = rng.choice(['^a', '[0-9]+', 'b.$', '"', 'Z|y'])
            return Expr('%s ~ %s' % (s.text, quote(p)), lift(lambda t: bool(re.search(p.replace('$', r'(?=\n?\Z)'), t)), s), 'bool')
        if op == 'in_str':
            return Expr("%s in ('a', 'abc', 'Zürich', '')" % s.text, lift(lambda t: t in ('a', 'abc', 'Zürich', ''), s), 'bool')
        t, cmp = self.string(0), rng.choice(list(COMPARE))
        return Expr('%s %s %s' % (s.text, cmp, t.text), lift(lambda a, b: COMPARE[cmp](a.encode(), b.encode()), s, t), 'bool')

    def any(self, depth):
        kind = rng.choice(['number', 'number', 'string', 'condition', 'column'])
        return rng.choice(self.columns) if kind == 'column' else getattr(self, kind)(depth)


def root(x):
    return x if x != x else math.sqrt(x) if x >= 0 else None


def divide(a, b):
    return None if b == 0 else a / b


def float_op(op, a, b):
    if op == '+':
        return a + b
    if op == '-':
        return a - b
    if op == '*':
        return a * b
    if b == 0:
        return None
    return math.nan if a != a or b != b or math.isinf(a) else math.fmod(a, b)


def exact_op(op, a, b):
    if op == '%':
        if b == 0:
            return None
        m = abs(a) % abs(b)
        return -m if a < 0 else m
    r = a + b if op == '+' else a - b if op == '-' else a * b
    return Fraction(r) if isinstance(a, Fraction) or isinstance(b, Fraction) else r


def compare(op, a, b):
    return None if a is None or b is None else COMPARE[op](*meet(a, b))


def logic(op, a, b):
    decided = op == 'or'
    if a is decided or b is decided:
        return decided
    return None if a is None or b is None else not decided


# ---- aggregates ----


def exact(v):
    return [Fraction(int(x)) if isinstance(x, bool) else Fraction(x) for x in v]


def special(v):
    """The sum of infinities and NaN, None where there are none."""
    odd = [x for x in v if isinstance(x, float) and not math.isfinite(x)]
    return sum(odd) if odd else None


def agg_sum(v, kind):
    if not v:
        return None
    if special(v) is not None:
        return special(v)
    s = sum(exact(v))
    return to_float(s) if kind == 'float' else s if kind == 'dec' else int(s)


def agg_mean(v):
    return None if not v else special(v) if special(v) is not None else to_float(sum(exact(v)) / len(v))


def agg_var(v):
    if len(v) < 2:
        return None
    if special(v) is not None:
        return math.nan
    v = exact(v)
    n, s = len(v), sum(v)
    return to_float((n * sum(x * x for x in v) - s * s) / (n * (n - 1)))


def agg_quantile(v, q):
    if not v:
        return None
    v = sorted((to_float(int(x) if isinstance(x, bool) else x) for x in v), key=order)
    h = q * (len(v) - 1)
    k = math.floor(h)
    if k == h:
        return v[k]
    lo, hi = v[k], v[k + 1]
    if lo == hi:
        return lo
    return (lo + hi) / 2 if h - k == .5 else lo + (hi - lo) * (h - k)


def agg_corr(pairs):
    if len(pairs) < 2:
        return None
    if any(isinstance(x, float) and not math.isfinite(x) for p in pairs for x in p):
        return math.nan
    n, x, y = len(pairs), exact(p[0] for p in pairs), exact(p[1] for p in pairs)
    xx = n * sum(a * a for a in x) - sum(x) ** 2
    yy = n * sum(a * a for a in y) - sum(y) ** 2
    xy = n * sum(a * b for a, b in zip(x, y)) - sum(x) * sum(y)
    if xx == 0 or yy == 0:
        return None
    square = xy * xy / (xx * yy)
    root_bits = math.isqrt(square.numerator * 4 ** 200 // square.denominator)
    r = to_float(Fraction(root_bits, 2 ** 200))
    return -r if xy < 0 else r


def distinct(v):
    return len({text_of(x) for x in v})


def aggregate(maker, depth):
    """One item: (text, function of a group's rows giving a list of values, number of columns, plain name, kind)."""
    fn = rng.choice(['count()', 'count(*)', 'count', 'count_distinct', 'sum', 'sum', 'mean', 'avg', 'min', 'max', 'var', 'std',
                     'median', 'quantile', 'first', 'last', 'top', 'bottom', 'corr'])
    if fn.startswith('count('):
        return fn, lambda g: [len(g)], 1, 'count', 'int'
    if fn in ('count', 'count_distinct', 'min', 'max', 'first', 'last', 'top', 'bottom'):
        x = maker.any(depth) if rng.random() < .4 else rng.choice(maker.columns)
    else:
        x = maker.number(depth) if rng.random() < .4 else maker.pick(NUMBERS + ('bool',)) or maker.literal('int')
    if x.literal:
        x = rng.choice([c for c in maker.columns if c.kind == 'int'])
    before = maker.__dict__.setdefault('before', [])  # several aggregates of the same have one state
    again = [b for b in before if b.kind in NUMBERS + ('bool',)]
    if again and rng.random() < .3:
        x = rng.choice(again)
    before.append(x)
    have = lambda g: [v for v in (x.fn(r) for r in g) if v is not None]
    plain = '%s_%s' % (fn, x.plain) if hasattr(x, 'plain') else None
    text = '%s(%s)' % (fn, x.text)
    if fn == 'count':
        return text, lambda g: [len(have(g))], 1, plain, 'int'
    if fn == 'count_distinct':
        return text, lambda g: [distinct(have(g))], 1, plain, 'int'
    if fn == 'sum':
        return text, lambda g: [agg_sum(have(g), x.kind)], 1, plain, 'int' if x.kind == 'bool' else x.kind
    if fn in ('mean', 'avg'):
        return text, lambda g: [agg_mean(have(g))], 1, plain, 'float'
    if fn == 'var':
        return text, lambda g: [agg_var(have(g))], 1, plain, 'float'
    if fn == 'std':
        return text, lambda g: [None if agg_var(have(g)) is None else math.sqrt(agg_var(have(g)))], 1, plain, 'float'
    if fn in ('min', 'max'):
        pick = min if fn == 'min' else max
        return text, lambda g: [pick(have(g), key=order, default=None)], 1, plain, x.kind
    if fn in ('first', 'last'):
        at = 0 if fn == 'first' else -1
        return text, lambda g: [have(g)[at] if have(g) else None], 1, plain, x.kind
    if fn in ('top', 'bottom'):
        k = rng.randrange(1, 4)
        best = lambda g: (sorted(have(g), key=order, reverse=fn == 'top') + [None] * k)[:k]
        return '%s(%s, %d)' % (fn, x.text, k), best, k, plain, x.kind
    if fn == 'median':
        return text, lambda g: [agg_quantile(have(g), .5)], 1, plain, 'float'
    if fn == 'quantile':
        q = rng.choice(['0.1', '0.25', '0.9', '1', '0', '0.333'])
        return '%s(%s, %s)' % (fn, x.text, q), lambda g: [agg_quantile(have(g), float(q))], 1, \
            plain and plain + '_' + q, 'float'
    y = maker.pick(('int', 'dec', 'float'))
    to = to_float if 'float' in (x.kind, y.kind) else lambda v: v
    pairs = lambda g: [p for p in ((to(x.fn(r)), to(y.fn(r))) for r in g) if None not in p]
    return 'corr(%s, %s)' % (x.text, y.text), lambda g: [agg_corr(pairs(g))], 1, \
        plain and '%s_%s' % (plain, y.plain), 'float'


# ---- tables ----

WORDS = ['a', 'abc', 'abd', 'b"c', 'Zürich', 'line\nbreak', 'x, y', ' padded ', '', '5" pipe', "it's", 'é', 'z' * 40]


def make_cells(kind, n):
    cells = []
    for _ in range(n):
        if kind == 'int':
            t = str(rng.choice([rng.randrange(-50, 50), rng.randrange(5)]))
            t = ' ' + t if rng.random() < .05 else t
        elif kind == 'big':
            t = str(rng.choice([rng.randrange(10 ** 6), -12345678, 999, 1000]))
        elif kind == 'dec':
            t = '%.*f' % (rng.randrange(0, 3), rng.randrange(-2000, 2000) / 100)
            t = rng.choice([t, t, t + '0' if '.' in t else t + '.', t.replace('0.', '.') if t.startswith('0.') else t])
        elif kind == 'float':
            t = repr(rng.choice([rng.uniform(-10, 10), rng.gauss(0, 1e3), rng.random() / 3, float(rng.randrange(9))]))
        elif kind == 'wild':
            t = rng.choice(['1e300', '-1e300', '1e-300', repr(rng.random()), '5e-324', '3.1415926535897931159', '1e16', '-7'])
        elif kind == 'odd':
            t = rng.choice(['nan', '1.5', '2', 'inf', '-3.25', '0.0', '-0.0', '1e2'])
        elif kind == 'bool':
            t = rng.choice(list(BOOLS))
        elif kind == 'date':
            t = str(datetime.date(2024, 1, 1) + datetime.timedelta(rng.randrange(60)))
        elif kind in ('tsT', 'ts '):
            t = '2024-01-%02d%s%02d:00:%02d' % (rng.randrange(1, 29), kind[2], rng.randrange(24), rng.randrange(60))
            t += rng.choice(['', '.5', '.125000'])
        elif kind == 'code':
            t = rng.choice(['007', '7', '08', '+1', '1e5', '0'])
        elif kind == 'spread':
            t = rng.choice(['1', '1.0', '1.50', '1.5', '2', '02.50'[1:]])
        elif kind == 'mixed':
            t = rng.choice(['1', '2', 'x', '2024-01-01', 'true', '1.50'])
        else:
            t = rng.choice(WORDS)
        cells.append(None if rng.random() < .12 else t)
    return cells


KINDS = ['int', 'dec', 'float', 'wild', 'odd', 'bool', 'date', 'tsT', 'ts ', 'code', 'spread', 'mixed', 'str', 'str', 'int', 'big']


class Table:
    def __init__(self, folder):
        self.n = rng.choice([0, 1, 2, 7, 40, 40, 150, 400])
        names = ['id', 'g', 's', 'i', 'd', 'f'] + rng.sample(['odd name', 'W', 'Größe', 'x1', 'by', 'and'], 4)
        kinds = ['int', 'str', 'str', 'int', 'dec', 'float'] + [rng.choice(KINDS) for _ in range(4)]
        self.columns = []
        for name, kind in zip(names, kinds):
            cells = [str(i) for i in range(self.n)] if name == 'id' else make_cells(kind, self.n)
            if name == 'g':
                cells = [rng.choice(['a', 'b', 'c"', None, '']) for _ in range(self.n)]
            self.columns.append(Column(name, cells))
        self.folder = folder
        self.write()

    def field(self, t, always=False):
        if t is None:
            return self.null if rng.random() < .5 else ''
        bad = self.delimiter + '"\r\n'
        if t == '' or any(c in t for c in bad) or always or rng.random() < .1:
            return '"' + t.replace('"', '""') + '"'
        return t

    def localize(self, c):
        """The texts in the file's own way of writing numbers and dates."""
        def one(said, t):
            if t is None or said[0] == 'str':
                return t
            if self.thousands and said[0] == 'int' and abs(said[1]) >= 1000:
                t = t.replace(str(abs(said[1])), '{:,}'.format(abs(said[1])).replace(',', self.thousands))
            if self.dates and said[0] == 'date':
                return '%02d.%02d.%d' % (said[1].day, said[1].month, said[1].year)
            return t.replace('.', ',') if self.comma and said[0] in ('dec', 'float') else t
        c.local = [one(said, t) for said, t in zip(c.said, c.texts)]

    def write(self):
        self.options, self.paths = [], []
        self.delimiter = rng.choice([',', ',', ';', '|', '\t'])
        self.comma = self.delimiter == ';' and rng.random() < .5
        self.null = rng.choice(['', '', 'NA', '-'])
        end = rng.choice(['\n', '\n', '\r\n'])
        header = rng.random() < .8
        if self.delimiter != ',':
            self.options += ['--delimiter', 'tab' if self.delimiter == '\t' else self.delimiter]
        if self.comma:
            self.options += ['--decimal-comma']
        if self.null:
            self.options += ['--null', self.null]
        self.thousands = rng.choice([None, None, None, "'", ' '])
        self.dates = rng.random() < .2
        if self.thousands:
            self.options += ['--thousands', self.thousands]
        if self.dates:
            self.options += ['--date-format', '%d.%m.%Y']
        for c in self.columns:
            self.localize(c)
        comment = rng.random() < .3
        skip = rng.choice([0, 0, 0, 2])
        if comment:
            self.options += ['--comment', '#']
        if skip:
            self.options += ['--skip-lines', str(skip)]
        if not header:
            self.options += ['--no-header', '--names', ','.join(c.name for c in self.columns)]
        n_files = rng.choice([1, 1, 1, 2, 3])
        cuts = sorted(rng.randrange(self.n + 1) for _ in range(n_files - 1))
        for k, (lo, hi) in enumerate(zip([0] + cuts, cuts + [self.n])):
            columns = list(self.columns)
            if header and k > 0:
                rng.shuffle(columns)
            lines = ['skip me "' + str(j) for j in range(skip)]
            if header:
                lines.append(self.delimiter.join(self.field(c.name) for c in columns))
            for i in range(lo, hi):
                if comment and rng.random() < .1:
                    lines.append('# "a comment, with quotes')
                lines.append(self.delimiter.join(self.field(c.local[i]) for c in columns))
            text = end.join(lines) + (end if rng.random() < .8 or not lines else '')
            path = os.path.join(self.folder, 't%d.csv' % k)
            with open(path, 'w', encoding='utf-8', newline='') as f:
                f.write(text)
            self.paths.append(path)
        if not header and any(os.path.getsize(p) == 0 or lo == hi for p, lo, hi in zip(self.paths, [0] + cuts, cuts + [self.n])):
            self.n = -1  # nothing at all: bad data, another test's business

    def maker(self, types):
        """Expressions over the columns at these types; rows are numbers."""
        made = []
        for c in self.columns:
            kind = types[c.name]
            e = Expr(c.name if re.fullmatch(r'[A-Za-z_]\w*', c.name, re.A) and c.name not in ('by', 'and') else '`%s`' % c.name,
                     c.values(kind), kind)
            if kind in ('int', 'dec'):
                v = [abs(e.fn(i)) for i in self.seen[c.name] if c.said[i]]
                e.size = max(v, default=0)
                e.scale = max((digits_of(x)[1] for x in v), default=0) + 1 if kind == 'dec' else 0
            e.plain, e.column = c.name, c
            made.append(e)
        return Maker([e for e in made if e.kind != 'null' and not self.wild(e)])

    def wild(self, e):
        """Columns whose sums overflow in a formula: they have tests of their own."""
        return e.kind == 'float' and any(x is not None and x == x and abs(x) > 1e200 and not math.isinf(x)
                                         for x in (e.fn(i) for i in self.seen[e.plain]))


# ---- queries ----


class Query:
    FORMS = ['pass', 'select', 'group', 'group', 'total', 'distinct']
    FORMATS = ['csv', 'csv', 'csv', 'tsv', 'ndjson']
    OFFSETS, LIMITS, KEYS = range(5), [0, 1, 3, 10, 100], range(1, 4)

    def __init__(self, table):
        self.t, self.args, self.names, self.rows = table, [], [], []
        every = range(table.n)
        self.seen = {c.name: every for c in table.columns}
        table.seen = self.seen
        types = {c.name: c.type_of(every) for c in table.columns}
        maker = table.maker(types)
        kept = list(every)
        filtered = set()
        if rng.random() < .5 and maker.columns:
            where = maker.condition(2)
            self.args += ['--where', where.text]
            kept = [i for i in every if where.fn(i) is True]
            filtered = {c.name for c in table.columns if c.name in where.text}  # a superset
        for c in table.columns:
            if c.name not in filtered:
                self.seen[c.name] = kept
            elif c.type_of(every) != c.type_of(kept):
                self.seen[c.name] = None  # which of the two depends on how it is used: leave it alone
        types = {c.name: 'null' if self.seen[c.name] is None else c.type_of(self.seen[c.name]) for c in table.columns}
        table.seen = {k: v or [] for k, v in self.seen.items()}
        self.maker = table.maker(types)
        self.kept, self.types = kept, types
        self.format = rng.choice(self.FORMATS)
        if not self.maker.columns:
            form = 'pass'
        else:
            form = rng.choice(self.FORMS)
        getattr(self, form)()

    # One output: name and values; raw values are texts that keep their bytes.

    def usable(self):
        """Columns that can be put out as they are and be told."""
        return [c for c in self.t.columns if self.types[c.name] != 'null' or not any(c.said)]

    def output_of(self, e):
        """A plain column that is only passed through keeps its bytes; JSON has types."""
        if hasattr(e, 'column') and self.format != 'ndjson':
            return lambda i: Raw(e.column.local[i]) if e.column.texts[i] is not None else None
        return e.fn

    def pass_(self):
        return None

    def sort_and_cut(self, rows, keys, passing=False):
        """rows: (position, key values, output); keys: descending or not."""
        for k in reversed(range(len(keys))):
            rows.sort(key=lambda r: sort_key(r[1][k], keys[k]))
        offset, limit = 0, None
        if rng.random() < .3:
            offset = rng.choice(self.OFFSETS)
            self.args += ['--offset', str(offset)]
        self.passing = passing and not keys  # what stands behind the limit, in another split, does not count
        if rng.random() < .4 and not (self.passing and len(self.t.paths) > 1):
            limit = rng.choice(self.LIMITS)
            self.args += ['--limit', str(limit)]
        self.rows = [r[2] for r in rows][offset:None if limit is None else offset + limit]

    def select(self):
        items = []
        for k in range(rng.randrange(1, 5)):
            e = self.maker.any(2) if rng.random() < .7 else rng.choice(self.maker.columns)
            plain = getattr(e, 'plain', None)
            named = plain is None or rng.random() < .3
            items.append((e, '%s as n%d' % (e.text, k) if named else e.text, 'n%d' % k if named else plain))
        self.args += ['--select', ', '.join(t for _, t, _ in items)]
        self.names = []
        for _, _, name in items:
            fresh, j = name, 2
            while fresh in self.names:
                fresh, j = '%s_%d' % (name, j), j + 1
            self.names.append(fresh)
        makes = [self.output_of(e) for e, _, _ in items]
        keys = []
        if rng.random() < .5:
            for _ in range(rng.choice(self.KEYS)):
                e = rng.choice(self.maker.columns) if rng.random() < .7 else self.maker.number(1)
                keys.append((e, rng.random() < .5))
            self.args += ['--sort', ', '.join(('-' if d else '') + sortable(e.text, d) for e, d in keys)]
        self.sort_and_cut([(i, [e.fn(i) for e, _ in keys], [m(i) for m in makes]) for i in self.kept], [d for _, d in keys], True)

    def group_rows(self, keys):
        groups = {}
        for i in self.kept:
            v = [k.fn(i) for k in keys]
            groups.setdefault(tuple(None if x is None else text_of(x) if not isinstance(x, str) else 's' + x for x in v),
                              (v, []))[1].append(i)
        found = list(groups.values())
        found.sort(key=lambda g: [sort_key(x, False) for x in g[0]])
        return found

    def group(self):
        keys, text = [], []
        for k in range(rng.randrange(1, 4)):
            e = rng.choice(self.maker.columns) if rng.random() < .7 else self.maker.any(1)
            if e.literal:
                continue
            keys.append(e)
            plain = getattr(e, 'plain', None)
            text.append(e.text if plain and 'k%d' % k and plain not in self.names else '%s as k%d' % (e.text, k))
            self.names.append(plain if plain and plain not in self.names else 'k%d' % k)
        if not keys:
            return self.select()
        self.args += ['--by', ', '.join(text)]
        self.aggregates(self.group_rows(keys), rng.random() < .9)

    def total(self):
        self.aggregates([([], self.kept)], True)

    def aggregates(self, groups, some):
        items = []
        for k in range(rng.randrange(1, 5) if some else 0):
            text, fn, n, plain, kind = aggregate(self.maker, 1)
            own = plain is None or rng.random() < .4 or plain in self.names or plain + '_1' in self.names
            name = 'a%d' % k if own else plain
            if rng.random() < .2 and kind in ('int', 'float') and not text.startswith(('top', 'bottom')):
                text, fn, own, name, kind = spread(text, fn, k, kind)
            items.append((text + (' as ' + name if own else ''), fn, name, kind))
            self.names += ['%s_%d' % (name, j + 1) for j in range(n)] if text.startswith(('top', 'bottom')) else [name]
        if items:
            self.args += ['--agg', ', '.join(t for t, _, _, _ in items)]
        elif not self.args or '--by' not in self.args:
            return
        rows = [(g, v + [x for _, fn, _, _ in items for x in fn(g)]) for v, g in groups]
        if rng.random() < .3:
            text, holds = self.having()
            self.args += ['--having', text]
            rows = [r for r in rows if holds(r)]
        keys = []
        if rng.random() < .5:
            for _ in range(rng.randrange(1, 3)):
                if rng.random() < .3:
                    keys.append(('max(id)', None, rng.random() < .5))
                else:
                    at = rng.randrange(len(self.names))
                    keys.append((spelled(self.names[at]), at, rng.random() < .5))
            self.args += ['--sort', ', '.join(('-' if d else '') + t for t, _, d in keys)]
        newest = lambda g: max(g, default=None)
        self.sort_and_cut([(0, [newest(g) if at is None else v[at] for _, at, _ in keys], v) for g, v in rows],
                          [d for _, _, d in keys])

    def having(self):
        """A condition on groups: its text, and a function of a group's rows and values."""
        if rng.random() < .5:
            least = rng.randrange(4)
            return 'count() > %d' % least, lambda r: len(r[0]) > least
        at, no = rng.randrange(len(self.names)), rng.random() < .5
        return '%s is %snull' % (spelled(self.names[at]), 'not ' if no else ''), lambda r: (r[1][at] is None) != no

    def distinct(self):
        items = rng.sample(self.maker.columns, min(len(self.maker.columns), rng.randrange(1, 4)))
        self.args += ['--distinct', '--select', ', '.join(e.text for e in items)]
        self.names = [e.plain for e in items]
        self.sort_and_cut([(0, [], v) for v, _ in self.group_rows(items)], [])

    def answer(self):
        if self.format == 'ndjson':
            return ''.join(json_row(self.names, r) for r in self.rows)
        sep = '\t' if self.format == 'tsv' else ','
        return ''.join(sep.join(out_field(x, sep) for x in r) + '\n' for r in [self.names] + self.rows)


Query.pass_columns = None


def whole_table(self):
    columns = [c for c in self.t.columns]
    self.names = [c.name for c in columns]
    raw = self.format != 'ndjson'
    if not raw:
        columns = [c for c in self.usable()]
        self.names = [c.name for c in columns]
        made = {e.plain: e for e in self.t.maker(self.types).columns}
        columns = [c for c in columns if c.name in made]
        self.names = [c.name for c in columns]
        if not columns:
            self.format, raw, columns = 'csv', True, list(self.t.columns)
            self.names = [c.name for c in columns]
        else:
            self.args += ['--select', ', '.join(made[c.name].text for c in columns)]
            get = {c.name: made[c.name].fn for c in columns}
    if raw:
        get = {c.name: (lambda i, c=c: None if c.texts[i] is None else Raw(c.local[i])) for c in columns}
    self.sort_and_cut([(i, [], [get[c.name](i) for c in columns]) for i in self.kept], [], True)


setattr(Query, 'pass', whole_table)


class Raw(str):
    """The bytes of a field, passed through."""


def spelled(name):
    return name if re.fullmatch(r'[A-Za-z_]\w*', name, re.A) and name not in ('by', 'and') else '`%s`' % name


def sortable(text, descending):
    return '(%s)' % text if descending and not text.startswith('`') and not text.isidentifier() else \
        text if not text.startswith('-') else '(%s)' % text


def spread(text, fn, k, kind):
    """An expression of aggregates."""
    def both(g):
        a = fn(g)[0]
        return [None if a is None else a * 2 + len(g) if kind == 'int' else a * 2.0 + float(len(g))]
    return '%s * 2 + count()' % text, both, True, 'a%d' % k, kind


def out_field(x, sep):
    if x is None:
        return ''
    s = text_of(x)
    return '"' + s.replace('"', '""') + '"' if s == '' or any(c in s for c in sep + '"\r\n') else s


def json_value(x):
    if x is None or (isinstance(x, float) and not math.isfinite(x)):
        return 'null'
    if isinstance(x, (bool, int, float, Fraction)):
        return text_of(x)
    return json.dumps(text_of(x), ensure_ascii=False)


def json_row(names, row):
    return '{' + ','.join(json.dumps(n, ensure_ascii=False) + ':' + json_value(x) for n, x in zip(names, row)) + '}\n'


# ---- running ----


def run(table, query, ranks):
    args = ['query'] + table.paths + table.options + query.args + ['--format', query.format]
    env = dict(os.environ)
    command = [MPART] + args
    if ranks:
        size = os.path.getsize(table.paths[0])
        cuts = sorted({rng.randrange(1, size) for _ in range(12)}) if size > 1 else []
        if cuts and not (query.passing and '--limit' in query.args):
            env['MPART_TEST_SPLITS'] = ','.join(map(str, cuts))
        if rng.random() < .3:
            env['MPART_GUESS'] = 'wrong'
        command = ['mpirun', '-np', str(ranks)] + command
    p = subprocess.run(command, capture_output=True, env=env, timeout=60, stdin=subprocess.DEVNULL)
    return command, p.returncode, p.stdout.decode('utf-8', 'replace'), p.stderr.decode('utf-8', 'replace')


def differ(seed, command, rc, got, want, err):
    print('FAILED: seed %s' % seed)
    print('  %s' % ' '.join(quote(a) if re.search(r'[^\w/.-]', a) else a for a in command))
    print('  exit %d %s' % (rc, err.strip()[:400]))
    g, w = got.split('\n'), want.split('\n')
    for a, b in zip(g + [None] * len(w), w):
        if a != b:
            print('  got  %s\n  want %s   (%d lines, not %d)' % (a, b, len(g), len(w)))
            break
    else:
        print('  %d lines, not %d' % (len(g), len(w)))


def main():
    first, n_tables, n_queries, ranks_every = map(int, sys.argv[1:5])
    folder = tempfile.mkdtemp()
    n = failed = 0
    for seed in range(first, first + n_tables):
        rng.seed(seed)
        table = Table(folder)
        if table.n < 0:
            continue
        for k in range(n_queries):
            rng.seed(seed * 1000 + k)
            query = Query(table)
            if not query.args and not query.names:
                continue
            n += 1
            command, rc, got, err = run(table, query, 3 if n % ranks_every == 0 else 0)
            want = query.answer()
            if rc != 0 or got != want:
                failed += 1
                differ('%d query %d' % (seed, k), command, rc, got, want, err)
                if os.environ.get('ORACLE_KEEP'):
                    shutil.copytree(folder, '%s/%d' % (os.environ['ORACLE_KEEP'], seed), dirs_exist_ok=True)
        for p in table.paths:
            os.unlink(p)
    shutil.rmtree(folder)
    print('oracle: %d of %d answers agree' % (n - failed, n))
    return 1 if failed or n == 0 else 0


if __name__ == '__main__':
    sys.exit(main())
