"""Configuring where what the tests need is missing: the program builds, and what is left out is said."""
import os
import shutil
import subprocess
import sys

import pytest
from support import ROOT


def configure(folder, python, variables=None):
    """What cmake says, and then ctest, of a plain build with a Python."""
    env = {**os.environ, **(variables or {})}
    command = ["cmake", "-S", ROOT, "-B", folder, f"-DPython3_EXECUTABLE={python}"]
    done = subprocess.run(command, env=env, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    listed = subprocess.run(["ctest", "--test-dir", folder, "--show-only"], text=True,
                            capture_output=True, check=True)
    return done.stdout + done.stderr, listed.stdout


@pytest.fixture
def bare_python(tmp_path):
    """A Python with its own modules alone."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    return tmp_path / "bare" / "bin" / "python3"


@pytest.fixture
def without_cmocka(tmp_path):
    """Variables under which pkg-config knows xxHash alone."""
    folder = subprocess.run(["pkg-config", "--variable=pcfiledir", "libxxhash"], check=True,
                            text=True, capture_output=True).stdout.strip()
    (tmp_path / "pc").mkdir()
    shutil.copy(f"{folder}/libxxhash.pc", tmp_path / "pc")
    return {"PKG_CONFIG_LIBDIR": str(tmp_path / "pc"), "PKG_CONFIG_PATH": ""}


def test_all_is_there(tmp_path):
    said, tests = configure(tmp_path / "build", sys.executable)
    assert "left out" not in said
    for name in ("unit.config", "mpi.comm.np2", "e2e.results", "style.source", "whole."):
        assert f" {name}" in tests, tests


def test_cmocka_is_missing(tmp_path, without_cmocka):
    said, tests = configure(tmp_path / "build", sys.executable, without_cmocka)
    for kind in ("unit", "mpi"):
        assert said.count(f"Tests left out: {kind}, for want of cmocka\n") == 1, said
    assert said.count("left out") == 2
    assert "unit." not in tests and "mpi." not in tests and " e2e.results" in tests


def test_modules_of_python_are_missing(tmp_path, bare_python):
    said, tests = configure(tmp_path / "build", bare_python)
    lacking = f"in {bare_python} (-DPython3_EXECUTABLE= names another Python)\n"
    assert said.count(f"Tests left out: style, for want of pytest {lacking}") == 1, said
    for kind in ("e2e", "whole", "valgrind"):
        assert said.count(f"Tests left out: {kind}, for want of pytest and numpy and h5py {lacking}") == 1
    assert " unit.config" in tests and "e2e." not in tests
    # ctest says it too: a test that is skipped, whatever runs beside it.
    done = subprocess.run(["ctest", "--test-dir", tmp_path / "build", "-L", "e2e"], text=True,
                          capture_output=True)
    assert done.returncode == 0 and "***Skipped" in done.stdout, done.stdout


def test_python_is_missing(tmp_path):
    """What is there doesn't run."""
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "python3").chmod(0o755)
    said, tests = configure(tmp_path / "build", tmp_path / "python3")
    assert "Tests left out: e2e, for want of Python >= 3.9\n" in said, said
    assert " unit.config" in tests and "e2e." not in tests
