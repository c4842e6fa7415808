"""The bits rest on IEEE 754's arithmetic: neither a build's environment nor a library changes it. The
builds are without the formats of pictures, too: what is missing is told."""
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import support
from support import NUMERIC, PROGRAM, ROOT, assert_refused, run, write_config

BUILD_DIR = Path(os.environ.get("AE_BUILD_DIR", Path(PROGRAM).parent))
SHIM = BUILD_DIR / "tests" / "other_arithmetic.so"
BUILD_S = 800  # on a busy machine; a longer one hangs


def trained_hash(folder, program=PROGRAM, threads=2, variables=None, **options):
    config = write_config(folder, options)
    return run(folder, config, ranks=None, threads=threads, program=[str(program)],
               variables=variables).hash


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("expected")
    found = trained_hash(folder)
    assert found != trained_hash(folder, **{"run.dir": "other", "run.seed": 1})
    return found


# ---- built with flags that spoil it, and without pictures ----

# What says fast, in each of its ways, and other traps: precisions, standards, OpenMP, quotes.
FAST = ("-Ofast -ffast-math -funsafe-math-optimizations -ffinite-math-only -fassociative-math "
        "-freciprocal-math -fno-signed-zeros -fno-trapping-math -ffp-contract=fast")
HOSTILE = (f"{FAST} -fsingle-precision-constant -fallow-store-data-races -std=gnu89 -march=native "
           "-fno-openmp -DNAME='\"two words\"'")


def has_openmp(compiler):
    return shutil.which(compiler) and subprocess.run(
        [compiler, "-fopenmp", "-fsyntax-only", "-xc", "-"], input="#include <omp.h>\n", text=True,
        capture_output=True).returncode == 0


FORMATS = ("PNG", "JPEG", "TIFF")
PICTURE_TESTS = ("test_picture_bad", "test_picture_write")


def build(folder):
    """Builds the program, and some tests; returns what cmake said of the configuration."""
    env = {**os.environ, "CC": "gcc", "CFLAGS": HOSTILE, "LDFLAGS": FAST}
    said = []
    for command in (["cmake", "-S", ROOT, "-B", folder, "-DCMAKE_BUILD_TYPE=None",
                     f"-DPython3_EXECUTABLE={sys.executable}",
                     # A library's own flags, as a cluster's mpicc may name them, come after the
                     # environment's.
                     "-DMPI_C_COMPILE_OPTIONS=-ffast-math;-funsafe-math-optimizations",
                     *(f"-DCMAKE_DISABLE_FIND_PACKAGE_{name}=ON" for name in FORMATS)],
                    ["cmake", "--build", folder, "--parallel", "2", "--target", "ae_dist",
                     *PICTURE_TESTS]):
        done = subprocess.run(command, env=env, text=True, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=BUILD_S)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        said.append(done.stdout + done.stderr)
    return said[0]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of a build, and what cmake said; made once. With clang's flags that spoil it
    tests/run.sh builds a part of its own."""
    if not has_openmp("gcc"):
        pytest.skip("gcc with OpenMP is missing")
    folder = tmp_path_factory.mktemp("built")
    return folder, build(folder)


def test_flags_of_the_environment(tmp_path, expected, built):
    program = built[0] / "ae_dist"
    assert trained_hash(tmp_path, program) == expected
    symbols = subprocess.run(["nm", program], text=True, check=True, capture_output=True).stdout
    assert "main" in symbols and "set_fast_math" not in symbols  # start-up code of fast mathematics


def test_formats_of_pictures_are_missing(built):
    """It is said, and their files are refused with what to install."""
    folder, said = built
    for name in FORMATS:
        assert f"Pictures: {name} is left out, for want of its library" in said, said
    for program in PICTURE_TESTS:
        done = subprocess.run([folder / "tests" / program], text=True, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr


# ---- compiled without the build's own flags ----


def compiles(flag, header):
    return subprocess.run(["cc", flag, f"-I{ROOT / 'include'}", "-fsyntax-only", "-xc", "-"],
                          input=f'#include "{header}"\n', text=True, capture_output=True)


@pytest.mark.parametrize("header", ["kernels/kernels.h", "base/maths.h", "base/fixed.h",
                                    "base/random.h"])
def test_source_refuses_fast_mathematics(header):
    if not shutil.which("cc"):
        pytest.skip("cc is missing")
    assert compiles("-O2", header).returncode == 0
    for flag in ("-ffast-math", "-Ofast", "-ffinite-math-only"):
        done = compiles(flag, header)
        assert done.returncode != 0 and "take that out of the flags" in done.stderr, flag


# ---- spoilt by a library ----


def spoilt(how, **more):
    if how == "flush" and platform.machine() not in ("x86_64", "aarch64"):
        pytest.skip("the preloaded library flushes on x86 and ARM64 alone")
    return {"LD_PRELOAD": str(SHIM), "AE_ARITHMETIC": how, **more}


@pytest.mark.parametrize("how", ["up", "flush"])
def test_what_a_library_sets_is_undone(tmp_path, expected, how):
    assert trained_hash(tmp_path, variables=spoilt(how)) == expected


@pytest.mark.parametrize("how", ["up", "flush"])
@pytest.mark.parametrize("arguments", [[], ["--check"]], ids=["run", "check"])
def test_what_stays_spoilt_is_refused(tmp_path, how, arguments):
    done = run(tmp_path, write_config(tmp_path), *arguments, ranks=None, threads=2, expect=None,
               variables=spoilt(how, AE_FOR_GOOD="1"))
    assert_refused(done, NUMERIC, "2 of 2 threads don't calculate as IEEE 754 says")
    assert not (tmp_path / "run").exists()
