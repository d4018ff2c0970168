#!/usr/bin/env bash
# dense_keys.sh - keys of small domains that are left in the middle of the file (other prefixes, lengths, quotes, empty and null
# keys): the answer of awk, for every number of ranks, SIMD level and cutting.
. "$(dirname "$0")/lib.sh"

# Each fifth of the rows has keys of another kind; those of the first come again in the last.
awk 'BEGIN {
    print "k,n,d,v"
    for (i = 0; i < 60000; i++) {
        x = i * 7919 % 104729; part = int(i / 12000)
        k = sprintf("id%03d", x % 100 + 1)
        if (part == 1) k = sprintf("ix%05d", x % 300)
        if (part == 2) k = x % 3 ? sprintf("\"id%03d\"", x % 100 + 1) : x % 2 ? "" : "NA"
        if (part == 3) k = x % 2 ? x % 50 : sprintf("a text that is longer than any array takes %d", x % 20)
        if (i % 997 == 0) k = "\"a,\"\"quoted\"\" key\""
        n = part == 2 && x % 5 == 0 ? "" : part == 3 ? x % 100000 : x % 40
        printf "%s,%s,2024-%02d-%02d,%d\n", k, n, x % 12 + 1, x % 28 + 1, x % 1000
    }
}' >k.csv
splits=$(awk -v n="$(wc -c <k.csv)" 'BEGIN { for (i = 1; i < 31; i++) printf "%s%d", (i > 1 ? "," : ""), int(n * i / 31) }')

# sums KEYS: of v by the columns KEYS, lines sorted. The fields have commas in quotes only.
sums() {
    awk -v keys="$1" 'BEGIN { n_keys = split(keys, at, ",") }
        NR > 1 {
            line = $0; n = 0
            while (n < 4) {
                if (match(line, /^"([^"]|"")*"/)) f = substr(line, 1, RLENGTH)
                else { match(line, /^[^,]*/); f = substr(line, 1, RLENGTH) }
                line = substr(line, length(f) + 2)
                if (f ~ /^"[^,"]*"$/) f = substr(f, 2, length(f) - 2)
                if (f == "NA") f = ""
                field[++n] = f
            }
            key = field[at[1]]
            for (i = 2; i <= n_keys; i++) key = key "," field[at[i]]
            sum[key] += field[4]; rows[key]++
        }
        END { for (key in sum) printf "%s,%d,%d\n", key, sum[key], rows[key] }' k.csv | sort
}

for keys in k,1 n,2 d,3 k+n,1,2 n+d,2,3; do
    by=${keys%%,*} at=${keys#*,}
    query=(query k.csv --null NA --null '' --by "${by/+/,}" --agg 'sum(v), count()')
    sums "$at" >want
    succeeds 0 "${query[@]}"
    cp "$out" first
    check "$by: the answer of awk" same <(tail -n +2 first | sort) want
    for simd in c avx2 avx512; do
        MPART_SIMD=$simd succeeds 0 "${query[@]}"
        check "$by: simd $simd" same "$out" first
    done
    for np in $([ $by = k+n ] && echo 2 3 5 || echo 3); do
        MPART_TEST_SPLITS=$splits succeeds $np "${query[@]}"
        check "$by: $np ranks" same "$out" first
    done
done

# Keys that fill a domain beyond the cache, whose groups lie by place; some are longer, null, text, or quoted, and behind the
# middle there are keys of another kind for a while.
awk 'BEGIN {
    print "k,x,v"
    for (i = 0; i < 900000; i++) {
        x = i * 7919 % 150001; k = 100000 + x
        if (i > 5000 && i % 1009 == 0) k = i % 2 ? "\"" k "\"" : i % 3 ? "" : "text " i % 7
        if (i > 500000 && i < 512000) k = "other " x
        printf "%s,%s,%d\n", k, i % 4999 == 0 ? "" : i % 100 / 4, x % 1000 - 400
    }
}' >k.csv
awk -F, 'NR > 1 { gsub("\"", "", $1); sum[$1] += $3; rows[$1]++; if ($2 != "") { x[$1] += $2; n[$1]++ }
        if (!($1 in most) || $3 > most[$1]) most[$1] = $3 }
    END { for (k in sum) printf "%s,%d,%d,%d,%d,%d\n", k, sum[k], rows[k], x[k] * 100, n[k], most[k] }' k.csv | sort >want
query=(query k.csv --by k --agg 'sum(v), count(), sum(x), count(x), max(v)')
for run in "1 avx512" "2 avx512" "1 avx2" "1 c"; do
    MPART_SIMD=${run#* } succeeds ${run% *} "${query[@]}"
    [ "$run" = "1 avx512" ] && cp "$out" first
    check "by place: $run" same "$out" first
done
tail -n +2 first | awk -F, '{ printf "%s,%d,%d,%d,%d,%d\n", $1, $2, $3, $4 * 100 + ($4 < 0 ? -0.5 : 0.5), $5, $6 }' | sort >got
check "by place: the answer of awk" same got want

# Every twentieth key has no place: rows go by the table, to records at once, and by place in turn.
awk 'BEGIN {
    srand(1); split("|-5|99999999999|zz|id|\"a,b\"|0.5", odd, "|"); print "k,v"
    for (i = 0; i < 900000; i++) {
        k = int(rand() * 140000); if (rand() < 0.05) k = odd[1 + int(rand() * 7)]
        print k "," i % 97 - 5
    }
}' >k.csv
query=(query k.csv --by k --agg 'sum(v), count()')
MPART_SIMD=c succeeds 1 "${query[@]}"
cp "$out" first
for np in 2 3; do
    succeeds $np "${query[@]}"
    check "in turn: $np ranks" same "$out" first
done
finish
