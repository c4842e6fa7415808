#!/bin/sh
# All tests, from nothing to a verdict:
#
#     sh tests/run.sh
#
# installs what is missing (Debian and its relatives, as root or with sudo), then builds and tests
#
#     gcc       in build/: every test but Valgrind's; a warning is an error
#     valgrind  in build/: a whole run on two and four ranks under Valgrind's memcheck
#     clang     in build-clang/: unit tests, and mpi tests on one and two ranks, with an environment
#               whose flags would spoil the arithmetic; a warning is an error
#     asan      in build-asan/: unit tests, and mpi tests and whole runs on two and four ranks, under
#               AddressSanitizer and UndefinedBehaviorSanitizer
#     tsan      in build-tsan/: whole runs with 1 x 4 and 2 x 2 ranks x threads, and the test of
#               signals and threads, under ThreadSanitizer
#     fuzz      in build-fuzz/: ten seconds of each fuzz target of tests/fuzz, with clang's
#               AddressSanitizer and UndefinedBehaviorSanitizer
#     mpich     in build-mpich/: mpi tests on two and four ranks, and a whole run, with MPICH for
#               Open MPI
#     arm64     in build-arm64/: what is built for ARM64 against Debian's packages for it, unpacked
#               there, under an emulator: unit tests of numbers, and whole runs, which have the
#               numbers of build/
#
# and closes with what passed, failed and was skipped. Arguments name the parts to run; none: all.
# Leaves with 0 where nothing failed. A whole run trains, evaluates, is stopped and goes on, to the
# same bits in every part; for each tool, a faulty program that is built and started alike must fail.
set -u
cd -- "$(dirname -- "$0")/.." && cd -- "$(pwd -P)" || exit
. jobs/setup.sh
unset OMP_NUM_THREADS OMP_THREAD_LIMIT AE_KERNELS
ae_unbind
ae_count_cores
passed=0 failed=0 skipped=0 targets=
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
: >"$scratch/summary"

summarise() {
    printf '%-8s %s\n' "$1" "$2" >>"$scratch/summary"
}

# The part $1 can't be run here, because of $2.
skip_part() {
    ae_say "$1: skipped, $2"
    summarise "$1" "skipped: $2"
    skipped=$((skipped + 1))
}

# Adds up the part $1, which took $2 s, from what ctest wrote to $scratch/junit.xml.
add_results() {
    awk -v part="$1" -v seconds="$2" -v sums="$scratch/sums" '
        function value(name) {
            if (!match($0, " " name "=\"[^\"]*\"")) return ""
            return substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4)
        }
        /<testcase / {
            test = value("name")
            status = value("status")
            if (status == "run") passed++
            else if (status == "fail") failed++
            else skipped++
            if (status == "fail") lines = lines "         FAILED: " test "\n"
            else if (status != "run") lines = lines "         skipped: " test "\n"
        }
        /SKIPPED \[/ { # by pytest, within a test that passed
            sub(/.*SKIPPED \[[0-9]*\] /, "")
            lines = lines "         skipped in " test ": " $0 "\n"
        }
        END {
            printf "%-8s %d passed, %d failed, %d skipped, in %d s\n%s", part, passed, failed,
                skipped, seconds, lines
            printf "%d %d %d\n", passed, failed, skipped >sums
        }' "$scratch/junit.xml" >>"$scratch/summary"
    read -r p f s <"$scratch/sums"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# Configures build folder $1 with the cmake arguments that follow, and builds $targets there, or all.
build() {
    directory=$1
    shift
    # shellcheck disable=SC2086 # a list
    ae_configure "$directory" "$@" &&
        cmake --build "$directory" --parallel "$AE_CORES" ${targets:+--target $targets}
}

# Builds the part $1 in build folder $2 with the cmake arguments $3, and runs the tests that the
# ctest arguments after them choose.
run_part() {
    part=$1 folder=$2 arguments=$3
    shift 3
    ae_say "$part: building in $folder/"
    began_s=$(date +%s)
    # shellcheck disable=SC2086 # a list
    if ! build "$folder" $arguments >"$scratch/log" 2>&1; then
        cat "$scratch/log"
        ae_say "$part: the build FAILED"
        summarise "$part" "the build FAILED"
        failed=$((failed + 1))
        return
    fi
    ae_say "$part: testing, the build took $(($(date +%s) - began_s)) s"
    rm -f "$scratch/junit.xml"
    # One more at a time than there are cores, for a fifth of their time is waiting.
    ctest --test-dir "$folder" --parallel $((AE_CORES + 1)) --output-on-failure --no-tests=error \
        --test-output-size-passed 1000000 --output-junit "$scratch/junit.xml" "$@" </dev/null
    if [ -f "$scratch/junit.xml" ]; then
        add_results "$part" $(($(date +%s) - began_s))
    else
        summarise "$part" "no tests ran: FAILED"
        failed=$((failed + 1))
    fi
}

gcc="--preset release -DAE_WERROR=ON -DBUILD_TESTING=ON"

run_gcc() {
    run_part gcc build "$gcc" -LE valgrind
}

run_valgrind() {
    if ! ae_has valgrind; then
        skip_part valgrind "valgrind isn't there"
        return
    fi
    run_part valgrind build "$gcc" -L valgrind
}

run_clang() {
    if ! ae_has clang || ! ae_has libomp-dev; then
        skip_part clang "clang with OpenMP (clang, libomp-dev) isn't there"
        return
    fi
    # What says fast, in each of its ways, and other traps; that it is undone isn't warned of.
    fast="-Ofast -ffast-math -funsafe-math-optimizations -ffinite-math-only -fassociative-math \
        -freciprocal-math -fno-signed-zeros -fno-trapping-math -ffp-contract=fast -fapprox-func"
    CFLAGS="$fast -fdenormal-fp-math=positive-zero -std=gnu89 -march=native \
        -Wno-unknown-warning-option -Wno-overriding-option -Wno-overriding-t-option"
    LDFLAGS=$fast
    export CFLAGS LDFLAGS
    run_part clang build-clang "-S . -B build-clang -DCMAKE_BUILD_TYPE=Release -DAE_WERROR=ON \
        -DCMAKE_C_COMPILER=clang" -L "unit|mpi" -E '\.np4$'
    unset CFLAGS LDFLAGS
}

run_asan() {
    run_part asan build-asan "--preset asan" -L "unit|mpi|whole" -E '^mpi\..*\.np1$'
}

run_tsan() {
    if ! ae_has clang || ! ae_has libomp-dev || ! ae_has libclang-rt-dev; then
        skip_part tsan "ThreadSanitizer (clang, libomp-dev, libclang-rt-dev) isn't there"
        return
    fi
    targets="ae_dist faulty test_stop"
    run_part tsan build-tsan "--preset tsan" -R '^(unit\.stop|whole\..*)$'
    targets=
}

run_fuzz() {
    if ! ae_has clang || ! ae_has libomp-dev || ! ae_has libclang-rt-dev; then
        skip_part fuzz "clang with OpenMP and libFuzzer (clang, libomp-dev, libclang-rt-dev) isn't there"
        return
    fi
    run_part fuzz build-fuzz "--preset fuzz"
}

run_mpich() {
    if ! ae_has mpich || ! ae_has libmpich-dev; then
        skip_part mpich "MPICH (mpich, libmpich-dev) isn't there"
        return
    fi
    # Ranks that wait spin; threads beside them would take a small machine's cores from them.
    OMP_NUM_THREADS=1
    export OMP_NUM_THREADS
    targets="ae_dist faulty mpi_tests"
    run_part mpich build-mpich "-S . -B build-mpich -DCMAKE_BUILD_TYPE=Release -DAE_WERROR=ON \
        -DMPI_C_COMPILER=mpicc.mpich -DMPI_EXECUTABLE_SUFFIX=.mpich" -L "mpi|whole" \
        -E '\.np1$'
    targets=
    unset OMP_NUM_THREADS
}

run_arm64() {
    if [ "$(uname -m)" = aarch64 ]; then
        skip_part arm64 "this is such a machine: the part gcc is about it"
        return
    fi
    if ! ae_has gcc-aarch64-linux-gnu || ! ae_has qemu-user-static; then
        skip_part arm64 "what builds and emulates (gcc-aarch64-linux-gnu, qemu-user-static) isn't there"
        return
    fi
    if ! sh tests/arm64/sysroot.sh build-arm64/sysroot; then
        skip_part arm64 "Debian's packages for it can't be had (tests/arm64/sysroot.sh)"
        return
    fi
    if ! (ae_build ae_dist "$AE_CORES"); then
        summarise arm64 "the build of build/ FAILED"
        failed=$((failed + 1))
        return
    fi
    run_part arm64 build-arm64 "-S . -B build-arm64 -DCMAKE_BUILD_TYPE=Release -DAE_WERROR=ON \
        -DCMAKE_TOOLCHAIN_FILE=tests/arm64/toolchain.cmake"
}

ae_need "$AE_TEST_PACKAGES"
ae_want "$AE_PICTURE_PACKAGES $AE_EXTRA_PACKAGES"
parts="gcc valgrind clang asan tsan fuzz mpich arm64"
# shellcheck disable=SC2086 # a list
[ $# -gt 0 ] || set -- $parts
for part in "$@"; do
    case $part in
    gcc | valgrind | clang | asan | tsan | fuzz | mpich | arm64) "run_$part" ;;
    *)
        echo "tests/run.sh: no part $part; there are $parts" >&2
        exit 2
        ;;
    esac
done

ae_say "summary"
cat "$scratch/summary"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
