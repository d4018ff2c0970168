# split_begin.bash - for scripts that begin a split (into out/d) and end it on its way; sourced behind lib.sh.
same_folder() { diff -r "$1" "$2" >/dev/null; }
legs() { grep -c '^unit [0-9]' out/d.mpart-run/journal 2>/dev/null || true; }
left() { ls -A out; }

# begin NP N ARGS...: a split in the background, until N legs are in its journal; its ranks ($ranks) stand still then. On a busy machine
# it may be through by then: once more.
begin() {
    for _ in 1 2 3 4 5; do
        begin_once "$@"
        [[ -e out/d && " $* " != *' --resume '* ]] || break
        gone
        rm -rf out/d
    done
}
begin_once() {
    local np=$1 n=$2
    shift 2
    mpirun -np "$np" "$MPART" split "$@" >"$work/begun" 2>&1 &
    job=$!
    for _ in $(seq 2000); do
        lines=()
        { mapfile -t lines <out/d.mpart-run/journal; } 2>/dev/null
        [ ${#lines[@]} -gt "$n" ] && break # the first one tells of the run
        kill -0 $job 2>/dev/null || break
        sleep 0.002
    done
    mapfile -t ranks < <(pgrep -P $job)
    kill -STOP "${ranks[@]}"
}
# The job goes on, to its end; nothing of it is alive then.
gone() {
    kill -CONT "${ranks[@]}" 2>/dev/null
    wait $job 2>/dev/null
    for pid in "${ranks[@]}"; do
        for _ in $(seq 200); do
            grep -qs '^State:.[^ZX]' "/proc/$pid/status" || break # a zombie is gone, too
            sleep 0.05
        done
    done
}
