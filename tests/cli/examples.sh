# examples.sh - the old scripts of scripts/examples and the mpart commands in their place: the same answers.
. "$(dirname "$0")/lib.sh"
examples=$here/../../scripts/examples
run 0 gen orders --rows 20000 -o orders.csv
old() {
    last="old_$1.py"
    timeout 60 python3 -B "$examples/old_$1.py" "$2" old.csv 2>"$err"
    rc=$?
    check "the old script runs" has_code 0
}

old slices orders.csv
for np in 0 3; do
    succeeds $np map orders.csv --rows 3000 -o new.csv -- python3 -B "$examples/score.py"
    check "slices: the same rows" same new.csv old.csv
done

old shards orders.csv
sort old.csv >old.sorted
for np in 1 3; do
    succeeds $np map orders.csv --by customer -o new.csv -- python3 -B "$examples/per_customer.py"
    check "shards: the same customers" same <(sort new.csv) old.sorted
done

cut -d, -f 3,5 orders.csv | head -n 1500 >text.txt
old dict text.txt
succeeds 3 map text.txt --input-format lines --rows 400 -o counts.csv -- python3 -B "$examples/words.py"
succeeds 2 query counts.csv --by word --agg 'sum(count) as count' --sort word -o new.csv
check "words: the same counts" same new.csv old.csv

# a crawl of a web server on this machine; one page comes at the third try only
mkdir site && cd site && for i in 1 2 3 4 5 6 7 8; do echo "<title>Page $i</title><a href=1>" >$i.html; done && cd .. || exit 1
cat >serve.py <<'PY'
import http.server, os, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    tries = 0
    def do_GET(self):
        if self.path == "/5.html":
            Handler.tries += 1
            if Handler.tries < 3:
                return self.send_error(503)
        super().do_GET()
    def log_message(self, *args): pass
os.chdir("site")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("../port.new", "w").write(str(server.server_address[1]))
os.rename("../port.new", "../port")
server.serve_forever()
PY
timeout 120 python3 -B serve.py &
server=$!
for _ in $(seq 100); do [ -e port ] && break || sleep 0.1; done
for i in 1 2 3 4 5 6 7 8; do echo "http://127.0.0.1:$(cat port)/$i.html"; done >urls
succeeds 3 map --items urls --results pages --per-host 2 --retries 3 --timeout 30 --joblog jobs.tsv -- python3 -B "$examples/fetch.py" {}
kill $server
check "every page" [ "$(cat pages/*.out | cut -f 2 | sort | tr '\n' ,)" = "$(seq -f 'Page %g' 8 | tr '\n' ,)" ]
check "a line each in the job log" [ "$(wc -l <jobs.tsv)" = 9 ]
finish
