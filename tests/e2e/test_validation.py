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


def end_of(losses, pretrain_epochs, patience):
    """The epoch after which patience is over, and the best one, counted from 1."""
    best = pretrain_epochs
    for epoch in range(pretrain_epochs, len(losses)):
        best = epoch if epoch == pretrain_epochs or losses[epoch] < losses[best] else best
        if epoch - best >= patience:
            return epoch + 1, best + 1
    raise AssertionError(f"they get better all the time: {losses}")


def test_patience(tmp_path):
    """The run ends like one of so many epochs, whatever pretraining came to; killed and gone on
    with too; and a larger one lets it go on to what it would have come to."""
    options = {**OPTIONS, "train.epochs": 20, "optimizer.lr": 0.2, "noise.sigma": 0.1,
               "output.test_epochs": 0}
    run(tmp_path, write_config(tmp_path, {**options, "run.dir": "whole"}), ranks=None)
    losses, hashes = columns(tmp_path / "whole")
    last, best = end_of(losses, 2, 2)
    assert best < last < 20
    config = write_config(tmp_path, {**options, "train.patience": 2, "output.checkpoint_epochs": 3})
    with Run(tmp_path, [config]) as started:
        started.wait_for("epoch  3/")
        started.send(signal.SIGKILL)
        started.wait()
    done = run(tmp_path, config)
    assert f"no epoch after {best}, the best" in done.stdout
    assert columns(tmp_path / "run") == (losses[:last], hashes[:last])
    with h5py.File(tmp_path / "run" / "results.h5", "r") as file:
        tested = file["epochs/psnr_db"][()]
        assert len(tested) == last and not math.isnan(tested[-1]) and math.isnan(tested[-2])
        assert file["reconstructions/epoch"][-1] == last
    folder = tmp_path / "run" / "checkpoints"
    assert content(folder / "best.h5")[0]["best_epoch"] == best
    assert (folder / f"epoch-{last:04d}.h5").exists()
    again = run(tmp_path, config)
    assert f"finished before: {last} epochs are done" in again.stdout
    run(tmp_path, config, "--set", "train.patience=20")
    assert columns(tmp_path / "run") == (losses, hashes)


def test_patience_without_validation(tmp_path):
    config = write_config(tmp_path, {"train.patience": 3})
    assert_refused(run(tmp_path, config, expect=None), USAGE, "[train] patience: is 3",
                   "train.validation_images, which is 0")


def test_too_many(tmp_path):
    config = write_config(tmp_path, {**OPTIONS, "train.validation_images": 160})
    assert_refused(run(tmp_path, config, expect=None), USAGE, "validation_images",
                   "none of the 160 training images")
    one_left = run(tmp_path, "--check", "--set", "train.validation_images=159", config)
    assert "1 to train on, 159 to validate with" in one_left.stdout


def test_noise_is_that_of_training(tmp_path):
    """Not that of tests."""
    frozen = {**OPTIONS, "optimizer.name": "sgd", "optimizer.lr": 1e-30, "train.pretrain_epochs": 0,
              "train.epochs": 1}
    losses = set()
    for index, sigmas in enumerate([(0.3, 0), (0.3, 0.3), (0, 0.3)]):
        run(tmp_path, write_config(tmp_path, {**frozen, "noise.sigma": sigmas[0],
                                              "noise.test_sigma": sigmas[1], "run.dir": f"run{index}"}),
            ranks=None)
        losses.add((sigmas[0], columns(tmp_path / f"run{index}")[0][0]))
    assert len(losses) == 2 and len({loss for _, loss in losses}) == 2
