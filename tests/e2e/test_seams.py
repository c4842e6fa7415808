"""Where one thing ends and the next begins: steps and epochs, clean images and noisy ones, the last
batch, the best epoch. Runs are stopped and killed at every such place, and come to the same end."""
import os
import signal
from pathlib import Path

import h5py
import pytest
from support import (DONE, PROGRAM, STOPPED, checkpoint_position, checkpoints, differences, numbers,
                     run, text_column, write_config)

SEAM = Path(os.environ.get("AE_BUILD_DIR", Path(PROGRAM).parent)) / "tests" / "e2e_seam.so"

# Three steps an epoch, of 25, 25 and 10 images; the noise makes losses higher than without it.
PRETRAIN, EPOCHS, STEPS = 1, 3, 3
OPTIONS = {"data.train_images": 80, "train.validation_images": 20, "train.batch": 25,
           "data.test_images": 12, "train.pretrain_epochs": PRETRAIN,
           "train.epochs": EPOCHS - PRETRAIN, "noise.sigma": 10, "noise.clamp_min": -100,
           "noise.clamp_max": 100, "optimizer.lr": 0.001, "output.keep": 100}
# The places of an epoch: its steps, its evaluation, and its validation.
PLACES = STEPS + 2


def best_position(run_dir):
    with h5py.File(run_dir / "checkpoints" / "best.h5", "r") as file:
        return dict(file["position"].attrs)


def epochs(run_dir, name):
    with h5py.File(run_dir / "results.h5", "r") as file:
        return file["epochs"][name][()].tolist()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    run(folder, write_config(folder, OPTIONS), ranks=None)
    return folder / "run"


def disturb(folder, place, signal_number, *arguments, **how):
    """A run that is signalled in the reduction of one place, counted through the run."""
    variables = {"LD_PRELOAD": str(SEAM), "AE_SEAM": str(place),
                 "AE_SEAM_SIGNAL": str(int(signal_number))}
    return run(folder, *arguments, write_config(folder, OPTIONS), expect=None, variables=variables,
               **{"ranks": None, **how})


def assert_same_end(run_dir, undisturbed):
    assert differences(numbers(run_dir), numbers(undisturbed)) == []
    assert best_position(run_dir) == best_position(undisturbed)
    assert epochs(run_dir, "epoch") == list(range(1, EPOCHS + 1))


def stopped_at(place):
    """Where a stop that is asked for in the reduction of a place leaves the run: with the step
    after it, which tells the others; at the end of the epoch's steps, where what comes after them
    is left undone."""
    epoch, at = divmod(place, PLACES)
    if at == PLACES - 1:
        return epoch + 1, 1
    return epoch, min(at + 2, STEPS)


@pytest.mark.parametrize("place", range(EPOCHS * PLACES))
def test_stopped(tmp_path, undisturbed, place):
    done = disturb(tmp_path, place, signal.SIGUSR1)
    is_last = place == EPOCHS * PLACES - 1  # nothing is left to do
    assert done.code == (DONE if is_last else STOPPED), done.tail
    if not is_last:
        assert checkpoint_position(checkpoints(tmp_path / "run")[-1]) == stopped_at(place)
        again = run(tmp_path, "small.ini", ranks=None if place % 4 else 2)
        epoch, step = stopped_at(place)
        assert f"goes on  after {epoch} whole epochs and {step} steps" in again.stdout
    assert_same_end(tmp_path / "run", undisturbed)


@pytest.mark.parametrize("place", range(EPOCHS * PLACES))
def test_killed(tmp_path, undisturbed, place):
    """Whole epochs are there, and of this one every second step."""
    done = disturb(tmp_path, place, signal.SIGKILL, "--set", "output.checkpoint_steps=2")
    assert done.code == -signal.SIGKILL, done.tail
    epoch, at = divmod(place, PLACES)
    expected = (epoch, 2 if at >= 2 else 0)
    found = [checkpoint_position(path) for path in checkpoints(tmp_path / "run")]
    assert found[-1:] == ([expected] if expected > (0, 0) else [])
    run(tmp_path, "small.ini", ranks=None)
    assert_same_end(tmp_path / "run", undisturbed)


def test_best_is_of_the_phase(undisturbed):
    """The lowest of the denoising losses, though those before were lower."""
    losses = epochs(undisturbed, "validation_loss")
    assert min(losses[:PRETRAIN]) < min(losses[PRETRAIN:])
    best = PRETRAIN + 1 + losses[PRETRAIN:].index(min(losses[PRETRAIN:]))
    position = best_position(undisturbed)
    assert (position["epoch"], position["best_epoch"]) == (best, best)
    assert position["best_sum"] == round(losses[best - 1] * 20 * 2 ** 40)


def test_best_while_pretraining(tmp_path):
    """And where there is no other phase."""
    run(tmp_path, write_config(tmp_path, {**OPTIONS, "train.pretrain_epochs": 3,
                                          "train.epochs": 0}), ranks=None)
    losses = epochs(tmp_path / "run", "validation_loss")
    assert best_position(tmp_path / "run")["best_epoch"] == 1 + losses.index(min(losses))


@pytest.mark.parametrize("pretrain, denoise", [(0, 2), (2, 0), (1, 1), (1, 2)])
def test_phases(tmp_path, pretrain, denoise):
    run(tmp_path, write_config(tmp_path, {**OPTIONS, "train.pretrain_epochs": pretrain,
                                          "train.epochs": denoise}), ranks=None)
    for name in ("noise_sigma", "test_noise_sigma"):
        assert epochs(tmp_path / "run", name) == [0] * pretrain + [10] * denoise


def test_checkpoints_at_the_ends_of_epochs(tmp_path, undisturbed):
    """A checkpoint of all steps of an epoch is that of the epoch, and there is no other."""
    for every in (1, STEPS, STEPS + 1):
        run(tmp_path, "--set", f"output.checkpoint_steps={every}", "--set", f"run.dir=run{every}",
            write_config(tmp_path, OPTIONS), ranks=None)
        steps = [step for step in range(every, STEPS, every)]
        found = [checkpoint_position(path) for path in checkpoints(tmp_path / f"run{every}")]
        expected = [(epoch, step) for epoch in range(EPOCHS) for step in [0, *steps]] + [(EPOCHS, 0)]
        assert found == expected[1:]
        assert differences(numbers(tmp_path / f"run{every}"), numbers(undisturbed)) == []


@pytest.mark.parametrize("every, expected", [(1, [1, 2, 3]), (2, [1, 2, 3]), (9, [1, 3])])
def test_epochs_with_a_checkpoint(tmp_path, every, expected):
    """Every so many, the last one on clean images, and the last."""
    run(tmp_path, write_config(tmp_path, {**OPTIONS, "output.checkpoint_epochs": every}), ranks=None)
    assert [checkpoint_position(path)[0] for path in checkpoints(tmp_path / "run")] == expected


# ---- the last batch ----

STILL = {**OPTIONS, "optimizer.name": "sgd", "optimizer.lr": 1e-30, "train.pretrain_epochs": 0,
         "train.epochs": 1}


def test_every_image_counts_once(tmp_path):
    """With parameters that stand still, the loss is that of all images, whatever the batches."""
    losses = set()
    for batch in (1, 7, 25, 30, 59, 60, 61):
        run(tmp_path, write_config(tmp_path, {**STILL, "train.batch": batch,
                                              "run.dir": f"run{batch}"}), ranks=None)
        losses.update(epochs(tmp_path / f"run{batch}", "train_loss"))
    assert len(losses) == 1
    run(tmp_path, write_config(tmp_path, {**STILL, "data.train_images": 79, "run.dir": "fewer"}),
        ranks=None)
    assert losses != set(epochs(tmp_path / "fewer", "train_loss"))


@pytest.mark.parametrize("block", [1, 4])
def test_short_batch_is_a_mean_over_its_own_images(tmp_path, block):
    """A batch that the images don't fill is one of their number."""
    hashes = []
    for batch in (60, 61, 500):
        run(tmp_path, write_config(tmp_path, {**OPTIONS, "train.batch": batch,
                                              "train.block": block,
                                              "run.dir": f"run{batch}"}), ranks=2)
        with h5py.File(tmp_path / f"run{batch}" / "results.h5", "r") as file:
            hashes.append(text_column(file["epochs/parameters_hash"]))
    assert hashes[0] == hashes[1] == hashes[2]
