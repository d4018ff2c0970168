# stats.sh - --stats and -v: figures of all ranks that add up, in a file that appears whole or not at all.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || { echo "python3 is not here"; exit 77; }

succeeds 2 gen groupby --rows 2e5 -o t.csv --stats gen.json
bytes=$(stat -c %s t.csv)
check "figures of gen" python3 - gen.json "$bytes" <<'PY'
import json, sys
s, n = json.load(open(sys.argv[1])), int(sys.argv[2])
assert s["command"] == "gen" and s["rows_out"] == 200000 and s["bytes_out"] == n and s["rows_in"] == 0
assert sum(r["rows"] for r in s["ranks"]) == 200000 and sum(r["bytes"] for r in s["ranks"]) == n
PY
for np in 0 2 5; do
    succeeds $np query t.csv --by id1 --agg 'sum(v1) as s' -o answer.csv --stats stats.json
    check "figures with $np ranks" python3 - stats.json "$bytes" "$np" "$(stat -c %s answer.csv)" <<'PY'
import json, sys
s = json.load(open(sys.argv[1]))
n_bytes, np, out_bytes = int(sys.argv[2]), max(1, int(sys.argv[3])), int(sys.argv[4])
assert set(s) >= {"command", "seconds", "rows_in", "rows_out", "bytes_in", "bytes_out", "phases", "ranks"}, s
assert s["command"] == "query" and s["rows_in"] == 200000 and s["rows_out"] == 100, s
assert out_bytes - s["bytes_out"] in (0, len("id1,s\n")) and abs(s["bytes_in"] - n_bytes) < 64, s
assert [r["rank"] for r in s["ranks"]] == list(range(np)), s
for r in s["ranks"]:
    assert r["host"] and r["peak_rss"] >= r["peak_anon"] > 0 and 0 <= r["seconds"] <= s["seconds"] + 1, r
assert sum(r["rows"] for r in s["ranks"]) == 200000, s
assert any(p["name"] == "scan" and p["rows"] == 200000 and p["passes"] >= 1 for p in s["phases"]), s
PY
done

succeeds 2 query t.csv --agg 'count()' -v
check "-v has a line of each rank" test "$(grep -cE '^[01] +[0-9.]+ ' "$err")" = 2
check "-v leaves standard output alone" test "$(cat "$out")" = "count
200000"
succeeds 2 query t.csv --agg 'count()' -v -q
check "-q wins over -v" silent

# No place for the statistics: known before anything is written.
mkdir empty && mv t.csv .. && cd empty || exit 1
fails 74 "file 'nosuch/s.json'" query ../../t.csv --agg 'count()' -o answer.csv --stats nosuch/s.json
fails 65 "row 1, column 'id2'" query ../../t.csv --by id1 --agg 'sum(id2)' -o answer.csv --stats s.json
check "nothing was made" nothing_left
finish
