"""h5_write.py FILE.h5 FILE.csv TYPES [PATH]: is the HDF5 file, as h5py reads it (with OTHERS=1 in the
environment also PyTables and pandas), the table of the CSV file? TYPES: a letter a column, i int, f float, s string, b bool, d date, t
timestamp. With PATH of a group: the columns layout. Prints ok, or fails.
h5_write.py serve: one process for many files. Each line of standard input has the value of OTHERS and these arguments, with tabs
between; a child of its own checks them, and the line "end" is behind what it says."""
import datetime, math, os, sys, warnings

import h5py
import numpy as np

if sys.argv[1] == "serve":
    import pandas, tables  # once, for the children
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.environ["OTHERS"], *sys.argv[1:] = line.rstrip("\n").split("\t")
            break
        os.waitpid(child, 0)
        print("end", flush=True)
    else:
        sys.exit()
path, text, types = sys.argv[1:4]
place = sys.argv[4] if len(sys.argv) > 4 else "/data/table"


def records(name):
    """Rows of fields; null is None, and a quoted empty field is ""."""
    data = open(name, newline="", encoding="utf-8").read()
    if '"' not in data:
        return [[field or None for field in line.split(",")] for line in data.split("\n")[:-1]]
    row, field, rows, i, quoted = [], "", [], 0, False
    while i < len(data):
        c = data[i]
        if c == '"':
            quoted, i = True, i + 1
            while data[i] != '"' or data[i + 1:i + 2] == '"':
                i += 2 if data[i] == '"' else 1
                field += data[i - 1]
        elif c in ",\n":
            row.append(field if field or quoted else None)
            field, quoted = "", False
            if c == "\n":
                rows.append(row)
                row = []
        else:
            field += c
        i += 1
    return rows


EPOCH = datetime.datetime(1970, 1, 1)


def value(t, field):
    if t == "f":
        return math.nan if field is None else float(field)
    if t == "s":
        return b"" if field is None else field.encode()
    if field is None:
        return 0
    if t == "i":
        return int(field)
    if t == "b":
        return {"true": True, "false": False}[field.lower()]
    when = datetime.datetime.fromisoformat(field.ljust(26, "0") if "." in field else field)
    delta = when - EPOCH
    return delta.days if t == "d" else (delta.days * 86400 + delta.seconds) * 10**6 + delta.microseconds


rows = records(text)
names, rows = rows[0], rows[1:]
assert len(names) == len(types), (len(names), types)
nulls = [[r[c] is None for r in rows] for c in range(len(names))]
want = [[value(t, r[c]) for r in rows] for c, t in enumerate(types)]
DTYPES = {"i": "<i8", "f": "<f8", "b": "bool", "d": "<i8", "t": "<i8"}


def check_values(got, c):
    t = types[c]
    assert len(got) == len(rows), (names[c], len(got), len(rows))
    if t == "s":
        assert got.dtype.kind == "S", got.dtype
        # a file of bytes: no string is longer than the longest
        assert got.dtype.itemsize == max([1] + [len(v) for v in want[c]]), (names[c], got.dtype)
        assert list(got) == want[c], names[c]
    else:
        assert got.dtype == DTYPES[t], (names[c], got.dtype)
        same = np.array_equal(got, np.array(want[c], dtype=DTYPES[t]), equal_nan=t == "f")
        assert same, (names[c], got, want[c])


def check_units(attrs, c, prefix=""):
    units = attrs.get(prefix + "units")
    assert units == {"d": "days since 1970-01-01",
                     "t": "microseconds since 1970-01-01 00:00:00"}.get(types[c]), (names[c], units)


def check_table(f):
    d = f[place]
    assert list(d.dtype.names or ()) == names, d.dtype
    assert d.shape == (len(rows),) and d.chunks and d.shuffle in (True, False)
    all_rows = d[:]
    for c, name in enumerate(names):
        check_values(all_rows[name], c)
        check_units(d.attrs, c, f"FIELD_{c}_ATTR_")
        mask = f.get(d.parent.name.rstrip("/") + "/null/" + name)
        if types[c] == "f" or not any(nulls[c]):
            assert mask is None, name
        else:
            assert mask.dtype == np.uint8 and list(mask[:]) == nulls[c], name
    assert {"mpart_version", "mpart_query", "mpart_inputs"} <= set(d.attrs), list(d.attrs)


def check_columns(f):
    g = f[place]
    assert g.attrs["encoding-type"] == "dataframe" and g.attrs["encoding-version"] == "0.2.0"
    assert list(g.attrs["column-order"]) == names
    assert list(g[g.attrs["_index"]][:]) == list(range(len(rows)))
    assert {"mpart_version", "mpart_query", "mpart_inputs"} <= set(g.attrs), list(g.attrs)
    assert len(g) == len(names) + 1
    for c, name in enumerate(names):
        d = g[name]
        if isinstance(d, h5py.Group):
            kind = {"s": "nullable-string-array", "b": "nullable-boolean"}
            assert d.attrs["encoding-type"] == kind.get(types[c], "nullable-integer")
            assert d.attrs["encoding-version"] == "0.1.0"
            mask = d["mask"][:]
            assert mask.dtype == bool and list(mask) == nulls[c], name
            assert d["mask"].attrs["encoding-type"] == "array", name
            d = d["values"]
        else:
            assert types[c] == "f" or not any(nulls[c]), name
        assert d.attrs["encoding-type"] == ("string-array" if types[c] == "s" else "array")
        assert d.attrs["encoding-version"] == "0.2.0"
        check_values(d[:], c)
        check_units(d.attrs, c)


def check_pandas():
    import pandas as pd
    for frame in (pd.read_hdf(path), pd.read_hdf(path, "data")):
        assert list(frame.columns) == names, frame.columns
        for c, name in enumerate(names):
            got = list(frame[name])
            if types[c] == "f":
                assert np.array_equal(got, want[c], equal_nan=True), name
            elif types[c] == "s":
                assert got == [v.decode() for v in want[c]], name
            else:
                assert got == want[c], name


def check_pytables():
    import tables
    with tables.open_file(path) as f:
        t = f.get_node(place)
        assert t.nrows == len(rows) and list(t.colnames) == names
        for c, name in enumerate(names):
            got = t.col(name)
            if types[c] == "f":
                assert np.array_equal(got, want[c], equal_nan=True), name
            else:
                assert list(got) == want[c], name


with h5py.File(path) as f:
    if isinstance(f[place], h5py.Group):
        check_columns(f)
    else:
        check_table(f)
        if os.environ.get("OTHERS"):
            warnings.simplefilter("ignore")
            check_pytables()
            check_pandas()
print("ok")
