#!/bin/sh
# Hosts n1, n2, ... on this machine, for the tests. Each has a name, a network and a /dev/shm of its
# own, and all have this machine's files. They are plugged into a switch and see nobody else:
# namespaces hold it all, which takes root and leaves this machine's own network alone. DIR must be
# new. The hosts are taken down after LIFE seconds if nobody does it before.
#
#     hosts.sh up DIR COUNT LIFE
#     hosts.sh on DIR HOST COMMAND...    runs it there, in this folder; Open MPI does with
#                                        --mca plm_rsh_agent "sh hosts.sh on DIR"
#     hosts.sh plug DIR HOST             connects it to the switch
#     hosts.sh unplug DIR HOST           cuts it off
#     hosts.sh processes DIR HOST        their numbers
#     hosts.sh fail DIR HOST             cuts it off and kills them all: its power failed
#     hosts.sh down DIR                  kills those of all hosts, and the namespaces end with them
set -eu
PATH=$PATH:/usr/sbin:/sbin
command=$1 dir=$2
shift 2

# Begins HOST as a process that does nothing in namespaces of its own. $dir/HOST is its number.
begin() { # HOST
    unshare --uts --net --ipc --mount sleep infinity </dev/null >/dev/null 2>"$dir/log" &
    tries=100
    until grep -qs sleep "/proc/$!/comm"; do
        tries=$((tries - 1))
        if [ $tries = 0 ] || [ -s "$dir/log" ]; then
            cat "$dir/log" >&2
            return 1
        fi
        sleep 0.02
    done
    echo $! >"$dir/$1"
}

on() { # what Open MPI keeps in TMPDIR ends with the host
    host=$1
    shift
    exec nsenter --target "$(cat "$dir/$host")" --uts --net --ipc --mount \
        env --chdir="$PWD" TMPDIR=/dev/shm sh -ec "$*"
}

up() {
    count=$1 life=$2
    mkdir "$dir"
    echo "127.0.0.1 localhost" >"$dir/hosts"
    begin switch
    (on switch "sleep $life; sh '$0' down '$dir'") </dev/null >/dev/null 2>&1 &
    (on switch ip link add bridge up type bridge)
    for i in $(seq "$count"); do
        echo "10.77.0.$i n$i" >>"$dir/hosts"
        begin "n$i"
        (on switch "ip link add n$i up master bridge type veth peer eth0 netns $(cat "$dir/n$i")")
        (on "n$i" "echo n$i >/proc/sys/kernel/hostname
            mount --bind '$dir/hosts' /etc/hosts
            mount -t tmpfs tmpfs /dev/shm
            ip link set lo up
            ip address add 10.77.0.$i/24 dev eth0
            ip link set eth0 up")
    done
}

plug() {
    (on switch ip link set "$1" up)
}

unplug() {
    (on switch ip link set "$1" down)
}

network() { # HOST; its number, as in net:[4026532701]; of a host that has ended: nothing
    [ "$(cat "/proc/$(cat "$dir/$1")/comm" 2>/dev/null)" != sleep ] ||
        readlink "/proc/$(cat "$dir/$1")/ns/net" | tr -cd 0-9
}

members() { # NETWORK; the processes in it
    find /proc/[0-9]*/ns/net -lname "net:?$1?" 2>/dev/null | cut -d / -f 3
}

processes() {
    members "$(network "$1")"
}

end() { # HOST
    network=$(network "$1")
    while numbers=$(members "$network") && [ "$numbers" ]; do
        # shellcheck disable=SC2086 # a list
        kill -KILL $numbers 2>/dev/null || true # some have ended
    done
}

fail() {
    unplug "$1" # first, so that nobody is told
    end "$1"
}

down() {
    for file in "$dir"/n* "$dir/switch"; do
        [ ! -s "$file" ] || end "${file##*/}"
    done
}

case $command in
up | on | plug | unplug | processes | fail | down) "$command" "$@" ;;
*) exit 2 ;;
esac
