# bad_query.sh - queries that cannot be: exit 2, the place in the text, the nearest name; the same alone and with 5 ranks.
. "$(dirname "$0")/lib.sh"
mkdir out
printf 'id,name,amount\n1,x,2.5\n2,y,3.5\n' >t.csv
columns='hint: the columns are id, name, amount'

refuses 2 "mpart: error in --where: no column 'ammount'
hint: did you mean 'amount'?" query t.csv --where 'ammount > 1' -o out/o.csv
refuses 2 "mpart: error in --where: no column 'zz'
$columns" query t.csv --where 'id > 1 and zz = 3' -o out/o.csv
refuses 2 "mpart: error in --select: no column 'Name'
hint: did you mean 'name'?" query t.csv --select 'id, lower(Name) as n' --agg 'count()' -o out/o.csv
refuses 2 "mpart: error in --by: no column 'nam'
hint: did you mean 'name'?" query t.csv --by nam -o out/o.csv
refuses 2 "mpart: error in --agg: no column 'q'
$columns" query t.csv --by name --agg 'sum(amount), max(q)' -o out/o.csv
refuses 2 "mpart: error in --having: no column 'x'
hint: the columns are name, total" query t.csv --by name --agg 'sum(amount) as total' --having 'x > 1' -o out/o.csv
refuses 2 "mpart: error in --sort: no column 'totl'
hint: did you mean 'total'?" query t.csv --by name --agg 'sum(amount) as total' --sort=-totl -o out/o.csv
refuses 2 "mpart: error in --sort: no column 'amont'
hint: did you mean 'amount'?" query t.csv --select id --sort amont -o out/o.csv
refuses 2 "mpart: error in --types: no column 'zz'
$columns" query t.csv --types zz:int64 -o out/o.csv
refuses 2 "mpart: error in --agg: no function 'summ'
hint: did you mean 'sum'?" query t.csv --agg 'summ(amount)' -o out/o.csv
refuses 2 "mpart: syntax error in --where: expected a value but the text ends
hint: id >
          ^" query t.csv --where 'id >' -o out/o.csv
refuses 2 "mpart: syntax error in --where: expected ')' but the text ends
hint: id > 1 and (name = \"x\"
                            ^" query t.csv --where 'id > 1 and (name = "x"' -o out/o.csv
refuses 2 "mpart: syntax error in --select: unexpected '@'
hint: id @ 3
         ^" query t.csv --select 'id @ 3' -o out/o.csv
refuses 2 "mpart: syntax error in --where: the quote ' is never closed
hint: name = 'x
             ^" query t.csv --where "name = 'x" -o out/o.csv
refuses 2 "mpart: bad regular expression in --where: missing closing parenthesis
hint: name ~ '('
               ^" query t.csv --where "name ~ '('" -o out/o.csv
# What a column is, the data says: that is no usage error.
refuses 65 "mpart: wrong type: --where is string, not true or false
hint: compare it with something: --where 'x > 0'" query t.csv --where name -o out/o.csv
MPART_TEST_SPLITS=40,17 refuses 2 "mpart: usage error: MPART_TEST_SPLITS: not a list of ascending byte offsets" query t.csv
finish
