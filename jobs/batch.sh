# What jobs/train.sbatch and jobs/train.pbs share: how they refuse, find the program and wait for it,
# and which exit codes another start follows. For sourcing by bash; `script` is the script's name.

refuse() {
    echo "$script: $*" >&2
    exit 2
}

# Sets RESTARTS and program to what the environment says, or the defaults.
find_program() {
    RESTARTS=${RESTARTS:-50}
    [[ $RESTARTS =~ ^[0-9]+$ ]] || refuse "RESTARTS=$RESTARTS; it can be a whole number"
    program=${AE_DIST:-$(command -v ae_dist || echo build/ae_dist)}
    [ -x "$program" ] || refuse "no program $program in $PWD; build it there, put ae_dist on the" \
        "PATH, or name it in AE_DIST"
}

# mpirun gives up a host that doesn't answer for 50 s (its default: 8 minutes, and more).
export OMPI_MCA_oob_tcp_keepalive_time=${OMPI_MCA_oob_tcp_keepalive_time:-20}
export OMPI_MCA_oob_tcp_keepalive_intvl=${OMPI_MCA_oob_tcp_keepalive_intvl:-5}
export OMPI_MCA_oob_tcp_keepalive_probes=${OMPI_MCA_oob_tcp_keepalive_probes:-6}

# begin_start JOB: JOB is the name of all starts of a run.
begin_start() {
    failed=ae_dist-$1.failed # there: the start before ended with 4
    failed_before=
    rm "$failed" 2>/dev/null && failed_before=yes
}

# launch COMMAND...: starts it; its process is $launcher.
launcher=
launch() {
    "$@" </dev/null &
    launcher=$!
}

# Waits for its end, and sets code to its exit code.
await_launcher() {
    wait "$launcher"
    code=$?
    while kill -0 "$launcher" 2>/dev/null; do # a signal ended the wait
        wait "$launcher"
        code=$?
    done
    wait "$launcher" # if it left just then, this knows better
    local last=$?
    [ "$last" -eq 127 ] || code=$last
}

# May another start follow this code? After 4, a file that can't be read or written, but one may.
code_may_go_on() {
    [ "$code" -ne 4 ] || { [ -z "$failed_before" ] && : >"$failed"; }
}

# leave DONE COMMAND, as in leave queued sbatch: ends with code, and sees to another start by the
# script's may_go_on and submit_again. One follows 75, stopped early; 6, stalled; 4, a file; 128 and
# more, killed, or a host lost; and what MPI may make of those; but not the program's other errors,
# or a shell's.
leave() {
    case $code in
    [0-35] | 126 | 127) ;;
    *)
        if ! may_go_on || ! submit_again; then
            rm -f "$failed"
            echo "exit code $code; not $1 again: the same $2 command goes on from the newest" \
                "checkpoint"
        fi
        ;;
    esac
    exit "$code"
}
