"""A crawler's worker: follows the links of one start page, and shares with all others what was seen and counted.

    mpirun -np 8 mpart map --items seeds.txt -o pages.tsv --dict --dict-out counts.csv -- \\
        python3 crawl.py {} DEPTH

Prints a line for each page: address, bytes, links. No address is fetched twice, whichever of the workers comes to it;
the dictionary has `pages:HOST` and `bytes:HOST` while it runs and in counts.csv at the end.

With multiprocessing this is

    manager = Manager(); seen = manager.dict(); pages = manager.dict()
    ...
    if url not in seen:              # two workers may both come here
        seen[url] = 1
        pages[host] = pages.get(host, 0) + 1    # and one of two updates may be lost
"""
import re
import sys
import urllib.parse
import urllib.request

from mpart_dict import Dict


def main(start, depth):
    d = Dict()
    front = [start]
    for _ in range(depth):
        behind = []
        for url in front:
            if not d("SETNX", "seen:" + url, 1):
                continue
            try:
                with urllib.request.urlopen(url, timeout=20) as answer:
                    text = answer.read()
            except OSError as why:
                print("%s: %s" % (url, why), file=sys.stderr)
                continue
            host = urllib.parse.urlsplit(url).netloc or "localhost"
            d.many([("INCR", "pages:" + host), ("INCRBY", "bytes:" + host, len(text))])
            links = re.findall(rb'href="([^"#]+)', text)
            links = [urllib.parse.urljoin(url, link.decode("utf-8", "replace")) for link in links]
            behind += [u for u in links if u.startswith(("http:", "https:", "file:"))]
            print("%s\t%d\t%d" % (url, len(text), len(links)))
        front = behind


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3)
