"""cmake --install puts a program on a PATH that runs from there."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support import PROGRAM, environment

BUILD_DIR = Path(os.environ.get("AE_BUILD_DIR", Path(PROGRAM).parent))


def test_install(tmp_path):
    if not shutil.which("cmake"):
        pytest.skip("cmake is missing")
    subprocess.run(["cmake", "--install", BUILD_DIR, "--prefix", tmp_path / "usr"], check=True,
                   stdout=subprocess.DEVNULL)
    installed = tmp_path / "usr" / "bin" / "ae_dist"
    env = environment(threads=1, variables={"PATH": f"{installed.parent}:{os.environ['PATH']}"})
    done = subprocess.run(["ae_dist", "--version"], cwd=tmp_path, env=env, text=True, check=True,
                          stdin=subprocess.DEVNULL, capture_output=True)
    assert re.match(r"ae_dist \d+\.\d+\.\d+\n", done.stdout), done.stdout
    for line in ("revision", "compiler", "MPI", "HDF5", "kernels"):
        assert re.search(rf"^{line} +\S", done.stdout, re.MULTILINE), done.stdout
