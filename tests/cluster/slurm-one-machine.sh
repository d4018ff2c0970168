#!/bin/bash
# slurm-one-machine.sh [PROGRAM] - runs slurm/query.sbatch on a real Slurm of two nodes, on one
# machine.
#
# Three network namespaces joined by a bridge: head (slurmctld, sbatch) and two nodes (slurmd), each
# with its own host name, the nodes with their own /tmp. Needs root, and Debian's slurm-wlm, munge
# and iproute2, which it installs. Where it cannot run it says `skip: why` and exits 0. PROGRAM is
# ./mpart unless told, here or as MPART in the environment.
# Invariant: beside those packages nothing of the machine's own is changed. Configuration, keys,
# spool and output are in one temporary folder; every daemon runs in the foreground as a child of
# this script; on exit those children, and whatever still runs in the three namespaces, are ended
# by pid.
set -u

top=$(cd "$(dirname "$0")/../.." && pwd)
program=${1:-${MPART:-$top/mpart}}
tag=mpart$$
nodes='node1 node2'
n_passed=0
n_failed=0
daemons=()
dir=

skip() {
    echo "skip: $1"
    echo '0 passed, 0 failed, 1 skipped'
    exit 0
}

check() { # check NAME COMMAND...: one test
    local name=$1
    shift
    if "$@" >"$dir/check.out" 2>&1; then
        n_passed=$((n_passed + 1))
        echo "ok: $name"
    else
        n_failed=$((n_failed + 1))
        echo "FAILED: $name"
        sed 's/^/    /' "$dir/check.out"
    fi
}

# enter NODE: sets `prefix`, the start of a command line that runs the rest in the node's network,
# under its host name, with a mount table of its own. An array rather than a function around the
# command, so that a daemon started with it is this shell's own child.
# shellcheck disable=SC2016 # the inner shell expands them
enter() {
    prefix=(nsenter --net="/run/netns/$tag-$1" unshare -m -u
        sh -c 'hostname "$0" && exec "$@"' "$1")
}

on_head() {
    local prefix
    enter head
    "${prefix[@]}" "$@"
}

pids_left() {
    local node
    for node in head $nodes; do
        ip netns pids "$tag-$node" 2>/dev/null
    done
}

tear_down() {
    local node pid
    [ "${#daemons[@]}" -gt 2 ] && on_head timeout 10 scancel --full --user=root 2>/dev/null
    [ "${#daemons[@]}" -gt 0 ] && kill "${daemons[@]}" 2>/dev/null
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ -z "$(pids_left)$(jobs -rp)" ] && break
        sleep 0.3
    done
    for pid in $(pids_left) $(jobs -rp); do
        kill -KILL "$pid" 2>/dev/null
    done
    wait 2>/dev/null
    for node in $nodes head; do
        [ -e "/run/netns/$tag-$node" ] && ip netns del "$tag-$node"
    done
    [ -n "$dir" ] && [ -d "$dir" ] && rm -rf "$dir"
}

require() {
    local missing=()
    [ "$(id -u)" = 0 ] || skip 'not root'
    [ -x "$program" ] || skip "no program '$program' (make)"
    command -v mpirun >/dev/null || skip 'no mpirun (apt-get install openmpi-bin)'
    unshare -n -m -u true 2>/dev/null || skip 'no network namespaces here'
    command -v slurmctld >/dev/null && command -v slurmd >/dev/null || missing+=(slurm-wlm)
    command -v munged >/dev/null || missing+=(munge)
    command -v ip >/dev/null || missing+=(iproute2)
    [ "${#missing[@]}" = 0 ] && return
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 ||
        skip "cannot install ${missing[*]}"
}

build_network() {
    local node address=1
    ip netns add "$tag-head" 2>/dev/null || skip 'cannot make network namespaces'
    ip -n "$tag-head" link set lo up
    ip -n "$tag-head" link add br0 type bridge || skip 'cannot make a bridge'
    ip -n "$tag-head" addr add 10.77.0.254/24 dev br0
    ip -n "$tag-head" link set br0 up
    echo '127.0.0.1 localhost' >"$dir/hosts"
    echo '10.77.0.254 head' >>"$dir/hosts"
    for node in $nodes; do
        ip netns add "$tag-$node"
        ip link add "$node" netns "$tag-head" type veth peer name eth0 netns "$tag-$node" ||
            skip 'cannot make a veth pair'
        ip -n "$tag-head" link set "$node" master br0 up
        ip -n "$tag-$node" addr add "10.77.0.$address/24" dev eth0
        ip -n "$tag-$node" link set lo up
        ip -n "$tag-$node" link set eth0 up
        echo "10.77.0.$address $node" >>"$dir/hosts"
        address=$((address + 1))
    done
}

write_config() {
    local node address=1
    mkdir -m 700 "$dir/state"
    dd if=/dev/urandom of="$dir/munge.key" bs=128 count=1 2>/dev/null
    chmod 600 "$dir/munge.key"
    cat >"$dir/slurm.conf" <<CONF
ClusterName=mpart
SlurmctldHost=head(10.77.0.254)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool.%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=pmix
ReturnToService=2
SlurmdParameters=config_overrides
CONF
    for node in $nodes; do
        mkdir "$dir/spool.$node" "$dir/tmp.$node"
        echo "NodeName=$node NodeAddr=10.77.0.$address CPUs=2 RealMemory=8000" >>"$dir/slurm.conf"
        address=$((address + 1))
    done
    echo 'PartitionName=all Nodes=ALL Default=YES State=UP' >>"$dir/slurm.conf"
    # Named, or slurmd looks for mounted cgroups and refuses to start where there are none.
    echo 'CgroupPlugin=cgroup/v1' >"$dir/cgroup.conf"
    export SLURM_CONF=$dir/slurm.conf
}

start_daemons() {
    local node prefix
    # shellcheck disable=SC2016 # expanded by the inner shell, inside the node's own mount namespace
    local node_mounts='mount --bind "$0/tmp.$1" /tmp && mount --bind "$0/hosts" /etc/hosts &&
        exec slurmd -D -N "$1"'
    munged --foreground --force --key-file="$dir/munge.key" --socket="$dir/munge.socket" \
        --pid-file="$dir/munge.pid" --log-file="$dir/munge.log" --seed-file="$dir/munge.seed" \
        >"$dir/munged.out" 2>&1 &
    daemons+=($!)
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ -S "$dir/munge.socket" ] && break
        sleep 0.2
    done
    enter head
    "${prefix[@]}" slurmctld -D >"$dir/slurmctld.log" 2>&1 &
    daemons+=($!)
    for node in $nodes; do
        enter "$node"
        "${prefix[@]}" sh -c "$node_mounts" "$dir" "$node" >"$dir/slurmd.$node.log" 2>&1 &
        daemons+=($!)
    done
}

nodes_idle() {
    for _ in $(seq 60); do
        [ "$(on_head sinfo -h -N -o %T 2>/dev/null | grep -c '^idle$')" = 2 ] && return 0
        sleep 0.5
    done
    on_head sinfo
    tail -n 5 "$dir"/*.log
    return 1
}

# Submits slurm/query.sbatch and waits: submit LAUNCH EXIT ARGS... True if the job ended with EXIT.
submit() {
    local launch=$1 expected=$2 code
    shift 2
    rm -f "$dir/job.log"
    (cd "$dir" && MPART=$dir/mpart MPART_LAUNCH=$launch on_head timeout 90 \
        sbatch --wait --time=1 --output="$dir/job.log" query.sbatch "$@")
    code=$?
    [ "$code" = "$expected" ] && return 0
    echo "exit code $code instead of $expected"
    cat "$dir/job.log"
    return 1
}

four_ranks() { [ "$(grep -o '"rank" *:' "$1" | wc -l)" = 4 ]; }
said_once() { [ "$(grep -c '^mpart: ' "$dir/job.log")" = 1 ]; }

# The input, 20,000 rows with 50 keys, and awk's answer to it.
make_data() {
    awk 'BEGIN {
        print "k,v"
        for (i = 0; i < 20000; i++) printf "k%02d,%d\n", i * 7 % 50, i * i % 9973 - 4000
    }' >"$dir/data.csv"
    {
        echo 'k,sum_v,count'
        awk -F, 'NR > 1 { sum[$1] += $2; n[$1]++ }
                 END { for (k in sum) print k "," sum[k] "," n[k] }' "$dir/data.csv" | LC_ALL=C sort
    } >"$dir/expected.csv"
}

run_tests() {
    local launch
    for launch in mpirun srun; do
        check "$launch: a query over two nodes" submit "$launch" 0 data.csv --by k \
            --agg 'sum(v), count()' -o "$launch.csv" --stats "$launch.json"
        check "$launch: four ranks in one run" four_ranks "$dir/$launch.json"
        check "$launch: the answer is awk's" cmp "$dir/$launch.csv" "$dir/expected.csv"
        check "$launch: exit code 2 for an unknown column" submit "$launch" 2 data.csv \
            --by nothing --agg 'sum(v)' -o refused.csv
        check "$launch: said once" said_once
        check "$launch: exit code 74 for a missing file" submit "$launch" 74 missing.csv \
            --by k --agg 'sum(v)' -o refused.csv
        check "$launch: said once" said_once
    done
    check 'no output of a failed run' test ! -e "$dir/refused.csv"
}

require
trap tear_down EXIT
trap 'exit 1' HUP INT TERM
# Not below /tmp: the nodes have a /tmp of their own.
dir=$(mktemp -d /var/tmp/mpart-slurm.XXXXXX) || exit 1
cp "$program" "$dir/mpart"
cp "$top/slurm/query.sbatch" "$dir/"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
make_data
build_network
write_config
start_daemons
check 'two nodes are idle' nodes_idle
[ "$n_failed" = 0 ] && run_tests
echo "$n_passed passed, $n_failed failed, 0 skipped"
[ "$n_failed" = 0 ]
