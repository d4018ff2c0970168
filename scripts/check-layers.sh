#!/bin/sh
# Prove that includes only point down the layers, that only comm talks to MPI and only io to the libraries
# of files, and that names keep to the rules.
# Order, lowest first: base, data, expr, comm and io (side by side: neither includes the other), op, plan,
# run, cli.
set -u
cd "$(dirname "$0")/.." || exit 1

# found PATTERN [EXCEPT]: lines of the source, comments apart, that match, but for files that match EXCEPT.
found() {
    grep -HnE "$1" src/*/*.[ch] src/*/*/*.[ch] | grep -vE '^[^:]+:[0-9]+: *(/\*|\*|//)' | grep -vE "^src/(${2:-/})"
}

bad=$(
    found '#include "' | awk -F: '
        BEGIN { n = split("base data expr comm io op plan run cli", name, " ")
                split("1 2 3 4 4 5 6 7 8", level, " ")
                for (i = 1; i <= n; i++) rank[name[i]] = level[i] }
        { split($1, part, "/"); from = part[2]
          to = $3; sub(/.*#include "/, "", to); sub(/".*/, "", to)
          if (to == "version.h" && from == "cli") next
          if (to !~ "/") { print $1 ":" $2 ": include is not written from src: " to; next }
          sub(/\/.*/, "", to)
          if (to == "mpart") next
          if (!(to in rank)) { print $1 ":" $2 ": include of unknown layer " to; next }
          if (rank[to] > rank[from] || (rank[to] == rank[from] && to != from))
              print $1 ":" $2 ": " from " includes " to }'
    # MPI stays in comm; the world communicator in cli/main.c.
    found '\bMPI_[A-Z][a-z]+' 'comm/|cli/(main|version|library)\.c'
    found '\bMPI_COMM_WORLD\b' 'cli/main\.c'
    found '#include <(hdf5|zlib|libdeflate|zstd)' 'io/|comm/h5_driver\.c|cli/version\.c'
    found '\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atof|system|tmpnam|mktemp)[[:space:]]*\('
    find src include tests -name '*.[ch]' | sed 's|.*/||' | sort | uniq -d | sed 's/^/file name used twice: /'
)
if [ -n "$bad" ]; then
    printf '%s\n' "$bad"
    echo "layers: includes or names break the rules above"
    exit 1
fi
set -- src/*/*.[ch] src/*/*/*.[ch]
echo "layers: ok ($# files)"
