#!/bin/sh
# From nothing to pictures, on one machine:
#
#     sh jobs/local.sh
#
# installs what is missing (Debian and its relatives, as root or with sudo), builds the program in
# build/, trains as configs/quickstart.ini says, on pictures the program makes itself, and draws
# the figures. Started again, it goes on from where it was; once the run is finished, it draws the
# figures again. Environment: RANKS (default: the number of cores, at most 8), PYTHON (default:
# the first python3 that has h5py, numpy and matplotlib).
set -eu
cd -- "$(dirname -- "$0")/.."
cd -- "$(pwd -P)"
. jobs/setup.sh
ae_take_no_arguments "$@"

config=configs/quickstart.ini
run=runs/quickstart

ae_count_cores
ranks=${RANKS:-$((AE_CORES < 8 ? AE_CORES : 8))}
ae_need_number RANKS "$ranks"

ae_need "$AE_RUN_PACKAGES"
ae_want "$AE_PICTURE_PACKAGES"

ae_say "building"
ae_build ae_dist "$AE_CORES"

# Open MPI refuses to run as root, as containers do, unless told otherwise. Ranks that wait let
# others run: the cores may be fewer, or busy.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe="${OMPI_MCA_rmaps_base_oversubscribe:-1}"
export OMPI_MCA_mpi_yield_when_idle="${OMPI_MCA_mpi_yield_when_idle:-1}"
ae_unbind

ae_say "$(ae_quote mpirun -np "$ranks" --bind-to none build/ae_dist "$config")"
mpirun -np "$ranks" --bind-to none build/ae_dist "$config" </dev/null

ae_say "$(ae_quote "$AE_PYTHON" analysis/figures.py "$run")"
"$AE_PYTHON" analysis/figures.py "$run"
ae_say "the pictures are in $(ae_quote "$PWD/$run/figures")"
echo "To train anew, remove the run first: rm -r $(ae_quote "$PWD/$run")"
