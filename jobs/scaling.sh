#!/bin/sh
# How the training step scales over ranks and threads, on this machine or in a Slurm allocation:
#
#     sh jobs/scaling.sh
#     sbatch -N 2 --exclusive --wrap 'sh jobs/scaling.sh'
#
# runs ae_bench on every ranks x threads whose product the cores allow (powers of two, and all
# cores), once with the same batch for all (strong scaling) and once with a batch that grows with
# the workers (weak scaling), in several rounds. Each round does all of it in another order, so that
# a machine that is faster or slower for a while doesn't favour any: speed-ups are taken within a
# round. Then it writes all that was measured to runs/scaling/scaling.h5, replacing the one there,
# and draws the figures. It installs and builds what is missing, as jobs/local.sh does.
#
# Environment, each with a default:
#     CORES        the most workers, ranks x threads (the cores of the machine or allocation)
#     MAX_RANKS    the most ranks (CORES)
#     MAX_THREADS  the most threads of a rank (CORES)
#     ROUNDS       how often all is done (5)
#     BATCH        images in a step; weak scaling: for each worker (100)
#     LAUNCH       the launcher with its arguments, in which $ranks and $threads stand for their
#                  numbers (srun -n $ranks -c $threads, or mpirun -np $ranks, unbound), as in
#                  LAUNCH='mpirun -np $ranks --map-by slot:PE=$threads --bind-to core'
#     AE_BENCH     the program; default: built in build/
#     BENCH_FLAGS  further arguments of ae_bench, as in '--rounds 3 configs/bench/unet32.ini'
#     OUT          the folder to write to (runs/scaling)
#     PYTHON       as in jobs/local.sh
set -eu
cd -- "$(dirname -- "$0")/.."
cd -- "$(pwd -P)"
. jobs/setup.sh
ae_take_no_arguments "$@"

unset OMP_NUM_THREADS OMP_THREAD_LIMIT # threads are what is measured
ae_count_cores
found=$AE_CORES
[ -z "${SLURM_JOB_ID-}" ] || found=$((${SLURM_CPUS_ON_NODE:-1} * ${SLURM_JOB_NUM_NODES:-1}))
CORES=${CORES:-$found}
MAX_RANKS=${MAX_RANKS:-$CORES}
MAX_THREADS=${MAX_THREADS:-$CORES}
ROUNDS=${ROUNDS:-5}
BATCH=${BATCH:-100}
OUT=${OUT:-runs/scaling}
for name in CORES MAX_RANKS MAX_THREADS ROUNDS BATCH; do
    value= # of the variable named
    eval "value=\$$name"
    ae_need_number "$name" "$value"
done

# What the launcher is, unless it was named: srun where it speaks PMIx, else mpirun. Unbound, the
# threads of a rank have all cores; mpirun alone would bind a rank to one.
if [ -z "${LAUNCH-}" ]; then
    # shellcheck disable=SC2016 # $ranks and $threads are for later
    if [ "${SLURM_JOB_ID-}" ] && srun --mpi=list 2>&1 | grep -qw pmix; then
        LAUNCH='srun --mpi=pmix -n $ranks -c $threads --cpu-bind=cores'
    else
        LAUNCH='mpirun --bind-to none -x OMP_NUM_THREADS -np $ranks'
        ae_unbind
    fi
fi

if [ -z "${AE_BENCH-}" ]; then
    ae_need "$AE_RUN_PACKAGES"
    ae_say "building"
    ae_build ae_bench "$AE_CORES"
    AE_BENCH=build/ae_bench
else
    ae_need "python3 python3-h5py python3-numpy python3-matplotlib"
fi

# Open MPI refuses to run as root, as containers do, unless told otherwise.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe="${OMPI_MCA_rmaps_base_oversubscribe:-1}"

# The numbers of ranks, or of threads, up to $1.
numbers() {
    number=1
    while [ "$number" -lt "$1" ]; do
        echo "$number"
        number=$((number * 2))
    done
    echo "$1"
}

# "RANKS THREADS BATCH" for each measurement of a round.
measurements() {
    for ranks in $(numbers "$MAX_RANKS"); do
        for threads in $(numbers "$MAX_THREADS"); do
            workers=$((ranks * threads))
            [ "$workers" -le "$CORES" ] || continue
            echo "$ranks $threads $BATCH"
            [ "$workers" = 1 ] || echo "$ranks $threads $((BATCH * workers))"
        done
    done
}

# The lines of the standard input in an order of their own for each number $1.
shuffle() {
    awk -v seed="$1" 'BEGIN { srand(seed); rand() } { printf "%.9f %s\n", rand(), $0 }' |
        sort -n | cut -d " " -f 2-
}

# Measures $ranks x $threads on batches of $size in round $round. The kernels are measured on one
# worker alone.
# shellcheck disable=SC2120 # the arguments are set within
measure() {
    name=$round-${ranks}x$threads-$size
    kernels=--steps-only
    [ "$((ranks * threads))" = 1 ] && kernels=
    eval "set -- $LAUNCH"
    # shellcheck disable=SC2086 # lists
    if ! OMP_NUM_THREADS=$threads "$@" "$AE_BENCH" --batch "$size" $kernels ${BENCH_FLAGS-} \
        --json "$scratch/$name.json" </dev/null >"$scratch/log" 2>&1 ||
        [ ! -s "$scratch/$name.json" ]; then # not every launcher tells of a failure
        cat "$scratch/log" >&2
        # shellcheck disable=SC2086 # lists
        ae_say "this failed: $(ae_quote "$@" "$AE_BENCH" --batch "$size" $kernels ${BENCH_FLAGS-})" >&2
        exit 1
    fi
    printf 'round %s of %s  ' "$round" "$ROUNDS"
    grep "^step of" "$scratch/log"
}

mkdir -p "$OUT"
scratch=$(mktemp -d "$OUT/measured-XXXXXX") # where all nodes see it
trap 'rm -rf "$scratch"' EXIT
measurements >"$scratch/list"
ae_say "$(wc -l <"$scratch/list") measurements of about 4 s a round: $LAUNCH $(ae_quote "$AE_BENCH")"
round=1
while [ "$round" -le "$ROUNDS" ]; do
    shuffle "$round" <"$scratch/list" >"$scratch/shuffled"
    while read -r ranks threads size; do
        # shellcheck disable=SC2119
        measure
    done <"$scratch/shuffled"
    round=$((round + 1))
done

"$AE_PYTHON" analysis/collect_scaling.py "$scratch" "$OUT/scaling.h5" --batch "$BATCH" \
    --launch "$LAUNCH" --job "${SLURM_JOB_ID-}"
ae_say "$(ae_quote "$AE_PYTHON" analysis/figures.py "$OUT")"
"$AE_PYTHON" analysis/figures.py "$OUT"
