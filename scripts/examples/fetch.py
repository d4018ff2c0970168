"""One page of a crawl: its title, or an exit code that makes mpart try again."""
import re
import sys
import urllib.request

with urllib.request.urlopen(sys.argv[1], timeout=20) as answer:
    page = answer.read().decode("utf-8", "replace")
title = re.search(r"<title>(.*?)</title>", page, re.S)
print(sys.argv[1], title.group(1).strip() if title else "", len(re.findall(r"<a ", page)), sep="\t")
