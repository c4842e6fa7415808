"""Training images kept for validation: they aren't trained on, and choose the best checkpoint."""
import math
import signal

import h5py
from support import (USAGE, VECTORS, Run, arrays, assert_refused, checkpoints, differences, numbers, run,
                     text_column, write_config)

OPTIONS = {"data.train_images": 160, "train.validation_images": 30, "train.pretrain_epochs": 2,
           "train.epochs": 6, "optimizer.lr": 0.05, "output.keep": 100}


def columns(folder):
    with h5py.File(folder / "results.h5", "r") as file:
        return (file["epochs/validation_loss"][()].tolist(),
                text_column(file["epochs/parameters_hash"]))


def content(path):
    """Everything that makes two checkpoints of one epoch the same."""
    with h5py.File(path, "r") as file:
        position = dict(file["position"].attrs)
    return position, {name: value.tobytes() for name, value in arrays(path, "parameters").items()}


def test_best_checkpoint(tmp_path):
    """Of the denoising epochs, though those on clean images before had lower losses."""
    run(tmp_path, write_config(tmp_path, {**OPTIONS, "train.pretrain_epochs": 8, "train.epochs": 3,
                                          "noise.sigma": 3, "optimizer.lr": 0.02}),
        ranks=None)
    losses, _ = columns(tmp_path / "run")
    denoising = losses[8:]
    assert min(losses[:8]) < min(denoising)
    best = 9 + denoising.index(min(denoising))
    folder = tmp_path / "run" / "checkpoints"
    assert content(folder / "best.h5") == content(folder / f"epoch-{best:04d}.h5")
    assert content(folder / "best.h5") != content(folder / f"epoch-{1:04d}.h5")
    assert content(folder / "best.h5")[0]["best_epoch"] == best


def test_kept_from_training(tmp_path):
    """Without those images at all, training is the same; and so on another layout."""
    run(tmp_path, write_config(tmp_path, OPTIONS), ranks=None)
    run(tmp_path, write_config(tmp_path, {**OPTIONS, "data.train_images": 130,
                                          "train.validation_images": 0, "run.dir": "without"}),
        ranks=None)
    run(tmp_path, write_config(tmp_path, {**OPTIONS, "run.dir": "other"}), ranks=3, threads=2,
        kernels=VECTORS)
    losses, hashes = columns(tmp_path / "run")
    none, hashes_without = columns(tmp_path / "without")
    assert hashes == hashes_without and all(map(math.isnan, none))
    assert columns(tmp_path / "other") == (losses, hashes)
    assert not (tmp_path / "without" / "checkpoints" / "best.h5").exists()


def test_best_through_a_kill(tmp_path):
    run(tmp_path, write_config(tmp_path, {**OPTIONS, "run.dir": "undisturbed"}), ranks=None)
    config = write_config(tmp_path, OPTIONS)
    with Run(tmp_path, [config]) as started:
        started.wait_for("epoch  5/")
        started.send(signal.SIGKILL)
        started.wait()
    run(tmp_path, config)
    assert differences(numbers(tmp_path / "run"), numbers(tmp_path / "undisturbed")) == []
    best = [content(tmp_path / name / "checkpoints" / "best.h5")
            for name in ("run", "undisturbed")]
    assert best[0] == best[1]
    assert len(checkpoints(tmp_path / "run")) == 8


def test_too_many(tmp_path):
    config = write_config(tmp_path, {**OPTIONS, "train.validation_images": 160})
    assert_refused(run(tmp_path, config, expect=None), USAGE, "validation_images",
                   "none of the 160 training images")
    one_left = run(tmp_path, "--check", "--set", "train.validation_images=159", config)
    assert "1 to train on, 159 to validate with" in one_left.stdout
