#!/bin/sh
# How far the training step would scale on clusters that aren't there, simulated by SimGrid:
#
#     sh jobs/simulate.sh
#
# measures on one core of this machine, which should have nothing else to do, what an image and what
# the rest of a step take (ae_bench). Then it trains with ae_simulate, which is ae_dist on SimGrid's
# clock, on clusters of nodes with 16 cores, a rank each, and two networks: all is computed and
# sent, and takes the time that was measured, or that the network would need. Batches: 100 and 4,096
# (strong scaling), and 40 for each rank (weak scaling; there are 50,000 pictures). Runs with the
# same batch must come to the same parameters. It writes runs/simulate/simulate.h5, replacing the
# one there, prints it as a table and draws the figure. It installs and builds what is missing, as
# jobs/local.sh does; the simulation's build is in build-simulate/. Some minutes.
#
# Environment, each with a default:
#     CONFIG    whose network and images are taken (configs/bench/reference.ini); of 100,000
#               parameters: configs/bench/unshuffle48.ini, which takes 20 MB a rank, and an hour
#     RANKS     numbers of ranks, up to 1250 (16 32 64 128 256 512 1024)
#     MEASURED  a folder with JSON files of ae_bench CONFIG on one rank and thread, with --batch 100
#               and with that of one block (the "block" of the first), from a machine to be
#               simulated; default: measured here
#     OUT       the folder to write to (runs/simulate)
#     PYTHON    as in jobs/local.sh
set -eu
cd -- "$(dirname -- "$0")/.."
cd -- "$(pwd -P)"
. jobs/setup.sh
ae_take_no_arguments "$@"
top=$PWD

CONFIG=${CONFIG:-configs/bench/reference.ini}
RANKS=${RANKS:-16 32 64 128 256 512 1024}
OUT=${OUT:-runs/simulate}
NODE_CORES=16
ae_count_cores
for ranks in $RANKS; do
    ae_need_number RANKS "$ranks"
done

case $CONFIG in
/*) ;;
*) CONFIG=$top/$CONFIG ;;
esac

ae_need "$AE_RUN_PACKAGES libsimgrid-dev"
mkdir -p "$OUT"
scratch=$(mktemp -d "$OUT/simulated-XXXXXX")
trap 'rm -rf "$scratch"' EXIT

ae_say "building"
if ! { SMPI_PRETEND_CC=1 ae_configure build-simulate -S . -B build-simulate \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=smpicc -DAE_SIMULATE=ON &&
    cmake --build build-simulate --parallel "$AE_CORES" --target ae_simulate; } \
    >"$scratch/log" 2>&1; then
    cat "$scratch/log" >&2
    exit 1
fi

if [ -z "${MEASURED-}" ]; then
    ae_build ae_bench "$AE_CORES"
    ae_say "measuring one core"
    MEASURED=$scratch
    measure() { # a batch of $1 in round $2, with further options
        file=$scratch/measured-$1-$2.json
        batch=$1
        shift 2
        OMP_NUM_THREADS=1 build/ae_bench "$CONFIG" --batch "$batch" --steps-only --json "$file" \
            "$@" </dev/null >/dev/null
    }
    measure 100 1
    block=$("$AE_PYTHON" analysis/collect_simulation.py --block "$MEASURED")
    for round in 1 2 3 4 5; do
        measure "$block" $round --set "train.block=$block"
        measure 100 $round --set "train.block=$block"
    done
fi
# Seconds of an image and of the rest of a step; images of a block, bytes of a step's message.
read -r AE_IMAGE_S AE_UPDATE_S block message <<END
$("$AE_PYTHON" analysis/collect_simulation.py --seconds "$MEASURED")
END
[ "${message-}" ] || exit 1
echo "an image, the rest of a step (s): $AE_IMAGE_S $AE_UPDATE_S"
export AE_IMAGE_S AE_UPDATE_S OMP_NUM_THREADS=1

# A cluster without a bottleneck between its nodes: latency $2 (in us) and bandwidth $3 (in Gbit/s,
# each way) are those of a message from one node to another. A rank's core does 1 Gflop/s, by
# ae_simulate's count.
write_platform() {
    cat <<XML
<?xml version='1.0'?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
  <cluster id="cluster" prefix="node" suffix="" radical="0-$(($1 - 1))" speed="1Gf"
           core="$NODE_CORES" bw="$3Gbps" lat="$(awk "BEGIN { print $2 / 2 }")us"
           loopback_lat="1us" loopback_bw="5GBps"/>
</platform>
XML
}

# SimGrid's name of what Open MPI 4.1 does for a message of 8 kB and more on $1 ranks, one of each
# node or all of one node (up to 127): Rabenseifner's reduction, recursive doubling, or a ring.
allreduce() {
    if [ "$message" -ge 262144 ] || { [ "$1" -ge 4 ] && [ "$1" -lt 64 ]; }; then
        echo rab_rdb
    elif [ "$1" -ge 64 ] || [ "$message" -lt 16384 ]; then
        echo rdb
    elif [ "$message" -lt 65536 ]; then
        echo lr
    else
        echo ompi_ring_segmented
    fi
}

# Trains two epochs, of which the second's steps are timed, with a batch of $4, $5 steps an epoch,
# on $1 ranks and a network of latency $2 us and bandwidth $3 Gbit/s. Of this machine's time nothing
# counts; a message takes its latency and its share of the links' bandwidth.
train() {
    nodes=$((($1 + NODE_CORES - 1) / NODE_CORES))
    reducing=$nodes
    [ "$nodes" -gt 1 ] || reducing=$1
    write_platform "$nodes" "$2" "$3" >"$scratch/platform.xml"
    node=0
    while [ "$node" -lt "$nodes" ]; do
        echo "node$node:$NODE_CORES"
        node=$((node + 1))
    done >"$scratch/hosts"
    # smpirun leaves files in the folder where it fails.
    if ! (cd -- "$scratch" && smpirun -np "$1" -platform platform.xml -hostfile hosts \
        --cfg=smpi/simulate-computation:no --cfg=smpi/wtime:0 --cfg=smpi/host-speed:1Gf \
        --cfg=network/model:CM02 --cfg=network/crosstraffic:0 \
        --cfg=smpi/allreduce:"$(allreduce "$reducing")" --cfg=smpi/reduce:ompi_binomial \
        --cfg=smpi/gather:ompi_binomial --cfg=smpi/bcast:binomial_tree --log=root.thres:error \
        "$top/build-simulate/ae_simulate" "$CONFIG" --set "run.dir=simulated-$1-$2-$3-$4" \
        --set run.slow_percent=0 --set "data.train_images=$(($4 * $5))" --set data.test_images=1 \
        --set train.pretrain_epochs=0 --set train.epochs=2 --set "train.batch=$4" \
        --set "train.block=$block" --set output.checkpoint_epochs=2 --set output.reconstructions=0 \
        </dev/null >log 2>&1); then
        cat "$scratch/log" >&2
        ae_say "the simulation of $1 ranks failed" >&2
        exit 1
    fi
}

simulate() {
    train "$1" "$2" "$3" 100 5
    train "$1" "$2" "$3" 4096 2
    train "$1" "$2" "$3" $((40 * $1)) 1
    echo "$1 ranks, $3 Gbit/s: done"
}

ae_say "simulating"
for ranks in $RANKS; do
    simulate "$ranks" 20 10
    simulate "$ranks" 1.5 100
done
"$AE_PYTHON" analysis/collect_simulation.py "$scratch" "$OUT/simulate.h5" --measured "$MEASURED"
ae_say "$(ae_quote "$AE_PYTHON" analysis/figures.py "$OUT")"
"$AE_PYTHON" analysis/figures.py "$OUT"
