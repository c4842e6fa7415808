#!/bin/sh
# A Slurm on this machine, for the tests: as root, without systemd, apart from any other Slurm.
# Everything lies in DIR, which must be new, and the daemons end by themselves after LIFE seconds if
# nobody ends them.
#
#     slurm.sh up DIR HOSTS CPUS PORT1 PORT2 LIFE
#                                 HOSTS 0: the one node is this machine. Else the nodes are n1, n2,
#                                 ...: hosts with a network, a name, processes and shared memory of
#                                 their own, on a bridge in a network namespace
#     slurm.sh in DIR COMMAND...  runs a client, which needs SLURM_CONF=DIR/slurm.conf
#     slurm.sh off DIR HOST       the host loses its power
#     slurm.sh on DIR HOST        and gets it back
#     slurm.sh cut DIR HOST       its network cable is pulled
#     slurm.sh down DIR
# shellcheck disable=SC2086 # in_network is words
set -eu
PATH=$PATH:/usr/sbin:/sbin
command=$1 dir=$2
export SLURM_CONF="$dir/slurm.conf"

wait_for() { # COMMAND...: until it succeeds, at most 20 s
    tries=200
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return
        sleep 0.1
    done
}

start() { # NAME COMMAND...: a daemon that stays in the foreground
    name=$1
    shift
    timeout -k 5 "$(cat "$dir/life")" "$@" </dev/null >>"$dir/$name.out" 2>&1 &
    echo $! >"$dir/$name.pid"
}

gone() {
    ! kill -0 "$1"
}

child() { # NAME: the daemon itself, which timeout started
    pgrep -P "$(cat "$dir/$1.pid")"
}

# What makes a command one in the network of the hosts, if there is one.
find_network() {
    in_network=
    [ ! -f "$dir/network" ] || in_network="nsenter --target $(cat "$dir/network") --net"
}

nodes_are_idle() {
    [ "$($in_network sinfo -h -N -o %T | sort -u)" = idle ]
}

start_network() { # HOSTS: the bridge, and the names on it
    start network unshare --net sleep "$(cat "$dir/life")"
    wait_for child network
    child network >"$dir/network"
    find_network
    wait_for $in_network ip link add bridge type bridge
    $in_network ip link set lo up
    $in_network ip addr add 10.7.0.254/24 dev bridge
    $in_network ip link set bridge up
    echo "127.0.0.1 localhost" >"$dir/hosts"
    echo "10.7.0.254 $(uname -n)" >>"$dir/hosts"
    for i in $(seq "$1"); do echo "10.7.0.$i n$i" >>"$dir/hosts"; done
}

start_host() { # nI: with its end of a cable from the bridge
    start "$1" $in_network unshare --net --uts --mount --ipc --pid --fork \
        --kill-child --mount-proc sh "$0" host "$dir" "$1"
    wait_for test -e "$dir/$1.ready"
    $in_network ip link add "to-$1" type veth peer name eth0 netns "$(child "$1")"
    $in_network ip link set "to-$1" master bridge up
}

host() { # nI, from within
    hostname "$1"
    mount --bind "$dir/hosts" /etc/hosts
    mount -t tmpfs tmpfs /dev/shm
    ip link set lo up
    touch "$dir/$1.ready"
    wait_for ip addr add "10.7.0.${1#n}/24" dev eth0
    ip link set eth0 up
    slurmd -D -f "$SLURM_CONF" &
    wait # this shell is the host's first process, and ends as its slurmd does
}

off() { # nI
    kill -KILL "$(child "$1")"
    wait_for gone "$(cat "$dir/$1.pid")"
    $in_network ip link del "to-$1" 2>/dev/null || true # it goes with the host, but later
    rm "$dir/$1.ready"
}

up() {
    hosts=$1 cpus=$2 controller_port=$3 node_port=$4
    mkdir "$dir" "$dir/state" "$dir/munge"
    echo "$5" >"$dir/life"
    host=$(uname -n | cut -d . -f 1)
    nodes=$host node_address=127.0.0.1 controller_address=127.0.0.1
    if [ "$hosts" -gt 0 ]; then
        nodes="n[1-$hosts]" node_address="10.7.0.[1-$hosts]" controller_address=10.7.0.254
        start_network "$hosts"
    fi
    umask 022
    mungekey -c -k "$dir/munge/key"
    start munged munged --foreground --force --socket="$dir/munge/socket" \
        --key-file="$dir/munge/key" --log-file="$dir/munge/log" --pid-file="$dir/munge/pid" \
        --seed-file="$dir/munge/seed"
    cat >"$SLURM_CONF" <<CONF
ClusterName=tests
SlurmctldHost=$host($controller_address)
SlurmctldPort=$controller_port
SlurmdPort=$node_port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool.%n
SlurmctldPidFile=$dir/slurmctld.ownpid
SlurmdPidFile=$dir/slurmd.%n.ownpid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
SlurmdParameters=config_overrides
ReturnToService=2
MailProg=/bin/true
KillWait=5
NodeName=$nodes NodeAddr=$node_address CPUs=$cpus CoresPerSocket=$cpus RealMemory=2000
PartitionName=tests Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=polite Nodes=ALL GraceTime=20 MaxTime=INFINITE State=UP
PartitionName=urgent Nodes=ALL PriorityTier=2 MaxTime=INFINITE State=UP
CONF
    echo CgroupPlugin=cgroup/v1 >"$dir/cgroup.conf"
    echo PMIxCliTmpDirBase=/dev/shm >"$dir/mpi.conf" # as each host has its own
    wait_for munge --socket="$dir/munge/socket" --no-input
    start slurmctld $in_network slurmctld -D -f "$SLURM_CONF"
    if [ "$hosts" -gt 0 ]; then
        for i in $(seq "$hosts"); do start_host "n$i"; done
    else
        start slurmd slurmd -D -f "$SLURM_CONF"
    fi
    wait_for nodes_are_idle || {
        tail -n 5 "$dir"/*.out "$dir"/*.log >&2
        return 1
    }
}

down() {
    $in_network scancel --state=pending,running --user=root 2>/dev/null || true
    $in_network scancel --signal=KILL --full --user=root 2>/dev/null || true
    pids=$(cat "$dir"/*.pid 2>/dev/null || true)
    # timeout passes the signal on, and follows with KILL
    kill $pids 2>/dev/null || true
    for pid in $pids; do
        wait_for gone "$pid" || echo "slurm.sh: process $pid doesn't end" >&2
    done
}

shift 2
[ "$command" = host ] || find_network
case $command in
up) up "$@" ;;
in) $in_network "$@" ;;
host) host "$1" ;;
off) off "$1" ;;
on) start_host "$1" ;;
cut) $in_network ip link set "to-$1" down ;;
down) down ;;
*) exit 2 ;;
esac
