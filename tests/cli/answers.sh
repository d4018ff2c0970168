#!/usr/bin/env bash
# answers.sh - what users ask for, with the answers written out: files, folders and globs, names, order of groups, the terminal.
. "$(dirname "$0")/lib.sh"

# is WHAT ARGS...: alone and on 3 ranks; the answer is standard input.
is() {
    local what=$1 np
    shift
    cat >expected
    for np in 0 3; do
        succeeds $np "$@" </dev/null
        check "$what" same "$out" expected
    done
}

mkdir d
printf 'a,b\n1,x\n' >d/1.csv
printf 'b,a\n"y ""q""",2\n' >d/2.csv
printf 'a,c\r\n3,z' >d/3.csv
is "columns by name" query 'd/[12].csv' <<<$'a,b\n1,x\n2,"y ""q"""'
is "a folder, missing columns, the file's name" query d --union --filename from --sort '-a' <<'A'
a,b,c,from
3,,z,d/3.csv
2,"y ""q""",,d/2.csv
1,x,,d/1.csv
A
is "the file's name as a key" query d --union --filename from --by from --agg 'count(b) as n, sum(a)' --where "from != 'd/1.csv'" <<'A'
from,n,sum_a
d/2.csv,1,2
d/3.csv,0,3
A
printf 'a,a,,a\n1,2,3,4\n' >dup.csv
is "names that repeat or are empty" query dup.csv --select '*, c3 + a_2 as s' <<<$'a,a_2,c3,a_3,s\n1,2,3,4,5'
printf '\xef\xbb\xbfodd ``name;x\n1,5;"a;b"\n\n2;"c\n' | sed '$d' >semi.csv
is "sniffed, a BOM, odd names" query semi.csv --select '`odd ````name` as `new name`, x' <<<$'new name,x\n"1,5",a;b'
printf '7\t8\n\n9\t10\n' >no.tsv
is "no header" query no.tsv --no-header --select 'c2, c1' <<<$'c2,c1\n8,7\n10,9'
is "names for it" query no.tsv --no-header --names p,q --where 'q > 8' <<<$'p,q\n9,10'
printf 'junk\n# x\nn,d,v\n# y "\n1 000,01.02.2024,"1,50"\nNA,29.02.2024,-\n-12,,"3,"\n' >odd.csv
is "numbers and dates in a form of their own" query odd.csv --skip-lines 1 --comment '#' --decimal-comma --thousands ' ' \
    --date-format %d.%m.%Y --null NA --null - --delimiter , --select 'n, n + 1 as m, d + 1 as e, v * 2 as w' <<'A'
n,m,e,w
1 000,1001,2024-02-02,3.0
,,2024-03-01,
-12,-11,,6.0
A
is "the same as JSON" query odd.csv --skip-lines 1 --comment '#' --decimal-comma --thousands ' ' \
    --date-format %d.%m.%Y --null NA --null - --delimiter , --format ndjson <<'A'
{"n":1000,"d":"2024-02-01","v":1.5}
{"n":null,"d":"2024-02-29","v":null}
{"n":-12,"d":null,"v":3.0}
A

# One value, several spellings: one group where the column is of numbers, each its own where it is text.
printf 'k,t,v\n1.50,1.50,1\n1.5,1.5,2\n2,x,4\n 1.5,1.5,8\n2.0,x,16\n,,32\n' >spell.csv
is "one group a value" query spell.csv --by k --agg 'sum(v) as s' <<<$'k,s\n1.5,11\n2.0,20\n,32'
is "one group a text" query spell.csv --by t --agg 'sum(v) as s' <<<$'t,s\n1.5,10\n1.50,1\nx,20\n,32'
is "--types makes it text" query spell.csv --types k:string --by k --agg 'count() as n' --sort '-n, k' --limit 2 <<<$'k,n\n 1.5,1\n1.5,1'

# Names of later steps, keys and aggregates in expressions, a column that is not selected.
seq 1 100 | awk 'BEGIN { print "i,g,f" } { print $1 "," $1 % 4 "," $1 / 8 }' >t.csv
is "expressions over groups" query t.csv --by 'g % 2 as odd, g' --agg 'max(i) - min(i) as span, sum(if(f > 6, 1, 0)) as n' \
    --having 'n > 12 and odd = 0' --sort '-g' <<<$'odd,g,span,n\n0,2,96,13\n0,0,96,13'
is "sorted by what is not there" query t.csv --select 'g, i * 2 as d' --sort '-f' --limit 2 <<<$'g,d\n0,200\n3,198'
is "unnamed keys and aggregates" query t.csv --by 'i % 2' --agg 'count(), mean(f), quantile(i, 0.5)' --sort '-`i % 2`' <<'A'
i % 2,count,mean_f,quantile_i_0.5
1,50,6.25,50.0
0,50,6.375,51.0
A
is "no rows, one answer" query t.csv --where 'i > 100' --agg 'count(), sum(i), max(f)' <<<$'count,sum_i,max_f\n0,,'
is "no rows, no groups" query t.csv --where 'i > 100' --by g --agg 'count()' <<<'g,count'

# Up to 65,536 groups come by key; more in an order that is the same for every number of ranks.
seq 0 139999 | awk 'BEGIN { print "k,v" } { print ($1 * 7919) % 70000 "," $1 }' >many.csv
seq 0 65535 | awk 'BEGIN { print "k,n" } { print $1 ",2" }' >expected
for np in 0 3; do
    succeeds $np query many.csv --where 'k < 65536' --by k --agg 'count() as n'
    check "65,536 groups come by key" same "$out" expected
done
succeeds 0 query many.csv --by k --agg 'count() as n'
cp "$out" expected
check "70,000 groups" test "$(tail -n +2 expected | sort -n | uniq | wc -l)" = 70000
for np in 2 5; do
    succeeds $np query many.csv --by k --agg 'count() as n'
    check "in the same order" same "$out" expected
done
succeeds 3 query many.csv --by k --agg 'count() as n' --limit 5 --offset 69000
check "a piece of that order" same <(tail -n +2 "$out") <(tail -n +69002 expected | head -n 5)

# On a terminal: a table of the first 40 rows, and how many more on standard error.
if script -qec true /dev/null >/dev/null 2>&1 </dev/null; then
    last="mpart query t.csv on a terminal"
    script -qec "'$MPART' query t.csv 2>said" /dev/null </dev/null | tr -d '\r' >table
    check "40 rows under a header and a rule" test "$(wc -l <table)" = 42
    check "aligned" grep -qE '^10 +2  +1.25$' table
    check "how many more" grep -q '60 more rows' said
    script -qec "'$MPART' query t.csv --where 'i < 3' 2>said" /dev/null </dev/null | tr -d '\r' >table
    check "a short one is whole" test "$(wc -l <table)" = 4
    check "and nothing more is said" is_empty said
fi
# Many groups with keys of every type, several spellings of one value, and nulls: each value once, spelled in one way.
python3 - <<'P'
import datetime
day = datetime.date(2000, 1, 1)
rows, want = [], []
for i in range(70001):
    date = day + datetime.timedelta(days=i % 1000)
    number = f'{i // 1000}.{i % 7}'
    wide = f'{i}e{200 + i % 3}'
    flag = i % 2 == 1
    spelled = number + '0' * (i % 4), ('True' if flag else 'FALSE')
    key = (str(i), number, str(date), f'{date} 01:02:03', wide, 'true' if flag else 'false', f'x"{i % 5}')
    for again in range(2):
        text = (key[0], (spelled[0] if again else number), key[2], key[3], wide, (spelled[1] if again else key[5]), key[6])
        rows.append((text, i + again))
    want.append((key, 2 * i + 1, 2))
rows += [(('', '', '', '', '', '', ''), 5)] * 3
want.append((('', '', '', '', '', '', ''), 15, 3))
quoted = lambda t: '"' + t.replace('"', '""') + '"' if '"' in t else t
with open('keys.csv', 'w') as f:
    f.write('i,d,day,at,f,b,s,v\n')
    for text, v in rows:
        f.write(','.join(map(quoted, text)) + f',{v}\n')
with open('want.csv', 'w') as f:
    for key, total, n in want:
        floats = repr(float(key[4])) if key[4] else ''
        f.write(','.join([key[0], key[1], key[2], key[3], floats, key[5], quoted(key[6]), str(total), str(n)]) + '\n')
P
sort want.csv >expected
for np in 0 3; do
    succeeds $np query keys.csv --by i,d,day,at,f,b,s --agg 'sum(v), count()'
    tail -n +2 "$out" | sort >got
    check "keys of every type" same got expected
done

finish
