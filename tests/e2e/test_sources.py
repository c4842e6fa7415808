"""Each source of images is trained on: the same bits on any layout, and through a kill."""
import gzip

import h5py
import numpy as np
import pytest
import support
from support import (DATA, USAGE, assert_refused, checkpoints, differences, epoch_line, numbers, run,
                     stop_at, write_config)

GREY = "conv 4 3 relu, tconv 1 3 sigmoid"
COLOUR = "conv 4 3 relu, tconv 3 3 sigmoid"
LAYOUTS = [(2, 1), (1, 2), (3, 1), (3, 2)]  # ranks, threads


def make_cifar100(folder):
    (folder / "cifar").mkdir()
    for name, count in (("train.bin", 50000), ("test.bin", 10000)):
        records = np.random.default_rng(count).integers(0, 256, (200, 3074), dtype=np.uint8)
        records[:, 0] %= 20
        records[:, 1] %= 100
        with open(folder / "cifar" / name, "wb") as file:
            file.write(records.tobytes())
            file.truncate(count * 3074)
    return {"data.dir": "cifar", "model.layers": COLOUR}


def make_idx(folder):
    support.write_idx(folder / "train-images-idx3-ubyte")
    plain = support.write_idx(folder / "plain", count=30).read_bytes()
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(plain))
    labels = np.arange(200, dtype=np.uint8)
    (folder / "train-labels-idx1-ubyte").write_bytes(
        bytes([0, 0, 8, 1]) + np.array([200], ">u4").tobytes() + labels.tobytes())
    return {"data.train": "train-images-idx3-ubyte", "data.test": "t10k-images-idx3-ubyte.gz",
            "model.layers": GREY}


def make_idx_fraction(folder):
    support.write_idx(folder / "images")
    return {"data.train": "images", "data.test_fraction": 0.2, "model.layers": GREY,
            "data.train_images": 130, "data.test_images": 20}


def make_deadleaves(folder):
    return {"data.size": "20 28", "data.channels": 1, "model.layers": GREY}


SOURCES = {"cifar100": make_cifar100, "idx": make_idx, "idx, fraction": make_idx_fraction,
           "deadleaves": make_deadleaves}


def begin(folder, case):
    """Makes the files; returns the configuration's name."""
    options = {"data.source": case.partition(",")[0], "train.epochs": 2, **SOURCES[case](folder)}
    return write_config(folder, options)


@pytest.mark.parametrize("case", SOURCES)
def test_same_bits(tmp_path, case):
    config = begin(tmp_path, case)
    run(tmp_path, config, ranks=1)
    first = numbers(tmp_path / "run")
    for ranks, threads in LAYOUTS:
        run(tmp_path, config, "--set", f"run.dir=run{ranks}{threads}", ranks=ranks,
            threads=threads)
        assert differences(numbers(tmp_path / f"run{ranks}{threads}"), first) == []


@pytest.mark.parametrize("case", SOURCES)
def test_killed_and_gone_on_with(tmp_path, case):
    config = begin(tmp_path, case)
    run(tmp_path, config, ranks=1)
    stop_at(tmp_path, [config, "--set", "run.dir=stopped", "--set", "output.checkpoint_steps=1"],
            epoch_line(1, 3), ranks=2)
    run(tmp_path, config, "--set", "run.dir=stopped", ranks=3)
    assert differences(numbers(tmp_path / "stopped"), numbers(tmp_path / "run")) == []


def test_labels_are_stored(tmp_path):
    run(tmp_path, begin(tmp_path, "cifar100"), ranks=2)
    with h5py.File(tmp_path / "run" / "results.h5", "r") as file:
        stored = file["test/label"][()]
    with open(tmp_path / "cifar" / "test.bin", "rb") as file:
        records = np.frombuffer(file.read(20 * 3074), np.uint8).reshape(20, 3074)
    assert stored.tolist() == records[:, 1].tolist()


@pytest.mark.parametrize("case", SOURCES)
def test_check_tells_what_there_is(tmp_path, case):
    done = run(tmp_path, "--check", begin(tmp_path, case), ranks=1)
    shape = {"cifar100": "3 x 32 x 32", "deadleaves": "1 x 20 x 28"}.get(case, "1 x 8 x 8")
    labels = "; with labels" if case == "cifar100" else ""
    assert f"pixels   {shape} to train on, {shape} to test on, of 8 bits{labels}\n" in done.stdout
    assert not (tmp_path / "run").exists()


def test_other_images_are_noticed(tmp_path):
    """A changed pixel of a test image, when the run goes on."""
    config = begin(tmp_path, "idx, fraction")
    run(tmp_path, config)
    checkpoints(tmp_path / "run")[-1].unlink()
    with open(tmp_path / "images", "r+b") as file:
        file.seek(16 + 5)
        file.write(bytes([255 - file.read(1)[0]]))
    assert_refused(run(tmp_path, config, expect=None), DATA, "the images (hash ",
                   "are not those the run in run was begun with")


OPTION_FAULTS = {
    "no files": ({"data.source": "idx"}, ["data.train is empty"]),
    "no test images": ({"data.source": "idx", "data.train": "images"},
                       ["there are no test images: set data.test"]),
    "all test images": ({"data.source": "idx", "data.train": "images",
                         "data.test_fraction": 0.9999999},
                        ["data.test_fraction = 1 leaves 0 of 200 images to train on"]),
    "two sets of test images": ({"data.source": "deadleaves", "data.test_fraction": 0.1},
                                ["data.test_fraction = 0.1 keeps training images"]),
    "too many": ({"data.source": "idx", "data.train": "images", "data.test_fraction": 0.5,
                  "data.train_images": 201}, ["data.train_images = 201, but there are "]),
}


@pytest.mark.parametrize("fault", OPTION_FAULTS)
def test_options_that_do_not_fit(tmp_path, fault):
    support.write_idx(tmp_path / "images")
    options, fragments = OPTION_FAULTS[fault]
    done = run(tmp_path, write_config(tmp_path, options), expect=None, ranks=3)
    assert_refused(done, USAGE, *fragments)
    assert not (tmp_path / "run").exists()
