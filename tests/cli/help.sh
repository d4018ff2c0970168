# help.sh - what `mpart` alone, help and --help print: on standard output, once, exit 0, for every command.
. "$(dirname "$0")/lib.sh"

for np in 0 3; do
    for args in '' '--help' '-h' 'help' '-v --help'; do
        succeeds $np $args
        check "lists the commands" prints '  query  '
        check "two examples" test "$(grep -c '^  mp' "$out")" = 2
        check "printed once" test "$(grep -c '^commands:' "$out")" = 1
        check "nothing on standard error" silent
    done
    for command in query split merge info gen; do
        succeeds $np $command --help
        check "nothing on standard error" silent
        check "usage, once" test "$(grep -c "^usage: mpart $command " "$out")" = 1
        check "common options" prints '--memory SIZE'
        cp "$out" "$work/help"
        for args in "help $command" "$command -h" "--help $command" "$command x.csv --memory 3G --help"; do
            succeeds $np $args
            check "'$args' is the same text" same "$out" "$work/help"
        done
    done
done

# Every command that is listed has a help, and every option in it is short enough for a terminal of 100 columns.
"$MPART" | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' >"$work/commands"
check "the commands" test "$(wc -l <"$work/commands")" -ge 4
while read -r command; do
    succeeds 0 "$command" --help
    check "no line over 100 columns" test -z "$(awk 'length($0) > 100' "$out")"
done <"$work/commands"

# The options of the contract that exist.
succeeds 0 query --help
for option in where select by agg having distinct sort offset limit input-format delimiter quote no-header names null comment \
    skip-lines types decimal-comma thousands date-format union filename on-bad-row rejects output format memory scratch scatter \
    plan progress stats quiet verbose help version; do
    check "option --$option is listed once" test "$(grep -cE -- "^ +(-., )?--$option( |$)" "$out")" = 1
done

# Help goes to a closed pipe without a complaint, to a full disk with one.
last="help | true"
"$MPART" query --help 2>"$err" | true
check "a closed pipe is fine" silent
if [ -w /dev/full ]; then
    last="help >/dev/full"
    "$MPART" query --help >/dev/full 2>"$err"
    rc=$?
    check "exit code 74" has_code 74
    check "one message" one_message
fi

fails 2 "unknown command 'nosuch'" help nosuch
fails 2 "did you mean 'query'?" help qeury
finish
