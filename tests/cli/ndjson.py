# ndjson.py - NDJSON made at random, and what Python's json makes of it, for ndjson.sh.
#   make FILE SEED ROWS BROKEN   objects with few keys; behind the first 300 KB BROKEN of the lines are damaged
#   pass FILE                    the table as CSV, bad rows left out: what `query FILE --on-bad-row skip` has to print
#   rejects FILE                 how many rows are bad
import json
import random
import re
import sys

KEYS = ['id', 'n', 'text', 'mixed', 'deep', 'flag', 'when', 'é"k', 'rare']


def token(rng, s):
    """A string as a JSON token, each character escaped or not."""
    out = ''
    for c in s:
        short = {'"': '\\"', '\\': '\\\\', '\n': '\\n', '\t': '\\t', '\r': '\\r', '\b': '\\b', '\f': '\\f'}
        roll = rng.random()
        if c in short and (roll < 0.8):
            out += short[c]
        elif c == '/' and roll < 0.5:
            out += '\\/'
        elif c in '"\\' or ord(c) < 32 or roll < 0.05:
            u = c.encode('utf-16-be').hex()
            out += ''.join('\\u' + (u[i:i + 4].upper() if roll < 0.02 else u[i:i + 4]) for i in range(0, len(u), 4))
        else:
            out += c
    assert json.loads('"' + out + '"') == s
    return '"' + out + '"'


def text(rng):
    return ''.join(rng.choice('ab ,"\\/\n\r\t{}[]:é€😀0\x01') for _ in range(rng.choice([0, 1, 3, 7, 8, 9, 30])))


def number(rng):
    return rng.choice(['0', '-0', '1', '17', '-3.50', '2.5', '1e3', '1E-2', '12345678901234567', '0.1',
                       str(rng.randrange(-10**6, 10**6)), '123456789012345678901234567890', '-1.25e+2'])


def blank(rng):
    return rng.choice(['', '', '', ' ', '\t', '  '])


def value(rng, depth=0):
    kind = rng.randrange(7 if depth < 3 else 5)
    if kind == 0:
        return number(rng)
    if kind == 1:
        return rng.choice(['true', 'false'])
    if kind == 2:
        return 'null'
    if kind in (3, 4):
        return token(rng, text(rng))
    items = [value(rng, depth + 1) for _ in range(rng.randrange(3))]
    if kind == 5:
        return '[' + blank(rng) + (blank(rng) + ',' + blank(rng)).join(items) + ']'
    return '{' + ','.join(token(rng, text(rng)) + blank(rng) + ':' + i for i in items) + blank(rng) + '}'


def line(rng, i):
    made = {'id': lambda: str(i), 'n': lambda: str(rng.randrange(1000) / 4),
            'text': lambda: token(rng, rng.choice(['5', '5.0', '1.50', 'true', 'x', '', text(rng)])),
            'mixed': lambda: value(rng), 'deep': lambda: value(rng, 1), 'flag': lambda: rng.choice(['true', 'false']),
            'when': lambda: '"20%02d-0%d-1%d"' % (rng.randrange(30), rng.randrange(1, 10), rng.randrange(10)),
            'é"k': lambda: rng.choice(['1', '"one"', 'null']), 'rare': lambda: '7'}
    keys = [k for k in KEYS if rng.random() < (0.02 if k == 'rare' else 0.9)]
    if rng.random() < 0.2:
        rng.shuffle(keys)
    if keys and rng.random() < 0.05:
        keys.append(rng.choice(keys))
    parts = [token(rng, k) + blank(rng) + ':' + blank(rng) + made[k]() for k in keys]
    return blank(rng) + '{' + blank(rng) + (blank(rng) + ',' + blank(rng)).join(parts) + '}' + blank(rng)


def damage(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2])):
        at = rng.randrange(len(data)) if data else 0
        junk = rng.choice(b'{}[]",:\\u0e-+.tfn19 \xff\xc3\x01x')
        if rng.random() < 0.4 or not data:
            data[at:at] = bytes([junk])
        elif rng.random() < 0.5:
            data[at] = junk
        else:
            del data[at:at + rng.choice([1, 1, 5])]
    return bytes(data)


def make(path, seed, rows, broken):
    rng = random.Random(seed)
    first = '{' + ','.join(token(rng, k) + ':null' for k in KEYS) + '}'
    size = 0
    with open(path, 'wb') as f:
        for i in range(rows):
            data = (first if i == 0 else line(rng, i)).encode()
            if size > 300000 and rng.random() < broken:
                data = damage(rng, data)
            if rng.random() < 0.02:
                f.write(rng.choice([b'\n', b' \r\n', b'\t\n']))
            data += rng.choice([b'\n', b'\n', b'\r\n'])
            if i == rows - 1:
                data = data.rstrip(b'\r\n')
            f.write(data)
            size += len(data)


def lone_surrogate(raw):
    high = None
    for m in re.finditer(r'\\(?:u([0-9a-fA-F]{4})|.)', raw):
        v = int(m.group(1), 16) if m.group(1) else 0
        if m.group(1) and v == 0:
            return True
        if high is not None:
            if m.start() != high or not 0xDC00 <= v < 0xE000:
                return True
            high = None
        elif 0xDC00 <= v < 0xE000:
            return True
        elif 0xD800 <= v < 0xDC00:
            high = m.end()
    return high is not None


def no_constant(name):
    raise ValueError(name)


DECODER = json.JSONDecoder(parse_constant=no_constant)


def members(raw):
    """The members of an object's text: key, and the text of the value as it stands. ValueError: it is none."""
    if not isinstance(DECODER.decode(raw), dict) or lone_surrogate(raw):
        raise ValueError
    skip = re.compile(r'[ \t\r\n]*')
    at = skip.match(raw, skip.match(raw).end() + 1).end()
    found = {}
    while raw[at] != '}':
        key, at = DECODER.raw_decode(raw, at)
        at = skip.match(raw, skip.match(raw, at).end() + 1).end()
        v, end = DECODER.raw_decode(raw, at)
        found[key] = None if v is None else v if isinstance(v, str) else raw[at:end]
        at = skip.match(raw, end).end()
        if raw[at] == ',':
            at = skip.match(raw, at + 1).end()
    return found


def read(path):
    rows, bad, size, columns = [], 0, 0, []
    for raw in open(path, 'rb').read().split(b'\n'):
        size += len(raw) + 1
        s = raw.decode('utf-8', 'surrogateescape')
        if not s.strip(' \t\r'):
            continue
        try:
            found = members(s)
        except ValueError:
            bad += 1
            continue
        if not columns:
            columns = list(found)
        if any(k not in columns for k in found):
            bad += 1
        else:
            rows.append([found.get(c) for c in columns])
    return columns, rows, bad


def field(v):
    if v is None:
        return ''
    if v == '' or any(c in v for c in ',"\r\n'):
        return '"' + v.replace('"', '""') + '"'
    return v


what, path = sys.argv[1:3]
if what == 'make':
    make(path, int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
else:
    columns, rows, bad = read(path)
    if what == 'rejects':
        print(bad)
    else:
        out = ''.join(','.join(field(v) for v in row) + '\n' for row in [columns] + rows)
        sys.stdout.buffer.write(out.encode('utf-8', 'surrogateescape'))
