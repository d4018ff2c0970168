#!/usr/bin/env python3
"""Writes tests/unit/expr_vectors.h to standard output: random expressions with what they give on the table of expr_fixture.h,
and rounded doubles. Computed from the trees with int, Fraction, float and None: arithmetic exact, decimals at their static
scale, divisions and conversions rounded once; an expression that overflows is left out."""
import math
import random
from fractions import Fraction
F = Fraction
R = random.Random(7)
ROWS = 6
cols = {'i': ('i', 0, [1, -7, None, 123456789, 0, 42]), 'j': ('i', 0, [3, 2, 5, -1000, 0, None]), 'd': ('d', 2, [F('1.50'), F('-2.25'), None, F(100), F(0), F('0.07')]), 'e': ('d', 1, [F('0.1'), None, F('-3.3'), F('2.5'), F(7), F('0.7')]), 'f': ('f', 0, [0.5, float('nan'), None, 1e+300, -0.25, 0.1]), 'b': ('b', 0, [True, False, None, True, False, None]), 'c': ('b', 0, [True, True, False, None, False, None])}


class Skip(Exception):
    pass


def tof(v):
    return v if isinstance(v, float) else float(v)


def lit(kind):
    if kind == 'i':
        v = R.choice([0, 1, 2, 3, 7, 10, -1, -5, 100])
        return ('lit', 'i', 0, v, str(v))
    if kind == 'd':
        t = R.choice(['0.5', '1.25', '-0.1', '2.0', '.75', '3.', '1e-2', '12.345'])
        v = F(t if not t.endswith('.') else t + '0')
        m = t.lstrip('-')
        sc = {'0.5': 1, '1.25': 2, '0.1': 1, '2.0': 1, '.75': 2, '3.': 0, '1e-2': 2, '12.345': 3}[m]
        return ('lit', 'd', sc, v, t)
    t = R.choice(['true', 'false', 'null'])
    return ('lit', 'b' if t != 'null' else 'n', 0, {'true': True, 'false': False, 'null': None}[t], t)


def num(depth):
    if depth == 0 or R.random() < 0.2:
        r = R.random()
        if r < 0.6:
            n = R.choice(['i', 'j', 'd', 'e', 'f', 'i', 'd', 'e'])
            return ('col', n)
        return lit(R.choice('id'))
    r = R.random()
    if r < 0.75:
        return ('bin', R.choice('+-*/%+-*'), num(depth - 1), num(depth - 1))
    if r < 0.85:
        return ('neg', num(depth - 1))
    if r < 0.95:
        return ('if', boo(depth - 1), num(depth - 1), num(depth - 1))
    return ('coalesce', num(depth - 1), num(depth - 1))


def boo(depth):
    if depth == 0:
        return ('col', R.choice('bc')) if R.random() < 0.7 else lit('b')
    r = R.random()
    if r < 0.25:
        return ('bin', R.choice(['and', 'or']), boo(depth - 1), boo(depth - 1))
    if r < 0.35:
        return ('not', boo(depth - 1))
    if r < 0.65:
        return ('bin', R.choice(['=', '!=', '<', '<=', '>', '>=']), num(depth - 1), num(depth - 1))
    if r < 0.75:
        return ('between', num(depth - 1), num(0), num(0))
    if r < 0.88:
        return ('in', num(depth - 1), [num(0) if R.random() < 0.3 else lit(R.choice('id')) for _ in range(R.choice([1, 2, 3, 10, 12]))])
    return ('isnull', num(depth - 1) if R.random() < 0.5 else boo(depth - 1))
PREC = {'or': 1, 'and': 2, 'not': 3, 'isnull': 4, 'cmp': 5, 'between': 6, 'in': 6, '+': 7, '-': 7, '*': 8, '/': 8, '%': 8, 'neg': 9}


def show(n, ctx=0, side=0):
    k = n[0]
    if k == 'col':
        return n[1]
    if k == 'lit':
        return '(' + n[4] + ')' if n[4].startswith('-') and ctx == 9 else n[4]
    if k == 'bin':
        op = n[1]
        p = PREC.get(op, 5)
        if p == 5:
            s = show(n[2], 6) + ' ' + op + ' ' + show(n[3], 6)
        else:
            sp = R.choice([' ', '  ', '']) if op in '+-*/%' else ' '
            s = show(n[2], p) + sp + op + (' ' if op == '-' or (sp == '' and show(n[3], p + 1).startswith('-')) else sp) + show(n[3], p + 1)
    elif k == 'neg':
        p = 9
        s = '- ' + show(n[1], 9) if True else ''
    elif k == 'not':
        p = 3
        s = R.choice(['not ', 'NOT ']) + show(n[1], 3)
    elif k == 'isnull':
        p = 4
        s = show(n[1], 4) + ' is null'
    elif k == 'between':
        p = 6
        s = show(n[1], 7) + ' Between ' + show(n[2], 7) + ' and ' + show(n[3], 7)
    elif k == 'in':
        p = 6
        s = show(n[1], 7) + ' in (' + ', '.join((show(x, 7) for x in n[2])) + ')'
    elif k == 'if':
        return 'if(' + show(n[1]) + ', ' + show(n[2]) + ', ' + show(n[3]) + ')'
    elif k == 'coalesce':
        return 'coalesce(' + show(n[1]) + ',' + show(n[2]) + ')'
    return '(' + s + ')' if p < ctx else s
ORD = 'nidf'


def wid(a, b):
    return a if ORD.index(a) > ORD.index(b) else b


def typ(n):
    k = n[0]
    if k == 'col':
        t = cols[n[1]]
        return (t[0], t[1])
    if k == 'lit':
        return (n[1], n[2])
    if k == 'neg':
        return typ(n[1])
    if k in ('if', 'coalesce'):
        a, b = (n[2], n[3]) if k == 'if' else (n[1], n[2])
        (ta, sa), (tb, sb) = (typ(a), typ(b))
        t = wid(ta, tb)
        return (t, max(sa, sb) if t == 'd' else 0)
    if k == 'bin':
        op = n[1]
        if op in ('and', 'or') or PREC.get(op, 5) == 5:
            return ('b', 0)
        (ta, sa), (tb, sb) = (typ(n[2]), typ(n[3]))
        t = wid(ta, tb)
        if op == '/':
            return ('f', 0)
        if op == '*':
            if t == 'd' and sa + sb > 18:
                return ('f', 0)
            return (t, sa + sb if t == 'd' else 0)
        return (t, max(sa, sb) if t == 'd' else 0)
    return ('b', 0)


def chk(v, t, s):
    if v is None or t in 'fbn':
        return v
    if t == 'i':
        if not -2 ** 63 <= v < 2 ** 63:
            raise Skip
    elif not -2 ** 63 <= v * 10 ** s < 2 ** 63:
        raise Skip
    return v


def conv(v, t):
    if v is None:
        return None
    if t == 'f':
        return tof(v)
    if t == 'd':
        return F(v)
    return v


def trunc_mod(a, b):
    q = abs(F(a)) / abs(F(b))
    q = q.numerator // q.denominator
    r = abs(F(a)) - abs(F(b)) * q
    return -r if a < 0 else r


def cmp(a, b):
    if isinstance(a, float) or isinstance(b, float):
        a, b = (tof(a), tof(b))
        if a != a or b != b:
            return (a != a) - (b != b)
    return (a > b) - (a < b)


def rel(op, a, b):
    if a is None or b is None:
        return None
    c = cmp(a, b)
    return {'=': c == 0, '!=': c != 0, '<': c < 0, '<=': c <= 0, '>': c > 0, '>=': c >= 0}[op]


def land(a, b):
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


def lor(a, b):
    if a is True or b is True:
        return True
    return None if a is None or b is None else False


def ev(n, r):
    k = n[0]
    if k == 'col':
        return cols[n[1]][2][r]
    if k == 'lit':
        return n[3]
    t, s = typ(n)
    if k == 'neg':
        v = ev(n[1], r)
        return None if v is None else chk(-v, t, s)
    if k == 'not':
        v = ev(n[1], r)
        return None if v is None else not v
    if k == 'isnull':
        return ev(n[1], r) is None
    if k == 'if':
        c = ev(n[1], r)
        v = ev(n[2], r) if c is True else ev(n[3], r)
        return chk(conv(v, t), t, s)
    if k == 'coalesce':
        v = ev(n[1], r)
        if v is None:
            v = ev(n[2], r)
        return chk(conv(v, t), t, s)
    if k == 'between':
        x = ev(n[1], r)
        return land(rel('>=', x, ev(n[2], r)), rel('<=', x, ev(n[3], r)))
    if k == 'in':
        x = ev(n[1], r)
        a = False
        for y in n[2]:
            a = lor(a, rel('=', x, ev(y, r)))
        return a
    op = n[1]
    a, b = (ev(n[2], r), ev(n[3], r))
    if op == 'and':
        return land(a, b)
    if op == 'or':
        return lor(a, b)
    if PREC.get(op, 5) == 5:
        return rel(op, a, b)
    if a is None or b is None:
        return None
    if op == '/':
        if b == 0:
            return None
        if isinstance(a, float) or isinstance(b, float):
            return tof(a) / tof(b)
        return float(F(a) / F(b))
    if t == 'f':
        a, b = (tof(a), tof(b))
        if op == '%':
            if b == 0:
                return None
            if math.isinf(a):
                return float('nan')
            return math.fmod(a, b)
        try:
            return a + b if op == '+' else a - b if op == '-' else a * b
        except OverflowError:
            raise Skip
    if op == '%':
        if b == 0:
            return None
        v = trunc_mod(a, b)
        return chk(int(v) if t == 'i' else v, t, s)
    v = a + b if op == '+' else a - b if op == '-' else a * b
    if t == 'd':
        for x, m in ((a, n[2]), (b, n[3])):
            if not -2 ** 63 <= x * 10 ** (s if op != '*' else typ(m)[1]) < 2 ** 63:
                raise Skip
    return chk(v, t, s)


def pr(v):
    if v is None:
        return ''
    if isinstance(v, bool):
        return 'true' if v else 'false'
    if isinstance(v, float):
        return '0.0' if v == 0 else repr(v)
    if isinstance(v, F):
        s = 0
        while (v * 10 ** s).denominator != 1:
            s += 1
        m = int(v * 10 ** s)
        t = str(abs(m)).rjust(s + 1, '0')
        t = t[:-s] + '.' + t[-s:] if s else t + '.0'
        return ('-' if m < 0 else '') + t
    return str(v)
out = []
seen = set()
while len(out) < 260:
    n = num(R.choice([1, 2, 3, 4])) if R.random() < 0.55 else boo(R.choice([1, 2, 3, 4]))
    s = show(n)
    if len(s) > 150 or s in seen:
        continue
    try:
        t = typ(n)[0]
        vals = [ev(n, r) for r in range(ROWS)]
        vals = [conv(v, t) if t in 'df' else v for v in vals]
        if any((isinstance(v, float) and abs(v) == float('inf') for v in vals)):
            continue
    except (Skip, OverflowError, ValueError):
        continue
    seen.add(s)
    out.append((s, '|'.join((pr(v) for v in vals))))
print('/* expr_vectors.h - expressions and rounded doubles with their answers. Generated by expr_vectors.py; do not edit. */')
print('#ifndef TEST_EXPR_VECTORS_H\n#define TEST_EXPR_VECTORS_H\n')
print('static const struct {\n    const char *text, *want;\n} vectors[] = {')
for s, v in out:
    print('    {"%s",\n     "%s"},' % (s, v))
print('};\n')
R = random.Random(3)


def rnd(x, n):
    v = F(x) * F(10) ** n
    a = abs(v)
    q = a.numerator // a.denominator
    if a - q >= F(1, 2):
        q += 1
    r = F(q) / F(10) ** n
    r = float(r)
    return -r if x < 0 else r
xs = [2.675, 0.125, -0.125, 1.005, 0.5, 1.5, 2.5, -2.5, 1000000000000000.0 + 0.5, 123456.789, 4503599627370498.0, 0.1 + 0.2, 1e-07, 9.999999, 1e+22, 0.285, 1.115, -1.005, 4.35, 5e-324]
for _ in range(60):
    xs.append(R.choice([-1, 1]) * round(R.random() * 10 ** R.randint(-3, 9), R.randint(1, 5)))
for _ in range(20):
    xs.append(R.randint(-10 ** 6, 10 ** 6) / 2 ** R.randint(1, 6))
out = []
for x in xs:
    for n in R.sample([0, 1, 2, 3, 5, 8], 2) + [R.choice([-1, -2, -3])]:
        out.append((x, n, rnd(x, n)))
print('static const struct {\n    double x;\n    int n;\n    double want;\n} rounded[] = {')
for x, n, r in out:
    print('    {%r, %d, %r},' % (x, n, r))
print('};\n\n#endif')
