"""analysis/noisy_pairs.py: its stacks hold the pictures and noise that is independent, and are trained on."""
import subprocess
import sys

import h5py
import numpy as np
import pytest
from support import ROOT, run, write_png

Image = pytest.importorskip("PIL.Image")  # with which it reads pictures


def make(folder, *arguments, expect=0):
    done = subprocess.run([sys.executable, ROOT / "analysis" / "noisy_pairs.py", *arguments, "-o",
                           "pairs.h5"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == expect, done.stderr
    return done.stdout + done.stderr


def write_pictures(folder, sizes):
    (folder / "pictures").mkdir()
    pixels = [np.random.default_rng(index).integers(0, 256, (*size, 3), np.uint8)
              for index, size in enumerate(sizes)]
    for index, picture in enumerate(pixels):
        write_png(folder / "pictures" / f"{index}.png", picture)
    return pixels


def stacks(folder):
    with h5py.File(folder / "pairs.h5", "r") as file:
        assert all({"units", "long_name", "description"} <= set(item.attrs) for item in file.values())
        return {name: item[()] for name, item in file.items()}


def test_stacks(tmp_path):
    """Squares of pictures of any size; of each value two noisy ones, independent, of that sigma."""
    pixels = write_pictures(tmp_path, [(70, 100), (95, 64)])
    said = make(tmp_path, "pictures", "--side", "32", "--sigma", "51/255", "--copies", "2")
    assert "pairs.h5: 10 images of (3, 32, 32), and 2 noisy copies of each" in said
    found = stacks(tmp_path)
    assert set(found) == {"clean", "noisy1", "noisy2"}
    assert all(values.shape == (10, 3, 32, 32) and values.dtype == np.float32
               for values in found.values())
    assert (found["clean"][4] == pixels[0][32:64, 32:64].transpose(2, 0, 1) / np.float32(255)).all()
    assert (found["clean"][6] == pixels[1][:32, :32].transpose(2, 0, 1) / np.float32(255)).all()
    one, two = found["noisy1"] - found["clean"], found["noisy2"] - found["clean"]
    count = one.size  # the standard deviations of what follows are of 1 / sqrt(count)
    for noise in (one, two):
        assert abs(noise.mean()) < 5 * 0.2 / count ** 0.5
        assert abs(noise.std() - 0.2) < 5 * 0.2 / (2 * count) ** 0.5
    assert abs((one * two).mean()) < 5 * 0.04 / count ** 0.5
    assert found["noisy1"].min() < 0 and found["noisy1"].max() > 1  # not clipped
    make(tmp_path, "pictures", "--side", "32", "--sigma", "0.2", "--copies", "3")
    assert (stacks(tmp_path)["noisy2"] == found["noisy2"]).all()
    make(tmp_path, "pictures", "--side", "32", "--sigma", "0.2", "--seed", "1")
    assert (stacks(tmp_path)["noisy2"] != found["noisy2"]).any()


def test_refused(tmp_path):
    write_pictures(tmp_path, [(30, 40), (40, 30)])
    assert "1.png is of another size than those before it: set --side" in make(
        tmp_path, "pictures", expect=1)
    assert "0.png has no square of 31 pixels" in make(tmp_path, "pictures", "--side", "31", expect=1)
    for sigma in ("grey", "1/0", "-0.1", "nan"):
        assert "no number from 0, such as 0.1 or 25/255" in make(
            tmp_path, "pictures", "--side", "30", f"--sigma={sigma}", expect=2)
    for values in (np.full((40, 30), 40000, np.uint16), np.full((40, 30), 0.5, np.float32)):
        Image.fromarray(values).save(tmp_path / "pictures" / "2.tif")
        assert "2.tif: its values have more than 8 bits" in make(
            tmp_path, "pictures", "--side", "30", expect=1)
    (tmp_path / "pictures" / "2.tif").unlink()
    (tmp_path / "pictures" / "2.png").write_text("no picture")
    assert "2.png: cannot identify" in make(tmp_path, "pictures", "--side", "30", expect=1)


@pytest.mark.parametrize("name", ["noise2noise", "noise2void"])
def test_shipped_configurations_take_them(tmp_path, name):
    """As their comments say; and what is trained is what they say."""
    write_pictures(tmp_path, [(64, 64)])
    make(tmp_path, "pictures", "--grey", "--side", "16")
    changes = {"data.source": "hdf5", "data.train": "pairs.h5:/noisy1", "data.range": "0 1",
               "data.test_fraction": 0.2, "data.train_images": 0, "data.test_images": 0,
               "data.patch": 12, "noise.sigma": 0, "train.epochs": 1, "train.batch": 4,
               "train.validation_images": 2, "run.dir": "run"}
    if name == "noise2noise":
        changes["data.other"] = "pairs.h5:/noisy2"
    words = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    said = run(tmp_path, ROOT / "configs" / f"{name}.ini", *words, ranks=None).stdout
    assert ("target   the images of pairs.h5:/noisy2" in said) == (name == "noise2noise")
    assert ("masked values of each" in said) == (name == "noise2void")
