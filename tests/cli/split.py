"""split.py - an independent reading of what `mpart split` made, for split.sh.

    split.py check INPUT DIR          the rows of INPUT are those of the shards, each in input order, where their keys
                                      say they belong; the manifest is true
    split.py pairs DIR DIR            two folders split by key alike: equal keys are in shards of the same number
"""
import fractions
import json
import os
import re
import sys
import urllib.parse

MASK = (1 << 64) - 1
P1, P2, P3, P4, P5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
                      0x27D4EB2F165667C5)


def rotate(v, n):
    return (v << n | v >> (64 - n)) & MASK


def one_round(acc, word):
    return rotate((acc + word * P2) & MASK, 31) * P1 & MASK


def xxh64(data):
    """XXH64 with seed 0, from its specification."""
    at, n = 0, len(data)
    if n >= 32:
        acc = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        while at + 32 <= n:
            for i in range(4):
                acc[i] = one_round(acc[i], int.from_bytes(data[at:at + 8], "little"))
                at += 8
        h = sum(rotate(a, r) for a, r in zip(acc, (1, 7, 12, 18))) & MASK
        for a in acc:
            h = ((h ^ one_round(0, a)) * P1 + P4) & MASK
    else:
        h = P5
    h = (h + n) & MASK
    while at + 8 <= n:
        h ^= one_round(0, int.from_bytes(data[at:at + 8], "little"))
        h = (rotate(h, 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= n:
        h ^= int.from_bytes(data[at:at + 4], "little") * P1 & MASK
        h = (rotate(h, 23) * P2 + P3) & MASK
        at += 4
    while at < n:
        h ^= data[at] * P5 & MASK
        h = rotate(h, 11) * P1 & MASK
        at += 1
    h = (h ^ h >> 33) * P2 & MASK
    h = (h ^ h >> 29) * P3 & MASK
    return h ^ h >> 32


NUMBER = re.compile(r"^[ \t]*-?(0|[1-9][0-9]*|[0-9]+\.[0-9]*([eE][+-]?[0-9]+)?|\.[0-9]+([eE][+-]?[0-9]+)?|"
                    r"[0-9]+[eE][+-]?[0-9]+)[ \t]*$")
STAMP = re.compile(r"^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d{1,6})?$")


def canonical(value):
    """What split_key.h says of a value; value None: null."""
    if value is None:
        return b"\0"
    if NUMBER.match(value):
        v = float(value)
        text = repr(v + 0.0 if v else 0.0)
        return (text[:-2] if text.endswith(".0") else text).encode()
    if value in ("true", "True", "TRUE"):
        return b"1"
    if value in ("false", "False", "FALSE"):
        return b"0"
    if value.lower() == "nan":
        return b"nan"
    m = STAMP.match(value)
    if m:
        fraction = (m.group(3) or "").rstrip("0").rstrip(".")
        if m.group(2) == "00:00:00" and not fraction:
            return m.group(1).encode()
        return (m.group(1) + " " + m.group(2) + fraction).encode()
    return value.encode("utf-8", "surrogateescape")


def shard_of(key, n):
    return xxh64(b"\x1f".join(canonical(v) for v in key)) % n


def records(text, delimiter=","):
    """The records of a CSV text as lists of values, None where null; a quoted empty field is ''."""
    out, row, field, quoted, i = [], [], [], False, 0
    while i < len(text):
        c = text[i]
        if c == '"' and not field and not quoted:
            quoted, i = True, i + 1
            while True:
                j = text.index('"', i)
                field.append(text[i:j])
                if text[j + 1:j + 2] == '"':
                    field.append('"')
                    i = j + 2
                    continue
                i = j + 1
                break
            continue
        if c == delimiter or c == "\n":
            value = "".join(field).rstrip("\r") if not quoted else "".join(field)
            row.append(value if value or quoted else None)
            field, quoted = [], False
            if c == "\n":
                out.append(row)
                row = []
        else:
            field.append(c)
        i += 1
    if field or row or quoted:
        row.append("".join(field) if field or quoted else None)
        out.append(row)
    return out


def read_table(path):
    with open(path, "rb") as f:
        text = f.read().decode("utf-8", "surrogateescape")
    if path.endswith(".ndjson"):
        rows = [json.loads(line) for line in text.split("\n") if line]
        names = list(rows[0]) if rows else None
        return names, [[None if r[n] is None else json.dumps(r[n]) if not isinstance(r[n], str) else r[n]
                        for n in names] for r in rows]
    rows = records(text, "\t" if path.endswith(".tsv") else ",")
    return rows[0], rows[1:]


def manifest_of(folder):
    with open(os.path.join(folder, "manifest.json")) as f:
        m = json.load(f)
    assert list(m) == ["mpart", "method", "keys", "schema", "shards"], list(m)
    assert m["mpart"] == 1
    for s in m["shards"]:
        assert list(s) == ["path", "rows", "bytes", "xxh64", "min", "max"], s
        path = os.path.join(folder, s["path"])
        with open(path, "rb") as f:
            data = f.read()
        assert len(data) == s["bytes"], s
        assert "%016x" % xxh64(data) == s["xxh64"], s
    here = sorted(os.path.relpath(os.path.join(d, f), folder) for d, _, files in os.walk(folder) for f in files)
    assert here == sorted([s["path"] for s in m["shards"]] + ["manifest.json"]), here
    return m


def plain(value, kind):
    """A value of a column of this type without its spelling, to compare and order keys: nulls last."""
    if value is None:
        return (2, "")
    if kind in ("int64", "decimal"):
        return (0, fractions.Fraction(value.strip()))
    if kind == "float64":
        v = float(value)
        return (1, 0.0) if v != v else (0, v)
    return (0, value.encode("utf-8", "surrogateescape"))


def check(source, folder):
    names, rows = read_table(source)
    m = manifest_of(folder)
    assert [c["name"] for c in m["schema"]] == names, m["schema"]
    at = [names.index(k) for k in m["keys"]]
    kinds = [m["schema"][i]["type"] for i in at]

    def value_of(key):
        return tuple(plain(v, kind) for v, kind in zip(key, kinds))

    shards, n = [], len(m["shards"])
    for s in m["shards"]:
        head, body = read_table(os.path.join(folder, s["path"]))
        assert head == names or (head is None and s["rows"] == 0), (s, head)
        assert len(body) == s["rows"], s
        shards.append(body)
        keys = [tuple(r[i] for i in at) for r in body]
        known = [k for k in keys if None not in k]
        if m["method"] != "rows" and known:
            order = sorted(known, key=value_of)
            for say, key in ((s["min"], order[0]), (s["max"], order[-1])):
                say = say if isinstance(say, list) else [say]
                if say != [None]:  # JSON has no nan
                    assert value_of(v if isinstance(v, str) else json.dumps(v) for v in say) == value_of(key), s
    expected = [[] for _ in range(n)]
    if m["method"] == "by":
        for r in rows:
            expected[shard_of([r[i] for i in at], n)].append(r)
    elif m["method"] == "rows":
        size = len(shards[0]) or 1
        assert n == max(1, -(-len(rows) // size)), n
        for i, r in enumerate(rows):
            expected[i // size].append(r)
    elif m["method"] == "each":
        paths = {s["path"]: i for i, s in enumerate(m["shards"])}
        folders = {}
        for r in rows:
            key = value_of(r[i] for i in at)
            folders.setdefault(key, []).append(r)
        assert len(folders) == n, (len(folders), n)
        for path, i in paths.items():
            key = []
            for part in path.split("/")[:-1]:
                name, value = part.split("=", 1)
                assert len(part) <= 200 and urllib.parse.unquote(name) == m["keys"][len(key)], path
                null = value == "__HIVE_DEFAULT_PARTITION__"
                key.append(None if null else urllib.parse.unquote(value, errors="surrogateescape"))
            if "~" in path:  # a name that was cut
                key = [shards[i][0][c] for c in at]
            expected[i] = folders.pop(value_of(key))
    else:
        bounds = [[plain(r[at[0]], kinds[0]) for r in s] for s in shards]
        last = None
        for i, b in enumerate(bounds):
            if not b:
                continue
            assert last is None or last < min(b), "shards are not in the order of the key"
            last = max(b)
        where = {k: i for i, b in enumerate(bounds) for k in b}
        for r in rows:
            expected[where[plain(r[at[0]], kinds[0])]].append(r)
    for i in range(n):
        assert shards[i] == expected[i], "shard %d: %s" % (i, m["shards"][i])


def pairs(a, b):
    where = []
    for folder in (a, b):
        m = manifest_of(folder)
        found = {}
        for i, s in enumerate(m["shards"]):
            names, rows = read_table(os.path.join(folder, s["path"]))
            for r in rows:
                key = canonical(r[(names or []).index(m["keys"][0])])
                assert found.setdefault(key, i) == i, (folder, key)
        where.append(found)
    both = set(where[0]) & set(where[1])
    assert len(both) > 3, both
    for key in both:
        assert where[0][key] == where[1][key], key


if __name__ == "__main__":
    assert xxh64(b"") == 0xEF46DB3751D8E999 and xxh64(b"a") == 0xD24EC4F1A98C6E5B
    {"check": check, "pairs": pairs}[sys.argv[1]](*sys.argv[2:])
