#!/usr/bin/env bash
# library.sh - an MPI program of a user: it is built against the installed library by pkg-config, counts right on any number of
# ranks, and ends on all of them where one of them fails.
. "$(dirname "$0")/lib.sh"
root=$here/../..
if [ "${BUILD:-build}" != build ]; then
    echo "skip: the library that is installed has no sanitizers"
    exit 77
fi
make -s -C "$root" install DESTDIR="$work/root" PREFIX=/opt >make.log 2>&1 || cat make.log
there=$work/root/opt
flags() { PKG_CONFIG_PATH=$there/lib/pkgconfig pkg-config --define-variable=prefix="$there" "$@" mpart; }
# shellcheck disable=SC2046
check "builds" mpicc -Wall -Wextra -Werror "$root/scripts/examples/dict_count.c" -o count $(flags --cflags --libs)
export LD_LIBRARY_PATH=$there/lib
awk 'BEGIN { for (i = 0; i < 20000; i++) print "w" i % 7, "x" i % 1000, "same" }' >text
{ awk '{ for (i = 1; i <= NF; i++) n[$i]++ } END { for (w in n) print w "\t" n[w] }' text | sort; } >want
for np in 1 3; do
    timeout 60 mpirun -np $np ./count text 2>"$err" | sort >got
    check "$np ranks count right" same got want
done
# rank 1 finds no file
mkdir empty
cat >one.sh <<'END'
program=$PWD/count
[ "$OMPI_COMM_WORLD_RANK" = 1 ] && cd empty
exec "$program" text
END
timeout 60 mpirun -np 3 bash one.sh >"$out" 2>"$err"
rc=$?
check "all end, and not with 0" [ $rc = 1 ]
check "the others are told" grep -q "rank 0: dictionary: another rank has given up" "$err"
finish
