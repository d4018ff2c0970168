"""wide_exprs.py - the oracle's random expressions and more of them: dates that are moved and subtracted, conversions there and back,
lists with nulls, patterns, conditions as values, constants. What each means is worked out here in Python's own terms."""

import datetime
import math
import re
from fractions import Fraction

import oracle
from oracle import Expr, Maker, Stamp, NUMBERS, compare, half_away, lift, logic, meet, quote, rng, text_of, to_float

DATES = [datetime.date(2024, 1, 1), datetime.date(2024, 2, 29), datetime.date(1999, 12, 31), datetime.date(2024, 1, 17)]
WORDS = oracle.WORDS + ['b', 'x', 'y', 'aaaaaaaa', 'aaaaaaaab', 'Z']
PATTERNS = ['%', '', '_', '__', 'a%', '%a', '%a%', '_b%', '%_', '%b_', 'a_c', '%r%h', 'Z_rich', '%"%', '%,%', '%é', '%a%a%', '_%_']


def like(pattern):
    rx = ''.join({'%': '.*', '_': '.'}.get(c) or re.escape(c) for c in pattern)
    return lambda t: re.fullmatch(rx, t, re.S) is not None


def safe(f):
    def run(*v):
        try:
            x = f(*v)
        except (ValueError, ZeroDivisionError):
            return None
        except OverflowError:
            return math.inf
        return x
    return run


def log(x):
    return x if x != x else None if x <= 0 else math.log(x)


def moment(x):
    return x.at if isinstance(x, Stamp) else datetime.datetime(x.year, x.month, x.day)


class Wide(Maker):
    def number(self, depth):
        if depth == 0 or rng.random() < .6:
            return super().number(depth)
        op = rng.choice(['days', 'seconds', 'move', 'text', 'null', 'case', 'coalesce', 'tens', 'exp', 'log', 'square', 'truth', 'decimal',
                         'trunc', 'length', 'big'])
        made = getattr(self, 'n_' + op)(depth - 1)
        return made or super().number(depth)

    def n_days(self, depth):
        a, b = self.pick(('date',)), self.pick(('date',))
        return a and Expr('(%s - %s)' % (a.text, b.text), lift(lambda x, y: (x - y).days, a, b), 'int', 4 * 10 ** 6)

    def n_seconds(self, depth):
        a, b = self.pick(('ts ', 'tsT')), self.pick(('ts ', 'tsT'))
        if not a or a.kind != b.kind:
            return None
        gap = lambda x, y: Fraction((x.at - y.at) // datetime.timedelta(microseconds=1), 10 ** 6)
        return Expr('(%s - %s)' % (a.text, b.text), lift(gap, a, b), 'dec', 10 ** 9, 6)

    def n_move(self, depth):
        c, n = self.pick(('date',)), rng.randrange(-800, 800)
        part = rng.choice(['year', 'month', 'day'])
        get = lambda d: getattr(d + datetime.timedelta(n), part)
        return c and Expr('%s(%s %s %d)' % (part, c.text, '-' if n < 0 else '+', abs(n)), lift(get, c), 'int', 9999)

    def n_text(self, depth):
        x = self.number(depth)
        if x.kind == 'int':
            return Expr('int(string(%s))' % x.text, x.fn, 'int', x.size)
        return Expr('float(string(%s))' % x.text, lift(to_float, x), 'float')

    def n_null(self, depth):
        c, x = self.condition(depth), self.number(depth)
        turn = rng.random() < .5
        form = rng.choice(['if(%s, null, %s)', 'case when %s then null else %s end']) if turn else \
            rng.choice(['if(%s, %s, null)', 'case when %s then %s end'])
        fn = lambda r: x.fn(r) if (c.fn(r) is True) != turn else None
        return Expr(form % (c.text, x.text), fn, x.kind, x.size, x.scale)

    def n_case(self, depth):
        a, b = self.condition(depth), self.condition(depth)
        v = [self.literal('int') for _ in range(3)]
        fn = lambda r: v[0].fn(r) if a.fn(r) is True else v[1].fn(r) if b.fn(r) is True else v[2].fn(r)
        text = 'case when %s then %s when %s then %s else %s end' % (a.text, v[0].text, b.text, v[1].text, v[2].text)
        return Expr(text, fn, 'int', 100)

    def n_coalesce(self, depth):
        v = [self.number(depth) for _ in range(3)]
        if {e.kind for e in v} != {'int'}:
            return None
        fn = lambda r: next((e.fn(r) for e in v if e.fn(r) is not None), None)
        return Expr('coalesce(%s)' % ', '.join(e.text for e in v), fn, 'int', max(e.size for e in v))

    def n_tens(self, depth):
        x, n = self.number(depth), rng.choice([-3, -2, -1])
        if x.kind != 'int' or x.size > 10 ** 15:
            return None
        near = lambda a: half_away(Fraction(a, 10 ** -n)) * 10 ** -n
        return Expr('round(%s, %d)' % (x.text, n), lift(near, x), 'int', x.size + 1000)

    def n_exp(self, depth):
        x = self.number(depth)
        near = lambda a: math.nan if a != a else math.exp(a)
        return Expr('exp(%s)' % x.text, lift(safe(lambda a: near(to_float(a))), x), 'float')

    def n_log(self, depth):
        x = self.number(depth)
        return Expr('log(%s)' % x.text, lift(lambda a: log(to_float(a)), x), 'float')

    def n_square(self, depth):
        x = self.number(depth)
        return Expr('pow(%s, 2)' % x.text, lift(safe(lambda a: math.pow(to_float(a), 2)), x), 'float')

    def n_truth(self, depth):
        c = self.condition(depth)
        return Expr('if(%s, 1, 0)' % c.text, lambda r: int(c.fn(r) is True), 'int', 1)

    def n_decimal(self, depth):
        x = self.number(depth)
        return Expr('decimal(%s)' % x.text, lift(Fraction, x), 'dec', x.size, x.scale) if x.kind in ('int', 'dec') else None

    def n_trunc(self, depth):
        x = self.number(depth)
        return Expr('floor(float(%s))' % x.text, lift(lambda a: to_float(math.floor(to_float(a))), x), 'float') \
            if x.kind != 'float' else None

    def n_length(self, depth):
        x = self.pick(('date', 'bool', 'ts ', 'tsT'))
        return x and Expr('length(string(%s))' % x.text, lift(lambda a: len(text_of(a)), x), 'int', 40)

    def n_big(self, depth):
        n = rng.choice([2 ** 31, 10 ** 9, 65536])
        return Expr(str(n), lambda r: n, 'int', n, 0, True)

    def condition(self, depth):
        if rng.random() < .6:
            return super().condition(depth)
        op = rng.choice(['not_in', 'not_between', 'not_like', 'in_null', 'stamps', 'days', 'same', 'is_null', 'choose', 'coalesce',
                         'constant', 'words', 'word', 'numbers', 'texts'])
        made = getattr(self, 'c_' + op)(max(depth - 1, 0))
        return made or super().condition(depth)

    def c_not_in(self, depth):
        x = self.number(depth)
        z = [self.literal(rng.choice(['int', 'dec'])) for _ in range(rng.choice([1, 2, 9]))]
        out = lambda v: not any(oracle.COMPARE['='](*meet(v, k.fn(None))) for k in z)
        return Expr('%s not in (%s)' % (x.text, ', '.join(k.text for k in z)), lift(out, x), 'bool')

    def c_not_between(self, depth):
        x, y, z = self.number(depth), self.number(0), self.number(0)
        within = lambda r: logic('and', compare('>=', x.fn(r), y.fn(r)), compare('<=', x.fn(r), z.fn(r)))
        fn = lambda r: None if within(r) is None else not within(r)
        return Expr('%s not between %s and %s' % (x.text, y.text, z.text), fn, 'bool')

    def c_not_like(self, depth):
        if not self.pick(('str',)):
            return None
        s, p, no = self.string(depth), rng.choice(PATTERNS), rng.random() < .3
        fits = like(p)
        return Expr('%s %slike %s' % (s.text, 'not ' if no else '', quote(p)), lift(lambda t: fits(t) != no, s), 'bool')

    def c_in_null(self, depth):
        x, n, no = self.number(depth), rng.randrange(4), rng.random() < .5
        def fn(r):
            v = x.fn(r)
            if v is None or not oracle.COMPARE['='](*meet(v, n)):
                return None
            return not no
        return Expr('%s %sin (%d, null)' % (x.text, 'not ' if no else '', n), fn, 'bool')

    def c_stamps(self, depth):
        c, cmp = self.pick(('ts ', 'tsT')), rng.choice(list(oracle.COMPARE))
        t = datetime.datetime(2024, 1, rng.randrange(1, 29), rng.randrange(24))
        return c and Expr("%s %s '%s'" % (c.text, cmp, t), lift(lambda a: oracle.COMPARE[cmp](a.at, t), c), 'bool')

    def c_days(self, depth):
        c = self.pick(('date',))
        some = rng.sample(DATES, 2)
        if rng.random() < .5:
            return c and Expr("%s in ('%s', '%s')" % (c.text, *some), lift(lambda a: a in some, c), 'bool')
        return c and Expr("%s between '%s' and '%s'" % (c.text, *some), lift(lambda a: some[0] <= a <= some[1], c), 'bool')

    def c_same(self, depth):
        a, b, cmp = self.condition(depth), self.condition(depth), rng.choice(list(oracle.COMPARE))
        return Expr('(%s) %s (%s)' % (a.text, cmp, b.text), lift(lambda x, y: oracle.COMPARE[cmp](x, y), a, b), 'bool')

    def c_is_null(self, depth):
        e, no = rng.choice([self.condition, self.number])(depth), rng.random() < .5
        return Expr('(%s) is %snull' % (e.text, 'not ' if no else ''), lambda r: (e.fn(r) is None) != no, 'bool')

    def c_choose(self, depth):
        a, b, c = (self.condition(depth) for _ in range(3))
        return Expr('if(%s, %s, %s)' % (a.text, b.text, c.text), lambda r: b.fn(r) if a.fn(r) is True else c.fn(r), 'bool')

    def c_coalesce(self, depth):
        a, v = self.condition(depth), rng.random() < .5
        return Expr('coalesce(%s, %s)' % (a.text, 'true' if v else 'false'), lambda r: v if a.fn(r) is None else a.fn(r), 'bool')

    def c_constant(self, depth):
        a = self.condition(depth)
        op, text, v = rng.choice(['and', 'or']), *rng.choice([('true', True), ('false', False), ('1 = 1', True), ('2 < 1', False),
                                                              ("'a' = 'b'", False), ('null is null', True)])
        return Expr('(%s %s %s)' % (a.text, op, text), lambda r: logic(op, a.fn(r), v), 'bool')

    def c_words(self, depth):
        s = self.pick(('str',))
        some = rng.sample(WORDS, rng.choice([1, 2, 5, 12]))
        return s and Expr('%s in (%s)' % (s.text, ', '.join(map(quote, some))), lift(lambda t: t in some, s), 'bool')

    def c_word(self, depth):
        s, w, cmp = self.pick(('str',)), rng.choice(WORDS), rng.choice(list(oracle.COMPARE))
        text, fn = ('%s %s %s' % (s.text, cmp, quote(w)), lambda t: oracle.COMPARE[cmp](t.encode(), w.encode())) if s else (None, None)
        return s and Expr(text, lift(fn, s), 'bool')

    def c_numbers(self, depth):
        x = self.pick(NUMBERS)
        some = rng.sample(range(-60, 60), rng.choice([3, 20, 50]))
        hit = lambda v: any(oracle.COMPARE['='](*meet(v, k)) for k in some)
        return x and Expr('%s in (%s)' % (x.text, ', '.join(map(str, some))), lift(hit, x), 'bool')

    def c_texts(self, depth):
        if not self.pick(('str',)):
            return None
        s, a, b = self.string(depth), *rng.sample(WORDS, 2)
        within = lambda t: a.encode() <= t.encode() <= b.encode()
        return Expr('%s between %s and %s' % (s.text, quote(a), quote(b)), lift(within, s), 'bool')

    def string(self, depth):
        if depth == 0 or rng.random() < .75 or not self.pick(('str',)):
            return super().string(depth)
        op = rng.choice(['date', 'choose', 'coalesce', 'tail', 'null'])
        s = super().string(depth - 1)
        if op == 'date' and self.pick(('date', 'bool')):
            x = self.pick(('date', 'bool'))
            return Expr('string(%s)' % x.text, lift(text_of, x), 'str')
        t = super().string(depth - 1)
        if op == 'coalesce':
            return Expr('coalesce(%s, %s)' % (s.text, t.text), lambda r: t.fn(r) if s.fn(r) is None else s.fn(r), 'str')
        c = self.condition(depth - 1)
        if op == 'null':
            return Expr('if(%s, %s, null)' % (c.text, s.text), lambda r: s.fn(r) if c.fn(r) is True else None, 'str')
        return Expr('if(%s, %s, %s)' % (c.text, s.text, t.text), lambda r: s.fn(r) if c.fn(r) is True else t.fn(r), 'str')
