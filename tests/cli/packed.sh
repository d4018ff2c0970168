# packed.sh - outputs in gzip and zstd: the same packed bytes for every number of ranks, which other
# programs and mpart itself unpack to the plain output; nothing half-written.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || { echo "python3 is not here"; exit 77; }
command -v zstd >/dev/null || { echo "zstd is not here"; exit 77; }
ref=$work/ref
mkdir "$ref"

# Some 3 MB: a dozen units of gzip, half a dozen of zstd, behind splits of odd lengths.
awk 'BEGIN { print "n,k,t"; for (i = 1; i <= 110000; i++) printf "%d,k%d,\"text, %d\"\n", i, i * 7919 % 1013, i * i % 9973 }' >in.csv
MPART_TEST_SPLITS=$(seq -s, 70001 70001 "$(wc -c <in.csv)")

# What BGZF asks of a file, by Python alone: each member says its size and holds at most 64 KiB, and an empty one ends the file.
cat >"$work/bgzf.py" <<'PY'
import gzip, struct, sys, zlib
data = open(sys.argv[1], "rb").read()
plain, at, last = [], 0, None
while at < len(data):
    assert data[at:at + 4] == b"\x1f\x8b\x08\x04" and data[at + 10:at + 16] == b"\x06\x00BC\x02\x00", at
    size = struct.unpack("<H", data[at + 16:at + 18])[0] + 1
    last = zlib.decompress(data[at + 18:at + size - 8], -15)
    crc, n = struct.unpack("<II", data[at + size - 8:at + size])
    assert n == len(last) <= 65536 and crc == zlib.crc32(last), at
    plain.append(last)
    at += size
assert at == len(data) and last == b"" and all(plain[:-1]), "the end"
assert b"".join(plain) == gzip.open(sys.argv[1]).read() == open(sys.argv[2], "rb").read()
PY
is_bgzf() { python3 "$work/bgzf.py" "$1" "$2"; }
bgzip_reads() { ! command -v bgzip >/dev/null || bgzip -t "$1"; }

# unpacks WHAT FILE PLAIN: gunzip, zcat and zstd -d give these bytes.
unpacks() {
    case $2 in
    *.gz)
        check "$1: gunzip" same <(gunzip -c "$2") "$3"
        check "$1: zcat" same <(zcat "$2") "$3"
        check "$1: BGZF" is_bgzf "$2" "$3"
        check "$1: bgzip -t" bgzip_reads "$2"
        ;;
    *)
        check "$1: zstd -t" zstd -qt "$2"
        check "$1: zstd -d" same <(zstd -dqc "$2") "$3"
        ;;
    esac
}

export MPART_TEST_SPLITS
# packs NAME ENDING ARGS...: a query into packed files, the same for all.
packs() {
    local name=$1 ending=$2 pack np
    shift 2
    succeeds 0 query in.csv "$@" -o "$ref/$name$ending"
    for pack in gz zst; do
        succeeds 0 query in.csv "$@" -o "$name$ending.$pack"
        unpacks "$name.$pack" "$name$ending.$pack" "$ref/$name$ending"
        for np in 1 2 3 5 16; do
            case $np-$name in 1-pass | 2-* | 3-* | 5-pass | 5-sort | 16-pass | 16-group) ;; *) continue ;; esac
            succeeds $np query in.csv "$@" -o "x$ending.$pack"
            check "$name.$pack, $np ranks: the same packed bytes" same "x$ending.$pack" "$name$ending.$pack"
        done
    done
}
packs pass .csv
packs filter .ndjson --where 'n % 3 = 0' --select 'n, t, n * 2 as d'
packs thin .tsv --where 'n % 97 = 1'
packs limit .csv --where 'n > 3000' --offset 1000 --limit 60000
packs group .csv --by k --agg 'sum(n), count()'
packs sort .csv --sort '-k, n'
packs none .csv --where 'n < 0'
packs head .csv --limit 0
packs nothing .ndjson --limit 0
check "no rows and no header is an empty file" test ! -s "$ref/nothing.ndjson"
check "which packed is one block" test "$(wc -c <nothing.ndjson.gz)" = 28

# mpart reads what it wrote.
for pack in gz zst; do
    succeeds 3 query "pass.csv.$pack"
    check "round trip, $pack" same "$out" "$ref/pass.csv"
done
unset MPART_TEST_SPLITS

# Names: --format says the form, the name's end how it is packed; standard output is plain.
succeeds 2 query in.csv --limit 5 --format tsv -o odd.name.gz
check "--format" same <(zcat odd.name.gz) <("$MPART" query in.csv --limit 5 --format tsv)
succeeds 2 query in.csv --limit 5 -o ODD.GZ
check "capitals" same <(zcat <ODD.GZ) <(head -n 6 "$ref/pass.csv")

# A pipe with such a name, whose reader may go away.
mkfifo pipe.csv.gz
cat pipe.csv.gz >"$work/piped.gz" &
succeeds 3 query in.csv -o pipe.csv.gz
wait $!
check "a pipe" same <(zcat <"$work/piped.gz") "$ref/pass.csv"
rm pipe.csv.gz

# gen.
for np in 0 2 5; do
    for pack in gz zst; do
        succeeds $np gen orders --rows 40000 -o "g$np.csv.$pack"
        check "gen, $np ranks, $pack: the same bytes" same "g0.csv.$pack" "g$np.csv.$pack"
    done
done
succeeds 0 gen orders --rows 40000 -o "$ref/g.csv"
unpacks gen g0.csv.gz "$ref/g.csv"
unpacks gen g0.csv.zst "$ref/g.csv"

# Failures: the file that was there stays, no temporary is left.
mkdir out
for phase in plan scan output commit; do
    echo before >out/o.csv.gz
    for rank in 0 2; do
        MPART_TEST_FAIL=$rank:$phase run 3 query in.csv --sort n -o out/o.csv.gz
        check "$phase on rank $rank: exit 1" has_code 1
        check "$phase on rank $rank: one message" one_message
        check "$phase on rank $rank: the old file" same out/o.csv.gz <(echo before)
        check "$phase on rank $rank: no temporary" test "$(ls -A out)" = o.csv.gz
    done
done
rm out/o.csv.gz
# No room: alone under a limit of the file size, which mpirun itself would not survive; with more ranks on a small disk.
(
    ulimit -f 100
    for query in "--where n>5" "--sort -n"; do
        run 0 query in.csv $query -o out/o.csv.gz
        check "a limit of the file size" says "mpart: cannot write: file 'out/o.csv.gz': File too large"
        check "exit code 74" has_code 74
        check "no temporary" no_output out
    done
    exit $((n_failed > 0))
) || n_failed=$((n_failed + 1))
if small_disk 256k; then
    for pack in gz zst; do
        refuses 74 "mpart: cannot write: file '$small/o.csv.$pack': No space left on device" \
            query in.csv --where 'n > 5' -o "$small/o.csv.$pack"
        check "no temporary" no_output "$small"
    done
fi
finish
