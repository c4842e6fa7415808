# What jobs/local.sh, jobs/scaling.sh and tests/run.sh share: what the program needs and how it is
# installed, which Python is used, how a build is configured. For sourcing by a POSIX shell in the
# top folder.

# By Debian's names; ae_has tells what each stands for, wherever it comes from.
AE_RUN_PACKAGES="gcc libc6-dev cmake ninja-build pkg-config libopenmpi-dev openmpi-bin libhdf5-dev \
libxxhash-dev python3 python3-h5py python3-numpy python3-matplotlib"
AE_TEST_PACKAGES="$AE_RUN_PACKAGES git libcmocka-dev python3-pytest python3-xarray \
python3-h5netcdf"
# Formats of pictures, each of which the program can do without.
AE_PICTURE_PACKAGES="libpng-dev libjpeg62-turbo-dev libtiff-dev zlib1g-dev"
# What only some of the tests need.
AE_EXTRA_PACKAGES="clang libomp-dev libclang-rt-dev llvm clang-format valgrind mpich libmpich-dev \
slurmctld slurmd slurm-client munge iproute2 procps libsimgrid-dev \
gcc-aarch64-linux-gnu qemu-user-static"

ae_say() {
    printf '== %s\n' "$*"
}

# "QUOTA PERIOD" of this process's control group and each around it: processor time, of so much.
ae_quotas() {
    while IFS=: read -r _ kinds group; do
        case ,$kinds, in
        ,,) top=/sys/fs/cgroup ;;
        *,cpu,*) top=/sys/fs/cgroup/cpu ;;
        *) continue ;;
        esac
        above=none
        until [ "$group" = "$above" ]; do
            cat "$top$group/cpu.max" || :
            paste "$top$group/cpu.cfs_quota_us" "$top$group/cpu.cfs_period_us" || :
            above=$group
            group=${group%/*}
        done
    done </proc/self/cgroup 2>/dev/null
}

# Sets AE_CORES to the number of cores that this process may use, and has the time of. OpenMP's
# variables, which nproc heeds, are not about that.
ae_count_cores() {
    AE_CORES=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc 2>/dev/null ||
        getconf _NPROCESSORS_ONLN)
    AE_CORES=$(ae_quotas | awk -v cores="$AE_CORES" '
        $1 > 0 && $2 > 0 && $1 < cores * $2 { cores = $1 / $2 }
        END { print cores < 1 ? 1 : int(cores) }')
}

# Leaves with 2 unless $2, the value of the variable $1, is a whole number from 1.
ae_need_number() {
    case $2 in
    *[!0-9]* | "" | 0*)
        echo "${0##*/}: $1=$2; it can be a whole number from 1" >&2
        exit 2
        ;;
    esac
}

# The ranks have all cores to share, and OpenMP, which would give each of them the same ones, isn't
# to bind their threads.
ae_unbind() {
    unset OMP_PROC_BIND OMP_PLACES GOMP_CPU_AFFINITY KMP_AFFINITY
}

# Leaves with 2 where there are arguments, for a script that takes none.
ae_take_no_arguments() {
    [ $# -gt 0 ] || return 0
    echo "${0##*/}: takes no arguments, and was given: $*; what can be chosen are variables of the" \
        "environment, which stand at its beginning" >&2
    exit 2
}

# The arguments as a shell reads them back, one space between them.
ae_quote() {
    ae_words=
    for ae_word; do
        case $ae_word in
        "" | *[!A-Za-z0-9_./:,+=@%-]*)
            ae_word=$(printf '%s\n' "$ae_word" | sed "s/'/'\\\\''/g; 1s/^/'/; \$s/\$/'/") ;;
        esac
        ae_words="$ae_words${ae_words:+ }$ae_word"
    done
    printf '%s\n' "$ae_words"
}

# Can the Python $1 import the modules that follow?
ae_python_has() {
    # shellcheck disable=SC2086 # a list
    "$1" -c 'import importlib.util, sys
sys.exit(not all(map(importlib.util.find_spec, sys.argv[1:])))' $2 >/dev/null 2>&1
}

# Sets AE_PYTHON to the first Python that has the modules among the packages $1, or to nothing. The
# first one on the PATH often isn't the system's, and lacks them.
ae_choose_python() {
    modules=
    for package in $1; do
        case $package in python3-*) modules="$modules ${package#python3-}" ;; esac
    done
    for AE_PYTHON in "${PYTHON:-python3}" python3 /usr/bin/python3; do
        ae_python_has "$AE_PYTHON" "$modules" && return
    done
    AE_PYTHON=
}

# Is what the package $1 brings there? Python modules: in AE_PYTHON, else in the system's Python.
ae_has() {
    case $1 in
    gcc) command -v cc ;;
    libc6-dev) echo '#include <stdio.h>' | cc -E - ;;
    cmake) cmake --version | awk '{ split($3, v, "."); exit !(v[1] * 100 + v[2] >= 325) }
        END { if (!NR) exit 1 }' ;;
    ninja-build) command -v ninja || command -v make ;;
    libopenmpi-dev) command -v mpicc ;;
    openmpi-bin) command -v mpirun ;;
    libhdf5-dev) command -v h5cc || pkg-config --exists hdf5 ;;
    libxxhash-dev) pkg-config --exists 'libxxhash >= 0.8' ;;
    libpng-dev) pkg-config --exists libpng ;;
    libjpeg62-turbo-dev) pkg-config --exists libjpeg ;;
    libtiff-dev) pkg-config --exists libtiff-4 ;;
    zlib1g-dev) echo '#include <zlib.h>' | cc -E - ;;
    libcmocka-dev) pkg-config --exists cmocka ;;
    libomp-dev) echo '#include <omp.h>' | clang -fopenmp -E - ;;
    libclang-rt-dev) echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' |
        clang -fsanitize=fuzzer,address,undefined -x c -o /dev/null - ;;
    llvm) command -v llvm-symbolizer ;;
    mpich) command -v mpiexec.mpich ;;
    libmpich-dev) command -v mpicc.mpich ;;
    gcc-aarch64-linux-gnu) command -v aarch64-linux-gnu-gcc ;;
    qemu-user-static) command -v qemu-aarch64-static ;;
    libsimgrid-dev) command -v smpicc && command -v smpirun ;;
    slurm-client) command -v sbatch ;;
    slurmctld | slurmd) PATH=$PATH:/usr/sbin command -v "$1" ;;
    iproute2) PATH=$PATH:/usr/sbin:/sbin command -v ip ;;
    procps) command -v pgrep ;;
    munge) PATH=$PATH:/usr/sbin command -v munged ;;
    python3-*) [ "$AE_PYTHON" ] || ae_python_has /usr/bin/python3 "${1#python3-}" ;;
    *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

# Sets AE_MISSING to those of the packages $1 that aren't there, one space between them.
ae_find_missing() {
    AE_MISSING=
    for package in $1; do
        ae_has "$package" || AE_MISSING="$AE_MISSING${AE_MISSING:+ }$package"
    done
}

# Sets AE_AS_ROOT to what makes a command root's: nothing for root, else sudo, which may ask for a
# password where there is someone to type it. Fails where neither serves.
ae_may_install() {
    AE_AS_ROOT=
    command -v apt-get >/dev/null || return
    [ "$(id -u)" = 0 ] && return
    command -v sudo >/dev/null || return
    AE_AS_ROOT=sudo
    sudo -n true 2>/dev/null || [ -t 0 ]
}

ae_apt_get() {
    $AE_AS_ROOT env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@" \
        </dev/null >/dev/null
}

# Refreshes apt's lists, once; where that fails, the old ones may do.
ae_update_lists() {
    [ "${ae_updated-}" ] || ae_apt_get update || ae_say "apt-get update failed; going on without"
    ae_updated=yes
}

# Installs those of the packages $1 that are missing, or says how to get them and leaves with 1.
ae_need() {
    ae_choose_python "$1"
    ae_find_missing "$1"
    if [ "$AE_MISSING" ] && ae_may_install; then
        ae_say "installing $AE_MISSING"
        ae_update_lists
        # shellcheck disable=SC2086 # a list
        ae_apt_get install --no-install-recommends $AE_MISSING || ae_say "apt-get install failed"
        ae_choose_python "$1"
        ae_find_missing "$1"
    fi
    [ -z "${PYTHON-}" ] || [ "$AE_PYTHON" = "$PYTHON" ] ||
        ae_say "PYTHON=$PYTHON lacks some of$modules; ${AE_PYTHON:-none} is taken"
    [ "$AE_MISSING" ] || return 0
    if command -v apt-get >/dev/null; then
        printf 'These packages are missing: %s\nAs root, get them with\n\n    %s\n    %s\n\n' \
            "$AE_MISSING" "apt-get update" "apt-get install --no-install-recommends $AE_MISSING"
    else
        printf 'What these Debian packages bring is missing: %s\n' "$AE_MISSING"
        cat <<'NAMES'
Needed in all: a C11 compiler with OpenMP, CMake >= 3.25, Ninja or make, pkg-config, an MPI library
with mpicc and mpirun (Open MPI), HDF5's C library, xxHash >= 0.8, and Python 3 with h5py, numpy
and matplotlib; for pictures libpng, libjpeg-turbo, libtiff and zlib; for the tests also git, cmocka, and
Python's pytest, xarray and h5netcdf.
NAMES
    fi >&2
    exit 1
}

# Installs what can be had of the packages $1; what is missing then, ae_has tells.
ae_want() {
    ae_find_missing "$1"
    [ "$AE_MISSING" ] && ae_may_install || return 0
    ae_say "installing $AE_MISSING"
    ae_update_lists
    # shellcheck disable=SC2086 # a list
    ae_apt_get install --no-install-recommends $AE_MISSING && return
    for package in $AE_MISSING; do # one that isn't to be had doesn't stop the others
        ae_apt_get install --no-install-recommends "$package" || ae_say "can't install $package"
    done
}

# Configures the build folder $1 with the cmake arguments that follow; with Ninja where it is there.
# A folder configured from another place is begun anew.
ae_configure() {
    folder=$1
    shift
    if ! grep -qsFx "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$folder/CMakeCache.txt"; then
        command -v ninja >/dev/null && set -- -G Ninja "$@"
        set -- --fresh "$@"
    fi
    cmake "$@" -DPython3_EXECUTABLE="$(command -v "$AE_PYTHON")"
}

# Builds the program $1 in build/, $2 files at a time; leaves with 1 where that fails.
ae_build() {
    ae_log=$(mktemp)
    if ! { ae_configure build --preset release -DBUILD_TESTING=ON &&
        cmake --build build --parallel "$2" --target "$1"; } >"$ae_log" 2>&1; then
        cat "$ae_log" >&2
        rm -f "$ae_log"
        ae_say "the build failed" >&2
        exit 1
    fi
    rm -f "$ae_log"
}
