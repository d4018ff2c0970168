# oracle.sh - random tables and queries, answered by mpart and by an independent program, have the same text.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || { echo "python3 is not here"; exit 77; }
export MPART

# ORACLE_SEED=N and ORACLE_TABLES=N (and ORACLE_SECONDS=N) try others.
last="oracle.py"
rc=0
timeout "${ORACLE_SECONDS:-120}" python3 "$here/oracle.py" "${ORACLE_SEED:-1}" "${ORACLE_TABLES:-25}" 12 50 >"$out" 2>"$err" || rc=$?
tail -n 1 "$out"
check "every answer agrees" has_code 0
finish
