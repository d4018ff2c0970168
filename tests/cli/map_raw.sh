# map_raw.sh - rows that go to commands as the file's own bytes, and rows that cannot: what the command gets is what reading and
# writing the rows gives, wherever the file is cut and whatever stands in it.
. "$(dirname "$0")/lib.sh"
rows() { awk -v n="$1" -v s="$2" 'BEGIN { for (i = 1; i <= n; i++) print i s "name " i s i * 3 ".50" s (i % 5 ? "x" : "") s i % 7 }'; }
head=id,name,v,e,k

# same_rows WHAT FILE OPTIONS...: through cat in shards of many shapes, the table is what query gives.
same_rows() {
    local what=$1 file=$2
    shift 2
    run 0 query "$file" "$@"
    check "$what: there are rows" [ "$(wc -l <"$out")" -gt 100 ]
    cp "$out" want
    for way in "--rows 333" "--parts 3"; do
        run 0 map "$file" "$@" $way -- cat
        check "$what, $way" same "$out" want
    done
    MPART_TEST_SPLITS=$cuts run 0 map "$file" "$@" --rows 77 -- cat
    check "$what, cut" same "$out" want
}

# ranks_too: the same of the last table, in files and from several ranks.
ranks_too() {
    run 3 map "$1" --rows 450 -o got.csv -- cat {}
    check "in files, three ranks" same got.csv want
    MPART_GUESS=wrong run 3 map "$1" --rows 100 -- cat
    check "a wrong guess" same "$out" want
    rm -rf got.csv*
}
cuts=16,17,18,19,20,21,22,700,701,702,703,704,9000,9001,30011,30012,30013,60000

{ echo $head && rows 2500 ,; } >plain.csv
same_rows "plain" plain.csv
check "it is the file" same want plain.csv
ranks_too plain.csv
head -c -1 plain.csv >cut.csv
same_rows "without the last newline" cut.csv
sed 's/$/\r/' plain.csv >crlf.csv
same_rows "CRLF" crlf.csv
sed '1300s/$/\r/' plain.csv >cr.csv
same_rows "one CR" cr.csv
sed '1500s/name [0-9]*/"na\nme"/; 400s/x/"x"/; 900s/x/""/' plain.csv >quoted.csv
same_rows "a few quotes" quoted.csv
ranks_too quoted.csv
sed 's/name [0-9]*/"&"/' plain.csv >all_quoted.csv
same_rows "quotes everywhere" all_quoted.csv
sed '1200s/name/5" na"me/' plain.csv >inside.csv
same_rows "quotes inside a field" inside.csv
sed '2G; 700G; 701G; $G' plain.csv >blank.csv
same_rows "blank lines" blank.csv
{ printf '\n' && cat plain.csv; } | sed '2G' >blank_first.csv
same_rows "blank lines in front" blank_first.csv --skip-lines 1
{ tr , '\t' <<<$head && rows 2500 $'\t'; } >tabs.tsv
same_rows "tabs" tabs.tsv
check "with commas now" same want plain.csv
sed '1100s/name/na,me/; 2000s/name/na"me/' tabs.tsv >commas.tsv
same_rows "tabs, and a comma" commas.tsv
tr , ';' <plain.csv >semi.csv
same_rows "semicolons" semi.csv --delimiter ';'
same_rows "lines" plain.csv --input-format lines
rows 2500 ' ' >lines.txt
same_rows "lines without commas" lines.txt
sed '5G; 1600G' lines.txt >empty.txt
same_rows "empty lines" empty.txt
{ echo n && seq 2500; } >one.csv
same_rows "one column" one.csv
sed '800G' one.csv >one_blank.csv
same_rows "one column, and an empty row" one_blank.csv
sed "1400s/name \([0-9]*\)/'na,me \1'/" plain.csv >single.csv
same_rows "a quote of another kind" single.csv --quote "'"
same_rows "null markers" plain.csv --null x
sed '1200i # a comment' plain.csv >comment.csv
same_rows "comments" comment.csv --comment '#'
same_rows "the file's name" plain.csv --filename f
same_rows "names" plain.csv --names a,b,c,d,e
same_rows "no header" plain.csv --no-header
same_rows "types" plain.csv --types v:float64
sed '1700s/,x//; 600s/$/,more/' plain.csv >bad.csv
same_rows "bad rows left out" bad.csv --on-bad-row skip
same_rows "bad rows mended" bad.csv --on-bad-row null
awk -v OFS=, -F, '{ print $3, $2, $1, $5, $4 }' plain.csv >turned.csv
mkdir both && cp plain.csv both/a.csv && cp turned.csv both/b.csv && cp cut.csv both/c.csv
same_rows "files with columns in another order" both
ranks_too both
{ head -n 900 plain.csv && printf '%s,%0700000d,1.50,x,1\n' 901 0 && tail -n 900 plain.csv && printf '1,%0300000d,1.50,x,1' 0; } >long.csv
same_rows "long records" long.csv

# ---- pages that are lent to a pipe, and commands that do not want them ----
{ echo $head && rows 150000 ,; } >big.csv
for np in 2; do
    succeeds $np map big.csv --parts 3 --raw -- sh -c 'sleep 0.2; tail -n +2'
    check "a slow reader" same "$out" <(tail -n +2 big.csv)
    succeeds $np map big.csv --parts 3 --raw -- head -n 2
    check "one that has enough" [ "$(grep -c ^$head "$out")" = 3 ]
done
fails 2 "option '--rows'" map plain.csv --rows 0 -- cat
finish
