"""The shared dictionary of `mpart map --dict` from Python, with nothing but the standard library.

    from mpart_dict import Dict
    d = Dict()                          # the socket that MPART_DICT names
    d("INCR", "pages")                  # an int; any of its commands, as in Redis
    d("GET", "title")                   # bytes, or None
    d.many([("INCR", k) for k in ks])   # few messages there and back
"""
import os
import socket


class Dict:
    def __init__(self, path=None):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path or os.environ["MPART_DICT"])
        self.answers = self.socket.makefile("rb")

    def __call__(self, *words):
        return self.many([words])[0]

    def many(self, commands):
        """Carries out several commands; a list of their answers. An answer may be a RuntimeError."""
        answers, texts, n_bytes = [], [], 0
        for words in commands:
            words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
            texts.append(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
            n_bytes += len(texts[-1])
            if n_bytes > 65536:  # the rest when these are answered: who only sends is not read from for ever
                answers += self._send(texts)
                texts, n_bytes = [], 0
        answers += self._send(texts)
        if len(answers) == 1 and isinstance(answers[0], RuntimeError):
            raise answers[0]
        return answers

    def _send(self, texts):
        self.socket.sendall(b"".join(texts))
        return [self._read() for _ in texts]

    def _read(self):
        line = self.answers.readline()
        if not line:
            raise ConnectionError("the dictionary is gone")
        kind, rest = line[:1], line[1:-2]
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.answers.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self._read() for _ in range(int(rest))]
        return rest.decode() if kind == b"+" else RuntimeError(rest.decode())
