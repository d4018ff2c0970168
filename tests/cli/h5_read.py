#!/usr/bin/python3
"""Files of every kind that HDF5 tables come in, each with the CSV that their own tools read out of them.

make DIR: NAME.h5, NAME.args (the operand) and NAME.want (CSV) for every case; bad/: files to be refused; flipped/: files with
bytes changed at random.
"""
import os
import random, struct
import sys
import warnings

import h5py
import numpy as np
import pandas as pd
import tables

warnings.simplefilter("ignore")
N = 5003


def text(v):
    """A value as mpart prints it."""
    if v is None or v is pd.NaT or (isinstance(v, (float, np.floating)) and np.isnan(v)):
        return ""
    if isinstance(v, (bool, np.bool_)):
        return "true" if v else "false"
    if isinstance(v, (np.floating, float)):
        return repr(float(v)) if v != 0 else "0.0"
    if isinstance(v, (pd.Timestamp, np.datetime64)):
        s = str(pd.Timestamp(v).floor("us"))
        return s.rstrip("0") if "." in s else s
    if isinstance(v, bytes):
        v = v.decode()
    s = str(v)
    return '"' + s.replace('"', '""') + '"' if s == "" or any(c in s for c in ',"\n\r') else s


def write_want(path, columns):
    names = list(columns)
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(",".join(text(n) for n in names) + "\n")
        for row in zip(*(list(columns[n]) for n in names)):
            f.write(",".join(text(v) for v in row) + "\n")


CASES = {}


def case(fn):
    CASES[fn.__name__] = fn
    return fn


def words(n, seed=1, odd=False):
    r = random.Random(seed)
    some = ["", "a", "bc", "é", "日本", "x,y", 'q"q', "long text of some size, really"] if odd else ["aa", "b", "cdef"]
    return [r.choice(some) for _ in range(n)]


# Each returns (operand's object or "", columns).

@case
def widths(p):
    """Every width, both byte orders, contiguous."""
    r = np.random.default_rng(2)
    cols = {}
    with h5py.File(p, "w", track_order=True) as f:
        for o in "<>":
            for t in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"):
                info = np.iinfo(t)
                v = r.integers(info.min, min(info.max, 2**63 - 1), N, dtype=t, endpoint=True)
                v[:2] = info.min, min(info.max, 2**63 - 1)
                f["%s_%s" % (t, "le" if o == "<" else "be")] = v.astype(o + t)
            for t in ("f2", "f4", "f8"):
                v = (r.random(N) * 1000 - 500).astype(o + t)
                v[:4] = 0, np.nan, np.inf, -np.inf
                f["%s_%s" % (t, "le" if o == "<" else "be")] = v
        for k in f:
            cols[k] = f[k][:]
    return "", cols


@case
def filters(p):
    r = np.random.default_rng(3)
    v = r.integers(0, 50, N)
    ways = {"gz": dict(compression="gzip"), "gz_sh": dict(compression="gzip", shuffle=True),
            "fl": dict(fletcher32=True), "all": dict(compression="gzip", shuffle=True, fletcher32=True),
            "lzf": dict(compression="lzf"), "lzf_sh": dict(compression="lzf", shuffle=True, fletcher32=True),
            "plain": {}, "szip": dict(compression="szip"), "so": dict(scaleoffset=0)}
    cols = {}
    with h5py.File(p, "w", track_order=True) as f:
        for i, (k, w) in enumerate(ways.items()):
            x = v.astype(["i8", "i4", "i2", "f8"][i % 4]) if k != "so" else v
            f.create_dataset(k, data=x, chunks=(97 * (i + 3),), **w)
            cols[k] = x
        noise = r.integers(-2**62, 2**62, N)  # LZF gives up on it
        f.create_dataset("noise", data=noise, chunks=(1000,), compression="lzf")
        cols["noise"] = noise
        d = f.create_dataset("holes", shape=(N,), chunks=(500,), dtype="i4", fillvalue=-7, compression="gzip")
        d[600:1200] = 5
        cols["holes"] = d[:]
        cols["never"] = f.create_dataset("never", shape=(N,), dtype="f8", fillvalue=1.5)[:]
    return "", cols


@case
def strings(p):
    cols = {}
    w = words(N, odd=True)
    with h5py.File(p, "w", track_order=True) as f:
        f.create_dataset("v", data=w, dtype=h5py.string_dtype())
        f.create_dataset("vc", data=w, dtype=h5py.string_dtype(), chunks=(700,), compression="gzip")
        fixed = [x.encode() for x in w]
        f.create_dataset("s", data=np.array(fixed, dtype="S40"), chunks=(111,), compression="gzip", shuffle=True)
        f.create_dataset("u", data=fixed, dtype=h5py.string_dtype("utf-8", 33))
        t = h5py.h5t.C_S1.copy()
        t.set_size(12)
        t.set_strpad(h5py.h5t.STR_SPACEPAD)
        d = h5py.h5d.create(f.id, b"sp", t, h5py.h5s.create_simple((N,)))
        d.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([b"%-12s" % (b"k%d" % (i % 9)) for i in range(N)], dtype="S12"), t)
        for k in "v", "vc", "s", "u":
            cols[k] = w
        cols["sp"] = ["k%d" % (i % 9) for i in range(N)]
    return "", cols


@case
def kinds(p):
    """Enums, bools, times, in a table of columns."""
    r = np.random.default_rng(4)
    e = r.integers(0, 3, N)
    when = (np.datetime64("2020-02-28T23:59:59") + r.integers(0, 10**9, N).astype("m8[ms]")).astype("M8[ns]")
    day = np.datetime64("1999-12-31") + r.integers(0, 9999, N)
    with h5py.File(p, "w", track_order=True) as f:
        f.create_dataset("e", data=e, dtype=h5py.enum_dtype({"RED": 0, "GREEN": 1, "BLUE": 2}, basetype=">i2"))
        f["b"] = e == 1
        f["ns"] = when.astype("i8")
        f["ns"].attrs["units"] = "nanoseconds since 1970-01-01"
        f["s"] = (when.astype("M8[s]") - np.datetime64("2000-01-01")).astype("i8")
        f["s"].attrs["units"] = "seconds since 2000-01-01 00:00:00"
        f["h"] = np.arange(N) / 4
        f["h"].attrs["units"] = b"hours since 2001-01-01"
        f["d"] = day.astype("i4")
        f["d"].attrs["units"] = "days since 1970-01-01"
        f.create_dataset("m8", data=when.astype("M8[us]").astype(h5py.opaque_dtype("M8[us]")))
        f["packed"] = (e * 10).astype("i2")
        f["packed"].attrs.update(scale_factor=0.5, add_offset=100.0, _FillValue=np.int16(20))
        f["unit"] = e
        f["unit"].attrs["units"] = "metres"
    cols = {"e": [("RED", "GREEN", "BLUE")[x] for x in e], "b": e == 1, "ns": when, "s": when.astype("M8[s]"),
            "h": np.datetime64("2001-01-01") + (np.arange(N) * 15).astype("m8[m]"), "d": [str(x) for x in day],
            "m8": when, "packed": [None if x == 2 else x * 10 * 0.5 + 100 for x in e], "unit": e}
    return "", cols


def records(n, seed=5):
    r = np.random.default_rng(seed)
    d = np.zeros(n, dtype=[("id", "<i8"), ("x", ">f8"), ("name", "S6"), ("in", [("a", "u1"), ("b", ">i4")]),
                           ("vec", "<f4", (2,)), ("ok", "?")])
    d["id"] = np.arange(n)
    d["x"] = r.random(n)
    d["name"] = [w.encode() for w in words(n, seed)]
    d["in"]["a"] = r.integers(0, 255, n)
    d["in"]["b"] = r.integers(-10**9, 10**9, n)
    d["vec"] = r.random((n, 2))
    d["ok"] = r.random(n) > 0.5
    return d, {"id": d["id"], "x": d["x"], "name": d["name"], "in.a": d["in"]["a"], "in.b": d["in"]["b"],
               "vec_1": d["vec"][:, 0], "vec_2": d["vec"][:, 1], "ok": d["ok"]}


@case
def compound(p):
    d, cols = records(N)
    with h5py.File(p, "w") as f:
        f.create_dataset("deep/er/t", data=d)
    return "", cols


@case
def compound_chunks(p):
    d, cols = records(N)
    with h5py.File(p, "w", libver="latest") as f:
        f.create_dataset("t", data=d, chunks=(123,), compression="gzip", shuffle=True, maxshape=(None,))
        f.create_dataset("other", data=np.arange(3))
    return ":/t", cols


@case
def compound_texts(p):
    w = words(N, 7, odd=True)
    d = np.zeros(N, dtype=[("a", "i2"), ("s", h5py.string_dtype()), ("b", "i8"), ("t", h5py.string_dtype()), ("c", "f8")])
    d["a"], d["s"], d["b"], d["t"], d["c"] = np.arange(N), w, -np.arange(N), w[::-1], np.arange(N) / 8
    with h5py.File(p, "w") as f:
        f.create_dataset("t", data=d, chunks=(500,), compression="gzip")
    return "", {"a": d["a"], "s": w, "b": d["b"], "t": w[::-1], "c": d["c"]}


@case
def nd(p):
    v = np.random.default_rng(6).integers(0, 1000, (211, 5, 4)).astype(">i4")
    with h5py.File(p, "w") as f:
        f.create_dataset("m", data=v, chunks=(10, 2, 3), compression="gzip")
    return "", {"c%d" % (i + 1): v.reshape(211, -1)[:, i] for i in range(20)}


@case
def nd_flat(p):
    v = np.random.default_rng(6).random((N, 3))
    with h5py.File(p, "w") as f:
        f["m"] = v
    return "", {"c%d" % (i + 1): v[:, i] for i in range(3)}


def frame(n=N):
    r = np.random.default_rng(8)
    return pd.DataFrame({"i": r.integers(0, 99, n), "f": np.where(r.random(n) < .1, np.nan, r.random(n)),
                         "s": [None if i % 7 == 0 else w for i, w in enumerate(words(n, 9))],
                         "t": pd.date_range("2020-01-01", periods=n, freq="37min"), "b": r.random(n) > .5,
                         "j": r.integers(0, 9, n).astype("i2"), "c": pd.Categorical(words(n, 10))})


def columns_of(df, index=None):
    cols = {}
    if index is not None:
        cols[index] = df.index
    for c in df:
        cols[c] = [None if x is None or x is pd.NaT or x != x else x for x in df[c]]
    return cols


@case
def pandas_table(p):
    df = frame()
    df.to_hdf(p, "df", format="table", data_columns=["c", "j"], complevel=5)
    return "", columns_of(df, "index")


@case
def pandas_index(p):
    df = frame().drop(columns="c").set_index("t")
    df.to_hdf(p, "some/df", format="table")
    return ":/some/df/table", columns_of(df, "t")


@case
def pandas_multi(p):
    df = frame(300).drop(columns="c")
    df["i"] = np.arange(300)
    m = df.set_index(["i", "j"])
    m.to_hdf(p, "df", format="table")
    got = pd.read_hdf(p).reset_index()
    cols = {"index": np.arange(300)}
    for c in ("i", "j", "f", "s", "t", "b"):
        cols[c] = [None if x is None or x != x else x for x in got[c]]
    return "", cols


@case
def pandas_fixed(p):
    df = frame().drop(columns=["c", "s"])
    df.to_hdf(p, "df", format="fixed")
    return "", columns_of(df, "index")


@case
def pandas_series(p):
    s = pd.Series(np.arange(100) * 1.5, name="price", index=np.arange(100) * 2)
    s.to_hdf(p, "s", format="fixed")
    return "", {"index": s.index, "price": s.values}


@case
def pytables(p):
    class Row(tables.IsDescription):
        a = tables.Int32Col(pos=0)
        b = tables.BoolCol(pos=1)
        s = tables.StringCol(9, pos=2)
        e = tables.EnumCol(["x", "y"], "x", "uint8", pos=3)
        f = tables.Float32Col(shape=(2,), pos=4)

    f = tables.open_file(p, "w")
    t = f.create_table("/grp", "t", Row, createparents=True, filters=tables.Filters(5, "zlib"), chunkshape=77)
    t.append([(i, i % 3 == 0, b"n%d" % i, i % 2, (i, i / 2)) for i in range(1000)])
    t.flush()
    t.cols.a.create_index()
    f.close()
    i = np.arange(1000)
    return "", {"a": i, "b": i % 3 == 0, "s": ["n%d" % k for k in i], "e": ["xy"[k % 2] for k in i],
                "f_1": i * 1.0, "f_2": i / 2}


@case
def pytables_blosc(p):
    f = tables.open_file(p, "w")
    v = np.arange(N * 3).reshape(N, 3)
    f.create_carray("/", "m", obj=v, filters=tables.Filters(5, "blosc"), chunkshape=(500, 3))
    f.close()
    return "", {"c%d" % (i + 1): v[:, i] for i in range(3)}


@case
def anndata(p):
    n = 400
    r = np.random.default_rng(11)
    codes = r.integers(-1, 3, n).astype("i1")
    with h5py.File(p, "w") as f:
        f.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        f.create_dataset("X", data=r.random((n, 5)).astype("f4"))
        g = f.create_group("obs")
        g.attrs.update({"encoding-type": "dataframe", "_index": "_index", "encoding-version": "0.2.0"})
        g.attrs["column-order"] = np.array(["kind", "n", "ok", "x", "size", "tag", "group"],
                                           dtype=h5py.string_dtype())
        g.create_dataset("_index", data=["cell%d" % i for i in range(n)], dtype=h5py.string_dtype())
        k = g.create_group("kind")
        k.attrs["encoding-type"] = "categorical"
        k["codes"] = codes
        k.create_dataset("categories", data=["B", "NK", "T"], dtype=h5py.string_dtype())
        m = g.create_group("n")
        m.attrs["encoding-type"] = "nullable-integer"
        m["values"], m["mask"] = np.arange(n), np.arange(n) % 5 == 0
        m = g.create_group("ok")
        m.attrs["encoding-type"] = "nullable-boolean"
        m["values"], m["mask"] = np.arange(n) % 2 == 0, np.arange(n) % 7 == 0
        g["x"] = np.arange(n) / 4
        k = g.create_group("size")
        k.attrs["encoding-type"] = "categorical"
        k["codes"], k["categories"] = (codes + 1) % 3, np.array([10, 20, 30])
        # as newer versions write texts that may be null, also those of categories
        for where, texts in (("tag", ["t%d" % (i % 9) for i in range(n)]), ("group/categories", ["u", "v", "w"])):
            m = g.create_group(where)
            m.attrs["encoding-type"] = "nullable-string-array"
            m.create_dataset("values", data=texts, dtype=h5py.string_dtype())
            m["mask"] = np.arange(len(texts)) % 11 == 4
        g["group"].attrs["encoding-type"] = "categorical"
        g["group/codes"] = codes
        f.create_group("var").attrs["encoding-type"] = "dict"
    cols = {"_index": ["cell%d" % i for i in range(n)], "kind": [None if c < 0 else ("B", "NK", "T")[c] for c in codes],
            "n": [None if i % 5 == 0 else i for i in range(n)],
            "ok": [None if i % 7 == 0 else i % 2 == 0 for i in range(n)], "x": np.arange(n) / 4,
            "size": [(10, 20, 30)[(c + 1) % 3] for c in codes],
            "tag": [None if i % 11 == 4 else "t%d" % (i % 9) for i in range(n)],
            "group": [None if c < 0 else "uvw"[c] for c in codes]}
    return ":obs", cols


@case
def vaex(p):
    when = np.datetime64("2020-01-01") + np.arange(200).astype("m8[h]")
    with h5py.File(p, "w") as f:
        g = f.create_group("table/columns")
        g["x/data"] = np.arange(200) / 2
        g["k/data"] = np.arange(200)
        g["k/mask"] = np.arange(200) % 3 == 0
        g["t/data"] = when.astype("M8[ns]").astype("i8")
        g["t/data"].attrs["dtype"] = "datetime64[ns]"
        # texts end to end, as vaex exports them, with bits of nulls; plain values have such bits, too
        texts = ["" if i % 7 == 0 else "né" * (i % 5) + str(i) for i in range(200)]
        some = [None if i % 4 == 1 else t for i, t in enumerate(texts)]
        bits = np.packbits([t is not None for t in some], bitorder="little")
        for name, width, values in (("s", "i4", texts), ("u", "i8", some)):
            bs = [(v or "").encode() for v in values]
            g[name + "/data"] = np.frombuffer(b"".join(bs), dtype="S1")
            g[name + "/indices"] = np.cumsum([0] + [len(b) for b in bs]).astype(width)
        g["u/null_bitmap"], g["n/data"], g["n/null_bitmap"] = bits, np.arange(200, dtype="i2"), bits
    return "", {"k": [None if i % 3 == 0 else i for i in range(200)],
                "n": [None if i % 4 == 1 else i for i in range(200)], "s": texts, "t": when, "u": some,
                "x": np.arange(200) / 2}


def scales(f, **dims):
    for k, v in dims.items():
        f[k] = v
        f[k].make_scale(k)


@case
def netcdf_station(p):
    with h5py.File(p, "w", track_order=True) as f:
        scales(f, time=np.arange(50) * 6)
        f["time"].attrs["units"] = "hours since 1990-01-01"
        f["temp"] = np.where(np.arange(50) == 7, -999, np.arange(50) * .5).astype("f4")
        f["temp"].attrs["_FillValue"] = np.float32(-999)
        f["temp"].dims[0].attach_scale(f["time"])
        f["station"] = 5
    t = np.datetime64("1990-01-01") + (np.arange(50) * 6).astype("m8[h]")
    return "", {"time": t, "temp": [None if i == 7 else i * .5 for i in range(50)]}


@case
def netcdf_grid(p):
    v = np.random.default_rng(12).random((30, 4, 3))
    with h5py.File(p, "w") as f:
        scales(f, time=np.arange(30), lat=np.arange(4.), lon=np.arange(3.))
        f["time"].attrs["units"] = "days since 2000-01-01"
        f["v"] = v
        for i, k in enumerate(("time", "lat", "lon")):
            f["v"].dims[i].attach_scale(f[k])
    cols = {"time": [str(np.datetime64("2000-01-01") + i) for i in range(30)]}
    cols.update({"c%d" % (i + 1): v.reshape(30, 12)[:, i] for i in range(12)})
    return "", cols


def matlab_file(p):
    f = h5py.File(p, "w", userblock_size=512)
    f.close()
    with open(p, "r+b") as g:
        g.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + b"\0" * 8 + b"\0\2IM")
    return h5py.File(p, "r+")


@case
def matlab(p):
    m = np.arange(12.).reshape(4, 3) + .5
    with matlab_file(p) as f:
        f["A"] = m.T
        f["A"].attrs["MATLAB_class"] = b"double"
    return "", {"c%d" % (i + 1): m[:, i] for i in range(3)}


@case
def matlab_vectors(p):
    with matlab_file(p) as f:
        for k, v, c in (("x", np.arange(300.), b"double"), ("n", np.arange(300).astype("i4"), b"int32"),
                        ("ok", (np.arange(300) % 2).astype("u1"), b"logical")):
            f.create_dataset(k, data=v.reshape(1, 300), chunks=(1, 100), compression="gzip")
            f[k].attrs["MATLAB_class"] = c
    i = np.arange(300)
    return "", {"n": i, "ok": i % 2 == 1, "x": i * 1.}


@case
def matlab_char(p):
    rows = ["first ", "secönd", "3     "]
    with matlab_file(p) as f:
        f["names"] = np.array([[ord(c) for c in r] for r in rows], dtype="u2").T
        f["names"].attrs["MATLAB_class"] = b"char"
    return "", {"names": [r.rstrip() for r in rows]}


@case
def mpart_nulls(p):
    """As mpart writes: records at /data/table, marks of nulls beside them."""
    d = np.zeros(100, dtype=[("k", "i8"), ("s", "S4"), ("x", "f8")])
    d["k"], d["s"], d["x"] = np.arange(100), b"a", np.where(np.arange(100) % 4, np.arange(100) / 2, np.nan)
    with h5py.File(p, "w") as f:
        f.create_dataset("data/table", data=d, chunks=(64,), compression="gzip")
        f["data/null/k"] = (np.arange(100) % 3 == 0).astype("u1")
        f["data/null/s"] = (np.arange(100) % 5 == 0).astype("u1")
    i = range(100)
    return "", {"k": [None if k % 3 == 0 else k for k in i], "s": [None if k % 5 == 0 else "a" for k in i],
                "x": [k / 2 if k % 4 else None for k in i]}


@case
def virtual(p):
    parts = []
    for k in range(3):
        q = "%s.part%d" % (p, k)
        with h5py.File(q, "w") as f:
            f.create_dataset("v", data=np.arange(100) + 100 * k, chunks=(30,), compression="gzip")
        parts.append(q)
    layout = h5py.VirtualLayout((300,), "i8")
    for k, q in enumerate(parts):
        layout[100 * k:100 * k + 100] = h5py.VirtualSource(os.path.basename(q), "v", (100,))
    with h5py.File(p, "w", libver="latest") as f:
        f.create_virtual_dataset("v", layout)
    return "", {"v": np.arange(300)}


@case
def external_link(p):
    with h5py.File(p + ".other", "w") as f:
        f.create_dataset("t", data=np.arange(500), chunks=(64,), compression="gzip")
    with h5py.File(p, "w") as f:
        f["far"] = h5py.ExternalLink(os.path.basename(p + ".other"), "/t")
    return "", {"far": np.arange(500)}


@case
def external_raw(p):
    np.arange(200).astype("i8").tofile("external.raw")
    with h5py.File(p, "w") as f:
        f.create_dataset("x", shape=(200,), dtype="i8", external=[("external.raw", 0, 1600)])
    return "", {"x": np.arange(200)}


@case
def latest(p):
    """The other indexes of chunks: one chunk, fixed, extensible, none with filters."""
    v = np.random.default_rng(13).integers(0, 9, N)
    with h5py.File(p, "w", libver="latest", track_order=True, userblock_size=1024) as f:
        f.create_dataset("one", data=v, chunks=(N,), compression="gzip")
        f.create_dataset("fixed", data=v, chunks=(100,), compression="gzip", shuffle=True)
        f.create_dataset("ext", data=v, chunks=(100,), maxshape=(None,), compression="gzip")
        f.create_dataset("flat", data=v, chunks=(100,))
        f.create_dataset("tree", data=v, chunks=(97,), maxshape=(None,), compression="lzf")
    return "", {k: v for k in ("one", "fixed", "ext", "flat", "tree")}


@case
def odd_floats(p):
    v = np.random.default_rng(14).random(77)
    d = np.zeros(77, dtype=[("k", "i4"), ("l", np.longdouble), ("s", "S3")])
    d["k"], d["l"], d["s"] = np.arange(77), v, b"z"
    with h5py.File(p, "w") as f:
        f["t"] = d
    return "", {"k": d["k"], "l": v, "s": d["s"]}


@case
def no_rows(p):
    with h5py.File(p, "w") as f:
        f.create_dataset("t", shape=(0,), dtype=[("a", "i8"), ("s", "S3")], maxshape=(None,), chunks=(10,))
    return "", {"a": [], "s": []}


@case
def one_row(p):
    with h5py.File(p, "w") as f:
        f["t"] = np.array([(1, b"x")], dtype=[("a", "i8"), ("s", "S3")])
    return "", {"a": [1], "s": ["x"]}


@case
def wide(p):
    v = np.random.default_rng(15).integers(0, 99, (40, 2000))
    with h5py.File(p, "w", track_order=True) as f:
        for i in range(2000):
            f["col%d" % i] = v[:, i]
    return "", {"col%d" % i: v[:, i] for i in range(2000)}


@case
def majority(p):
    """Columns beside things of other lengths: the group by its name."""
    with h5py.File(p, "w") as f:
        f["g/x"], f["g/y"], f["g/version"], f["g/scalar"] = np.arange(9), np.arange(9.), np.arange(2), 1
        f["g/z"] = h5py.SoftLink("/g/x")
        f["h"] = h5py.SoftLink("g")
    return ":h", {"x": np.arange(9), "y": np.arange(9.)}


def make_bad(d):
    os.mkdir(d)
    at = lambda n: os.path.join(d, n)
    open(at("empty.h5"), "w").close()
    with open(at("text.h5"), "w") as f:
        f.write("a,b\n1,2\n")
    with h5py.File(at("cut.h5"), "w") as f:
        f.create_dataset("t", data=np.arange(100000), chunks=(1000,), compression="gzip")
    os.truncate(at("cut.h5"), os.path.getsize(at("cut.h5")) // 2)
    with h5py.File(at("several.h5"), "w") as f:
        f["a"], f["b"] = np.arange(3), np.zeros((4, 2))
    with h5py.File(at("none.h5"), "w") as f:
        f["scalar"] = 3
    with h5py.File(at("big.h5"), "w") as f:
        f["u"] = np.array([1, 2**63 + 5, 3], dtype="u8")
    frame(20).drop(columns="c").to_hdf(at("objects.h5"), "df", format="fixed")
    layout = h5py.VirtualLayout((4,), "i8")
    layout[:] = h5py.VirtualSource("gone.h5", "v", (4,))
    with h5py.File(at("virtual.h5"), "w", libver="latest") as f:
        f.create_virtual_dataset("v", layout)
    with h5py.File(at("link.h5"), "w") as f:
        f["far"] = h5py.ExternalLink("gone.h5", "/t")
        f["x"] = np.arange(3)
    with h5py.File(at("filter.h5"), "w") as f:
        f.create_dataset("x", data=np.arange(1000), chunks=(100,), compression=32099, compression_opts=(1,)) \
            if h5py.h5z.filter_avail(32099) else f.create_dataset("x", data=np.arange(1000), chunks=(100,), compression=32001)
    with open(at("filter.h5"), "r+b") as f:  # 32001 becomes 32033, which nobody has
        b = f.read().replace(b"\x01\x7d", b"\x21\x7d")
        f.seek(0)
        f.write(b)
    with h5py.File(at("ints.h5"), "w") as f:
        f["x"], f["k"] = np.arange(5), np.arange(5)
    with h5py.File(at("floats.h5"), "w") as f:
        f["x"], f["k"] = np.arange(5) / 2, np.arange(5)
    with h5py.File(at("texts.h5"), "w") as f:
        f["x"], f["k"] = np.array([b"a"] * 5), np.arange(5)
    with h5py.File(at("sum.h5"), "w") as f:
        f.create_dataset("x", data=np.arange(1000), chunks=(100,), fletcher32=True)
        off = f["x"].id.get_chunk_info(4).byte_offset
    with open(at("sum.h5"), "r+b") as f:
        f.seek(off + 8)
        f.write(b"\xff")


    with h5py.File(at("element.h5"), "w") as f:
        f.create_dataset("t", data=np.zeros(2000, dtype=[("a", "i8"), ("b", "f8")]), chunks=(500,))
    with open(at("element.h5"), "r+b") as f:  # the layout says that an element has 4 bytes, not 16
        b = f.read()
        assert b.count(struct.pack("<II", 500, 16)) == 1
        f.seek(0)
        f.write(b.replace(struct.pack("<II", 500, 16), struct.pack("<II", 500, 4)))


def make(d):
    for name, fn in CASES.items():
        p = os.path.join(d, name + ".h5")
        operand, cols = fn(p)
        with open(os.path.join(d, name + ".args"), "w") as f:
            f.write(name + ".h5" + operand)
        write_want(os.path.join(d, name + ".want"), cols)
    make_bad(os.path.join(d, "bad"))
    make_flipped(d, os.path.join(d, "flipped"), 6)


def make_flipped(d, to, n):
    os.mkdir(to)
    for name in ("filters", "strings", "compound_texts", "latest", "pandas_table", "anndata", "netcdf_grid", "vaex"):
        for seed in range(n):
            flip(os.path.join(d, name + ".h5"), os.path.join(to, "%s.%d.h5" % (name, seed)), name + str(seed))


def flip(src, dst, seed):
    r = random.Random(seed)
    with open(src, "rb") as f:
        b = bytearray(f.read())
    for _ in range(r.choice((1, 3, 10, 40))):
        # most of them where the structures are
        at = r.randrange(len(b)) if r.random() < .4 else r.randrange(min(len(b), 6000))
        b[at] = r.choice((0, 255, r.randrange(256), b[at] ^ 1 << r.randrange(8)))
    if r.random() < .1:
        b = b[:r.randrange(len(b))]
    with open(dst, "wb") as f:
        f.write(b)


if __name__ == "__main__":
    os.chdir(sys.argv[2])
    if sys.argv[1] == "make":
        make(".")
    else:  # more of the last, for tests/long
        make_flipped(".", "flipped.more", int(sys.argv[3]))
