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
    for name in ("recipes.py", "models.py", "photo_figure.py"):
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
    shipped = script(copy, "models.py", "out", "denoise_5min", "--ranks", "2", "--ship", *options,
                     "--set", "data.test=photos")  # which these images aren't of
    assert shipped.returncode == 0, shipped.stderr
    table = [line for line in readme.read_text().splitlines()
             if line.startswith("| `denoise_5min.ini` | 113 | deadleaves |")]
    assert len(table) == 1 and table[0] in shipped.stdout
    assert readme.read_text().partition("<!--")[0] == before.partition("<!--")[0]
    again = script(copy, "models.py", "other", "denoise_5min", "--ranks", "1", *options)
    assert again.returncode == 0, again.stderr
    other = script(copy, "models.py", "third", "denoise_5min", "--ranks", "1", *options, "--set",
                   "run.seed=1")
    assert other.returncode == 1 and "denoise_5min.h5 has other parameters" in other.stderr


def test_photo_figure(copy):
    """Of a grey picture as of three equal channels, and of a JPEG as of its pixels in a PNG."""
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")
    grey = np.random.default_rng(0).integers(100, 156, (20, 24)).astype(np.uint8)
    support.write_png(copy / "grey.png", grey)
    support.write_png(copy / "same.png", np.dstack([grey] * 3))
    pyplot.imsave(copy / "photo.jpg", np.dstack([grey, grey // 2, grey // 3]))
    support.write_png(copy / "pixels.png", pyplot.imread(copy / "photo.jpg"))
    for given in ("grey.png", "same.png", "photo.jpg", "pixels.png"):
        done = script(copy, "photo_figure.py", given, ROOT / "configs" / "models" / "photo_grey.h5",
                      f"figure_{given}.png")
        assert done.returncode == 0, done.stderr
    drawn = {path.name: path.read_bytes() for path in copy.glob("figure_*")}
    assert drawn["figure_grey.png.png"] == drawn["figure_same.png.png"]
    assert drawn["figure_photo.jpg.png"] == drawn["figure_pixels.png.png"]
    assert len(set(drawn.values())) == 2


# ---- what is shipped ----

SHIPPED = sorted((ROOT / "configs" / "models").glob("*.h5"))


def discs(channels, side=64):
    """Two pictures of discs over each other, of colours that aren't strong: (image, channel, row,
    column), in [0, 1]."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side]
    pictures = np.empty((2, channels, side, side), np.float32)
    for picture in pictures:
        picture[:] = 0.5
        for _ in range(40):
            row, column, radius = generator.random(3) * [side, side, 16]
            inside = (rows - row) ** 2 + (columns - column) ** 2 < radius ** 2
            picture[:, inside] = 0.1 + 0.6 * generator.random() + 0.2 * generator.random((channels, 1))
    return pictures


def psnr_db(images, clean):
    return 10 * np.log10(1 / np.mean((images.astype(np.float64) - clean) ** 2))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_network(tmp_path, path):
    """It is small, the one of the table, and takes more than half of the noise's square out of a
    picture it never saw: 3 dB. One for clean pictures gives a clean one back."""
    with h5py.File(path, "r") as file:
        layers = file["parameters"]
        channels, digest = int(layers.attrs["channels"]), layers.attrs["hash"]
        is_denoiser = file["images/noise_sigma"][()] > 0
        lowest, highest = (file[f"images/noise_clamp_{end}"][()] for end in ("min", "max"))
        assert sum(tensor.size for tensor in layers.values()) <= 60_000
    assert path.stat().st_size <= 300_000
    rows = [line for line in (path.parent / "README.md").read_text().splitlines()
            if line.startswith(f"| `{path.stem}.ini` |")]
    assert len(rows) == 1 and f"`{digest}`" in rows[0]
    clean = discs(channels)
    given = clean
    if is_denoiser:
        noise = np.random.default_rng(1).normal(0, 0.1, clean.shape).astype(np.float32)
        given = np.clip(clean + noise, lowest, highest)
    with h5py.File(tmp_path / "given.h5", "w") as file:
        file["images"] = given
    support.run(tmp_path, "apply", path, "given.h5:/images", "-o", "out", "--range", "0,1",
                ranks=None)
    with h5py.File(tmp_path / "out" / "given.h5", "r") as file:
        found = psnr_db(file["images"][()], clean)
    assert found > (psnr_db(given, clean) + 3 if is_denoiser else 25)
