# usage.sh - usage errors: exit 2 on every rank, one message with the nearest name, before anything is touched.
. "$(dirname "$0")/lib.sh"

fails 2 "unknown command 'qeury'" qeury x.csv
check "suggests" says_once "did you mean 'query'?"
fails 2 "unknown command 'sort'" sort x.csv
fails 2 "no command given, only '--memory'" --memory 1G
fails 2 "no input given" query --limit 3
fails 2 "unknown option '--wher'" query x.csv --wher 'a > 1'
check "suggests" says_once "did you mean '--where'?"
fails 2 "unknown option '--resume'" query x.csv --resume
fails 2 "unknown option '-x'" query x.csv -x
fails 2 "option '--where' needs a value" query x.csv --where
fails 2 "option '--distinct' takes no value" query x.csv --distinct=yes
fails 2 "'many' is not a whole number" query x.csv --limit many
fails 2 "'-3' is not a whole number" query x.csv --limit -3
fails 2 "'12Q' is not a size" query x.csv --memory 12Q
fails 2 "0 is less than 1 bytes" query x.csv --memory 0
fails 2 "'always' is not one of: auto, on, off" query x.csv --progress always
fails 2 "'cvs' is not one of: csv, tsv" query x.csv --input-format cvs
check "suggests" says_once "did you mean 'csv'?"
fails 2 "'ab' is not one byte" query x.csv --delimiter ab
fails 2 "the same byte" query x.csv --delimiter '"'
fails 2 "'integer' is not a type" query x.csv --types a:integer
fails 2 "not a list like name:type" query x.csv --types a
fails 2 "the ending names no format" query x.csv -o y.h5.gz
fails 2 "the ending names no format" gen orders --rows 3 -o y.xls
fails 2 "HDF5 cannot be written to standard output" query x.csv --format h5
fails 2 "the output is not HDF5" query x.csv -o y.csv --h5-layout columns
fails 2 "the ending names no format" query x.csv -o y.parquet
fails 2 "another meaning in a number" query x.csv --thousands .
fails 2 "date" query x.csv --date-format %Q
fails 2 "gen what?" gen --rows 3 -o x.csv
fails 2 "did you mean 'orders'?" gen order --rows 3 -o x.csv
fails 2 "option '--rows' is missing" gen orders -o x.csv
fails 2 "option '-o' is missing" gen orders --rows 3
fails 2 "-o names a folder" gen join --rows 3 -o -
fails 2 "0 is less than 1" gen groupby --rows 3 --groups 0 -o x.csv
fails 2 "-o and --rejects are the same file, './y.csv'" query x.csv -o y.csv --rejects ./y.csv
fails 2 "-o and --dict-out are the same file, '$PWD/y.csv'" map --items x.csv -o y.csv --dict-out "$PWD/y.csv" -- true
fails 2 "-o and --stats are the same file, 'y.csv'" gen orders --rows 3 -o y.csv --stats y.csv
check "no file was made" nothing_left

# Options anywhere, in each form, mean the same; "--" ends them.
printf 'a,b\n1,2\n3,4\n' >t.csv
printf 'a\n3\n' >"$work/want"
for args in "query t.csv --where a>2 --select a" "--where a>2 query --select=a t.csv" "query --where=a>2 --select a -- t.csv" \
    "-q query -v t.csv --select a --where a>2 --memory=1.5G" "query --where a>9 --where a>2 --select a t.csv"; do
    succeeds 0 $args
    check "'$args' gives the answer" same "$out" "$work/want"
done
cp t.csv ./-odd.csv
succeeds 0 query --where 'a>2' --select a -- -odd.csv
check "a name that starts with a minus" same "$out" "$work/want"
succeeds 0 query --where 'a>2' --select a - <t.csv
check "standard input" same "$out" "$work/want"
finish
