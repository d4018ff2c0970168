# lines.sh - files of lines: every line is one row of the column line, whatever it holds, for every number of ranks and cut.
. "$(dirname "$0")/lib.sh"
mkdir out
printf 'plain\n"a, b\n\n007\r\nx""y,"\n \n,\nline\nNA\n;#|\tlast' >t.txt
cat >want <<'A'
line
plain
"""a, b"
""
007
"x""""y,"""
 
","
line
NA
;#|	last
A
size=$(stat -c %s t.txt)
for np in 0 1 2 3 5 16; do
    succeeds $np query t.txt
    check "every line is a row" same "$out" want
    succeeds $np query t.txt --scatter data
    check "as data" same "$out" want
done
for ((k = 1; k < size; k++)); do
    MPART_TEST_SPLITS=$k MPART_GUESS=wrong succeeds 0 query t.txt
    check "cut at $k" same "$out" want
done
every=$(seq -s, 1 $((size - 1)))
for scatter in paths data; do
    MPART_TEST_SPLITS=$every succeeds 3 query t.txt --scatter $scatter
    check "cut everywhere, $scatter" same "$out" want
done
gzip -k t.txt
succeeds 2 query t.txt.gz
check "gzip" same "$out" want
run_piped t.txt 2 query - --input-format lines
check "a pipe" same "$out" want
for np in 0 3; do
    succeeds $np query t.txt --agg 'count(), count(line), count_distinct(line) as d, min(length(line)) as shortest'
    check "an empty line is an empty text" same "$out" <(printf 'count,count_line,d,shortest\n10,10,10,0\n')
    succeeds $np query t.txt --where "line = '007' or line = 'NA'" --null NA
    check "never a number, and --null" same "$out" <(printf 'line\n007\n')
    succeeds $np query t.txt --by line --agg 'count() as n' --sort line --limit 3
    check "keys are texts" same "$out" <(printf 'line,n\n"",1\n ,1\n"""a, b",1\n')
done
seq 1 30000 >n.txt
for np in 0 2 5; do
    succeeds $np query n.txt --agg 'max(line) as text, max(int(line)) as number'
    check "types are made by functions" same "$out" <(printf 'text,number\n9999,30000\n')
    succeeds $np query n.txt --types line:int64 --agg 'sum(line) as s'
    check "or by --types" same "$out" <(printf 's\n450015000\n')
done
: >empty.txt
succeeds 3 query empty.txt --agg 'count()'
check "no bytes are no lines" same "$out" <(printf 'count\n0\n')
printf 'a\nb\0c\n' >nul.txt
refuses 65 "mpart: bad data: file 'nul.txt', row 2: NUL byte" query nul.txt -o out/o.csv
succeeds 2 info t.txt
check "info says lines" prints 'format:  lines'
check "and string" prints 'line    string'
succeeds 0 query t.txt --plan
check "--plan says lines" prints 't.txt: lines, scattered as byte ranges'
check "read as text" prints 'line as text'
succeeds 0 query t.txt --delimiter ';' --no-header --quote none --select c1 --limit 1
check "options of CSV make it CSV" same "$out" <(printf 'c1\nplain\n')
fails 2 'are for CSV alone' query t.txt --input-format lines --quote none
finish
