#!/usr/bin/env python3
"""Prints csv_convert_vectors.h: texts of numbers, and what Python's decimal and float say that they are.

usage: csv_convert_vectors.py [COUNT [SEED]] > csv_convert_vectors.h"""
import decimal
import random
import re
import struct
import sys

INT = re.compile(r"-?(0|[1-9][0-9]*)")
DECIMAL = re.compile(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
SEEN = {"int": "MP_SEEN_INT", "decimal": "MP_SEEN_DECIMAL", "float": "MP_SEEN_FLOAT", "string": "MP_SEEN_STRING"}


def classify(text):
    """(kind, mantissa, scale, double)"""
    t = text.strip(" \t")
    if INT.fullmatch(t):
        v = int(t)
        return ("int", v, 0, float(v)) if -2**63 <= v < 2**63 else ("string", 0, 0, 0.0)
    if re.fullmatch(r"-?(nan|inf|infinity)", t, re.I):
        return ("float", 0, 0, float(t)) if not re.fullmatch("-nan", t, re.I) else None
    if not DECIMAL.fullmatch(t) or t.lstrip("-").isdigit():
        return ("string", 0, 0, 0.0)
    try:
        sign, digits, exponent = decimal.Decimal(t).as_tuple()
    except decimal.InvalidOperation:  # an exponent that Python refuses
        return None
    mantissa = int("".join(map(str, digits))) * (-1 if sign else 1)
    f = float(t)
    if exponent > 0:
        if exponent > 400:
            return ("decimal", 0, 0, 0.0) if mantissa == 0 else ("float", 0, 0, f)
        mantissa, exponent = mantissa * 10**exponent, 0
    if -exponent > 18 or abs(mantissa) >= 10**18:
        return ("float", 0, 0, f if f else 0.0)
    return ("decimal", mantissa, -exponent, f if f else 0.0)


def digits(r, n):
    return "".join(r.choice("0123456789") for _ in range(n))


def number(r):
    whole = r.choice([1, 1, 2, 3, 4, 7, 8, 9, 10, 15, 16, 17, 18, 19, 20, 25])
    t = r.choice(["", "", "", "-"]) + digits(r, r.randint(0, whole))
    if r.random() < 0.6:
        t += "." + digits(r, r.choice([0, 1, 2, 3, 6, 7, 8, 9, 12, 17, 18, 19]))
    if r.random() < 0.15:
        t += r.choice("eE") + r.choice(["", "+", "-"]) + str(r.randint(0, 30))
    if r.random() < 0.05:
        t = r.choice([" ", "\t", "  "]) + t
    if r.random() < 0.05:
        t += " "
    if r.random() < 0.05 and t:
        i = r.randrange(len(t))
        t = t[:i] + r.choice("+-.eE x0:/") + t[i + 1:]
    return t


FIXED = ["0", "-0", "-0.0", "0.0", "5.", ".5", "-.5", "1e3", "1E-3", "7.5e-05", "1.50", "007", "+5", "1_000",
         "9223372036854775807", "-9223372036854775808", "9223372036854775808", "999999999999999999",
         "1000000000000000000", "0.999999999999999999", "99999999999999999.9", "999999999999999999.9",
         "0.0000000000000000001", "1e17", "1e18", "1e400", "1e-400", "nan", "NaN", "inf", "-inf", "Infinity",
         "-", ".", "e5", "1e", "1e+", "--1", "1.2.3", "00.5", "12345678.12345678", "0x10", "1 2", "-12345678901234567"]


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    r = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    texts = FIXED + [number(r) for _ in range(count - len(FIXED))]
    print("/* Made by csv_convert_vectors.py: text, form, digits before the point, scale, mantissa, bits of the double. */")
    for t in texts:
        c = classify(t) if t.strip(" \t") else ("string", 0, 0, 0.0)
        if c is None or not t:
            continue
        kind, m, scale, f = c
        before = max(0, (len(str(abs(m))) if m else 0) - scale)
        bits = struct.unpack("<Q", struct.pack("<d", f))[0]
        low = "INT64_MIN" if m == -2**63 else str(m)
        print('{"%s", %s, %d, %d, %s, 0x%xu},' % (t.replace("\t", "\\t"), SEEN[kind], before, scale, low, bits))


main()
