#!/bin/sh
# A Slurm of one node on this machine, for the tests: as root, without systemd, apart from any
# other Slurm. Everything lies in DIR, which must be new, and the daemons end by themselves after
# LIFE seconds if nobody ends them.
#
#     slurm.sh up DIR CPUS PORT1 PORT2 LIFE    clients then need SLURM_CONF=DIR/slurm.conf
#     slurm.sh down DIR
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
    timeout -k 5 "$life" "$@" </dev/null >"$dir/$name.out" 2>&1 &
    echo $! >"$dir/$name.pid"
}

gone() {
    ! kill -0 "$1"
}

node_is_idle() {
    [ "$(sinfo -h -o %T)" = idle ]
}

up() {
    cpus=$1 controller_port=$2 node_port=$3 life=$4
    host=$(uname -n | cut -d . -f 1)
    umask 022
    mkdir "$dir" "$dir/state" "$dir/spool" "$dir/munge"
    mungekey -c -k "$dir/munge/key"
    start munged munged --foreground --force --socket="$dir/munge/socket" \
        --key-file="$dir/munge/key" --log-file="$dir/munge/log" --pid-file="$dir/munge/pid" \
        --seed-file="$dir/munge/seed"
    cat >"$SLURM_CONF" <<CONF
ClusterName=tests
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$controller_port
SlurmdPort=$node_port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.own.pid
SlurmdPidFile=$dir/slurmd.own.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
ReturnToService=2
MailProg=/bin/true
KillWait=5
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus CoresPerSocket=$cpus RealMemory=2000
PartitionName=tests Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
    echo CgroupPlugin=cgroup/v1 >"$dir/cgroup.conf"
    wait_for munge --socket="$dir/munge/socket" --no-input
    start slurmctld slurmctld -D -f "$SLURM_CONF"
    start slurmd slurmd -D -f "$SLURM_CONF"
    wait_for node_is_idle || {
        tail -n 5 "$dir"/*.out "$dir"/*.log >&2
        return 1
    }
}

down() {
    scancel --state=pending,running --user=root 2>/dev/null || true
    scancel --signal=KILL --full --user=root 2>/dev/null || true
    pids=$(cat "$dir/slurmd.pid" "$dir/slurmctld.pid" "$dir/munged.pid" 2>/dev/null || true)
    # shellcheck disable=SC2086 # a list; timeout passes the signal on, and follows with KILL
    kill $pids 2>/dev/null || true
    for pid in $pids; do
        wait_for gone "$pid" || echo "slurm.sh: process $pid doesn't end" >&2
    done
}

shift 2
case $command in
up) up "$@" ;;
down) down ;;
*) exit 2 ;;
esac
