"""analysis/recipes.py and analysis/models.py: what they train, go on with, tell and compare."""
import csv
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import support
from support import ROOT

TINY = ["data.source=deadleaves", "data.train_images=80", "data.test_images=10",
        "train.validation_images=20", "train.epochs=2", "train.batch=20", "train.block=2",
        "model.layers=conv 2 3 relu, tconv 3 3 none", "output.reconstructions=1"]


@pytest.fixture
def copy(tmp_path):
    """The scripts in a tree of their own, with this build's program."""
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "ae_dist").symlink_to(Path(support.PROGRAM).resolve())
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    (tmp_path / "analysis").mkdir()
    for name in ("recipes.py", "models.py"):
        shutil.copy(ROOT / "analysis" / name, tmp_path / "analysis")
    return tmp_path


def script(copy, name, *arguments):
    folder = copy / "bin"  # the mpirun of this build, by that name
    folder.mkdir(exist_ok=True)
    if not (folder / "mpirun").exists():
        (folder / "mpirun").write_text(f'#!/bin/sh\nexec {shutil.which(support.MPIEXEC)} "$@"\n')
        (folder / "mpirun").chmod(0o755)
    env = support.environment(1, variables={"PATH": f"{folder}:{os.environ['PATH']}"})
    env.pop("OMPI_MCA_ess_singleton_isolated")
    return subprocess.run([sys.executable, copy / "analysis" / name, *arguments], cwd=copy, env=env,
                          text=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=200)


def write_list(copy, *lines):
    (copy / "list.txt").write_text("# candidates\n\n" + "\n".join(lines) + "\n")
    return "list.txt"


def quoted(*options):
    return " ".join(f"'{option}'" for option in options)


def test_recipes(copy):
    """The best by validation comes first, and what is done isn't trained again."""
    path = write_list(copy, f"slow configs/manual.ini {quoted(*TINY, 'optimizer.lr=1e-6')}",
                      f"fast configs/manual.ini {quoted(*TINY, 'optimizer.lr=0.02')}  # better")
    done = script(copy, "recipes.py", path, "out")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["name"] for row in rows] == ["fast", "slow"]
    with h5py.File(copy / "out" / "fast" / "results.h5", "r") as file:
        want = -10 * np.log10(file["epochs/validation_loss"][()].min())
    assert abs(float(rows[0]["validation_psnr_db"]) - want) <= 0.0005  # it is rounded to 0.001
    assert rows[0]["parameters"] == "113" and rows[0]["epochs"] == "2"  # 2 x 28 and 3 x 19
    began = (copy / "out" / "fast" / "results.h5").stat().st_mtime_ns
    assert script(copy, "recipes.py", path, "out", "fast").stdout.splitlines()[1].startswith("fast,")
    assert (copy / "out" / "fast" / "results.h5").stat().st_mtime_ns == began
    (copy / "out" / "slow" / "model.h5").unlink()
    told = script(copy, "recipes.py", path, "out", "--tell")
    assert [line.partition(",")[0] for line in told.stdout.splitlines()] == ["name", "fast"]


@pytest.mark.parametrize("line", ["alone", "one configs/manual.ini\none configs/manual.ini"])
def test_recipes_bad_list(copy, line):
    done = script(copy, "recipes.py", write_list(copy, line), "out")
    assert done.returncode != 0 and "list.txt:" in done.stderr and not (copy / "out").exists()


def test_models(copy):
    """A recipe's row is made again, and a network that isn't the shipped one is noticed."""
    options = [word for option in TINY for word in ("--set", option)]
    readme = copy / "configs" / "models" / "README.md"
    before = readme.read_text()
    shipped = script(copy, "models.py", "out", "denoise_5min", "--ranks", "2", "--ship", *options)
    assert shipped.returncode == 0, shipped.stderr
    table = [line for line in readme.read_text().splitlines() if line.startswith("| `denoise_5min.ini` | 113 |")]
    assert len(table) == 1 and table[0] in shipped.stdout
    assert readme.read_text().partition("<!--")[0] == before.partition("<!--")[0]
    again = script(copy, "models.py", "other", "denoise_5min", "--ranks", "1", *options)
    assert again.returncode == 0, again.stderr
    other = script(copy, "models.py", "third", "denoise_5min", "--ranks", "1", *options, "--set",
                   "run.seed=1")
    assert other.returncode == 1 and "denoise_5min.h5 has other parameters" in other.stderr
