"""blocks.py - packs a file by blocks, by Python and the zstd program alone.

blocks.py bgzf|zst|seek|multi SIZE FROM TO: blocks of about SIZE plain bytes, the sizes odd and with an empty block here and there.
bgzf: BGZF; multi: gzip members that do not say their size; zst: frames that say it; seek: frames that do not, and a seek table."""
import gzip, struct, subprocess, sys, zlib


def bgzf(b):
    c = zlib.compressobj(6, zlib.DEFLATED, -15)
    d = c.compress(b) + c.flush()
    head = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0" + struct.pack("<H", len(d) + 25)
    return head + d + struct.pack("<II", zlib.crc32(b), len(b))


def zst(b):
    open("block.tmp", "wb").write(b)
    return subprocess.run(["zstd", "-qc", "block.tmp"], check=True, stdout=subprocess.PIPE).stdout


def seek(b):
    return subprocess.run(["zstd", "-qc"], input=b, check=True, stdout=subprocess.PIPE).stdout


def blocks(b, size):
    at = i = 0
    while at < len(b):
        n = size - i * 37 % (size // 2)
        yield b[at:at + n]
        if i % 7 == 3:
            yield b""
        at += n
        i += 1


kind, size, source, target = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
plain = list(blocks(open(source, "rb").read(), size))
packed = [{"bgzf": bgzf, "zst": zst, "seek": seek, "multi": gzip.compress}[kind](b) for b in plain]
with open(target, "wb") as f:
    f.write(b"".join(packed))
    if kind == "seek":
        table = b"".join(struct.pack("<II", len(p), len(b)) for p, b in zip(packed, plain))
        f.write(struct.pack("<II", 0x184D2A5E, len(table) + 9) + table + struct.pack("<IBI", len(plain), 0, 0x8F92EAB1))
