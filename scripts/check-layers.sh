#!/bin/sh
# Prove that includes only point down the layers, that only comm talks to MPI, and that names keep to the rules.
# Order, lowest first: base data expr (comm io) op plan run cli. comm and io may not include each other.
set -u
cd "$(dirname "$0")/.." || exit 1
bad=$(
    grep -HnoE '#include "[a-z]+/[^"]+"' src/*/*.c src/*/*.h | awk -F: '
        BEGIN { n = split("base data expr comm io op plan run cli", name, " ")
                split("1 2 3 4 4 5 6 7 8", level, " ")
                for (i = 1; i <= n; i++) rank[name[i]] = level[i] }
        { split($1, part, "/"); from = part[2]
          to = $3; sub(/#include "/, "", to); sub(/\/.*/, "", to)
          if (to == "mpart") next
          if (!(to in rank)) { print $1 ":" $2 ": include of unknown layer " to; next }
          if (rank[to] > rank[from] || (rank[to] == rank[from] && to != from))
              print $1 ":" $2 ": " from " includes " to }'
    # MPI calls stay in comm; the world communicator in cli/main.c.
    grep -nE '\bMPI_[A-Z][a-z]+' src/*/*.c src/*/*.h | grep -vE '^src/(comm/|cli/main\.c|cli/version\.c|cli/library\.c)' | grep -v '\*'
    grep -nE '\bMPI_COMM_WORLD\b' src/*/*.c src/*/*.h | grep -v '^src/cli/main\.c'
    grep -nE '#include <(hdf5|zlib|zstd)' src/*/*.c src/*/*.h | grep -vE '^src/(io/|cli/version\.c)'
    grep -nE '\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atof|system|tmpnam|mktemp)[[:space:]]*\(' src/*/*.c src/*/*.h
    find src include tests -name '*.[ch]' | sed 's|.*/||' | sort | uniq -d | sed 's/^/file name used twice: /'
)
if [ -n "$bad" ]; then
    printf '%s\n' "$bad"
    echo "layers: includes or names break the rules above"
    exit 1
fi
echo "layers: ok ($(ls src/*/*.[ch] | wc -l) files)"
