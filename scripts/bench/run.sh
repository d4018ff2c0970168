#!/bin/sh
# run.sh [ROWS] [OPTIONS]: the suite behind `make bench`; --help lists the options.
set -eu
top=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
cd "$top"
if ! command -v python3 >/dev/null; then
    echo "bench: python3 is needed (apt-get install python3)" >&2
    exit 1
fi
exec python3 -B scripts/bench/bench.py "$@"
