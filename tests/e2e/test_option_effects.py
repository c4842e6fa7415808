"""What each option does when a run goes on with another value of it: a table by hand of every
option there is."""
import os
import shutil
import signal

import h5py
import numpy as np
import pytest
import support
from support import (STALLED, STOPPED, USAGE, Run, assert_refused, checkpoints, differences,
                     epoch_line, numbers, run, write_config)

OPTIONS = {"train.epochs": 2, "data.source": "cifar10", "data.dir": "cifar", "output.keep": 9}
EPOCHS, STEPS = 3, 7  # of the run, and of an epoch
ENDLESS = 100000
GREY = "conv 2 3 relu, tconv 1 3 sigmoid"

# Another value of each option that changes the numbers: refused by name.
NUMBERS = {
    "run.seed": 1,
    "data.source": "deadleaves",
    "data.axes": "NHWC",
    "data.range": "0 254",
    "data.patch": 32,
    "data.crops": 2,
    "data.augment": "flip",
    "data.size": "32 33",
    "data.channels": 1,
    "data.train_images": 129,
    "data.test_images": 19,
    "model.layers": "conv 4 3 relu, tconv 3 3 sigmoid",
    "model.output": "residual",
    "model.init": "he",
    "train.pretrain_epochs": 2,
    "train.batch": 21,
    "train.block": 2,
    "train.loss": "l1",
    "train.skip_steps": 1,
    "train.validation_images": 1,
    "noise.sigma": 0.11,
    "noise.clamp_min": -0.9,
    "noise.clamp_max": 0.9,
    "noise.clamp_on": "test",
    "noise.test_sigma": 0.11,
    "optimizer.name": "adamw",
    "optimizer.lr": 0.002,
    "optimizer.beta1": 0.8,
    "optimizer.beta2": 0.99,
    "optimizer.epsilon": 1e-7,
    "optimizer.momentum": 0.5,
    "optimizer.weight_decay": 0.1,
    "optimizer.clip_norm": 1,
    "schedule.name": "step",
    "schedule.warmup_steps": 1,
    "schedule.step_epochs": 11,
    "schedule.step_factor": 0.2,
    "schedule.min_lr": 0.0001,
}
# The same, of a run whose test images are kept from the training images.
FRACTION = {"data.test_fraction": 0.5}
# The same, of a run with photons.
PHOTONS = {"noise.kind": "speckle", "noise.level": 31, "noise.test_level": 29}
# The same, of a run whose targets are masked.
MASKED = {"train.target": "other", "mask.percent": 3, "mask.window": 5, "mask.fill": "median"}
# Values that go with another option's.
FOLLOW = {"noise.sigma": ["noise.test_sigma"], "noise.level": ["noise.test_level"]}

# Options of which another value is taken: see test_taken_...
TAKEN = ["run.dir", "run.resume", "run.time_limit", "run.stall_seconds", "run.slow_percent",
         "data.dir", "data.train", "data.test", "data.other", "data.other_test", "data.cache",
         "train.patience",
         "output.checkpoint_epochs", "output.checkpoint_steps",
         "output.checkpoint_minutes", "output.keep", "output.test_epochs", "output.reconstructions",
         "output.reconstruction_epochs"]

# Its content counts, not its value: see test_init_from.py, and below.
CONTENT = ["train.init_from"]

# It may grow.
GROWS = ["train.epochs"]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A folder with a finished run of three epochs on images of files."""
    folder = tmp_path_factory.mktemp("template")
    support.write_cifar10(folder / "cifar")
    run(folder, write_config(folder, OPTIONS))
    return folder


@pytest.fixture
def folder(template, tmp_path):
    """A copy that lacks the last epoch's checkpoint, with the same images."""
    shutil.copytree(template / "run", tmp_path / "run")
    checkpoints(tmp_path / "run")[-1].unlink()
    os.symlink(template / "cifar", tmp_path / "cifar")
    write_config(tmp_path, OPTIONS)
    return tmp_path


def set_to(values):
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


def go_on(folder, values, **how):
    """On one rank, where two began."""
    return run(folder, *set_to(values), "small.ini", ranks=None, **how)


def stored(run_dir):
    """The options as the run's results tell them."""
    with h5py.File(run_dir / "results.h5", "r") as file:
        return dict(file["config"].attrs)


def names(run_dir):
    return [path.name for path in checkpoints(run_dir)]


def tree(folder):
    return {path: path.read_bytes() for path in folder.rglob("*")
            if path.is_file() and path.name != ".lock"}


def test_every_option_has_its_entry(template):
    """A new option belongs into one of the tables above."""
    entries = [*NUMBERS, *FRACTION, *PHOTONS, *MASKED, *TAKEN, *CONTENT, *GROWS]
    options = set(stored(template / "run")) - {"description"}
    assert sorted(entries) == sorted(options)


# ---- refused ----


@pytest.mark.parametrize("name", NUMBERS)
def test_refused_by_name(folder, template, name):
    before = tree(folder / "run")
    was = stored(template / "run")
    done = go_on(folder, {name: NUMBERS[name]}, expect=None)
    assert_refused(done, USAGE, "can't go on from run/checkpoints/epoch-0002.h5",
                   f"\n    {name} was {was[name]}, is {NUMBERS[name]}\n",
                   "set them back to go on, or choose another run.dir to begin anew")
    named = [option for option in was if f"\n    {option} was " in done.stderr]
    assert sorted(named) == sorted([name, *FOLLOW.get(name, [])])
    assert tree(folder / "run") == before


def test_fraction_refused_by_name(tmp_path):
    support.write_idx(tmp_path / "images", count=300)
    write_config(tmp_path, {"data.source": "idx", "data.train": "images",
                            "data.test_fraction": 0.25, "model.layers": GREY})
    run(tmp_path, "small.ini")
    assert_refused(go_on(tmp_path, FRACTION, expect=None), USAGE,
                   "\n    data.test_fraction was 0.25, is 0.5\n")


@pytest.mark.parametrize("name", PHOTONS)
def test_noise_refused_by_name(tmp_path, name):
    write_config(tmp_path, {"noise.kind": "poisson", "noise.level": 30})
    run(tmp_path, "--set", "train.epochs=0", "small.ini", ranks=None)
    done = go_on(tmp_path, {name: PHOTONS[name]}, expect=None)
    was = "poisson" if name == "noise.kind" else 30
    for option in [name, *FOLLOW.get(name, [])]:
        assert_refused(done, USAGE, f"\n    {option} was {was}, is {PHOTONS[name]}\n")


@pytest.mark.parametrize("name", MASKED)
def test_masks_refused_by_name(tmp_path, name):
    write_config(tmp_path, {"train.target": "masked", "train.pretrain_epochs": 0})
    run(tmp_path, "small.ini", ranks=None)
    was = stored(tmp_path / "run")[name]
    done = go_on(tmp_path, {name: MASKED[name]}, expect=None)
    assert_refused(done, USAGE, f"\n    {name} was {was}, is {MASKED[name]}\n")


@pytest.mark.parametrize("epochs", [1, 0])
def test_epochs_may_not_shrink(folder, epochs):
    done = go_on(folder, {"train.epochs": epochs}, expect=None)
    assert_refused(done, USAGE, f"\n    train.epochs was 2, is {epochs} (it may grow alone)\n")


def test_epochs_may_not_grow_under_a_schedule_over_all_of_them(tmp_path):
    config = write_config(tmp_path, {"schedule.name": "cosine"})
    run(tmp_path, config)
    done = run(tmp_path, "--set", "train.epochs=2", config, expect=None, ranks=None)
    assert_refused(done, USAGE, "\n    train.epochs was 1, is 2\n")


def test_other_weights_to_begin_with(folder):
    done = go_on(folder, {"train.init_from": "run/checkpoints/epoch-0001.h5"}, expect=None)
    assert_refused(done, USAGE, "train.init_from was '' (hash none), is 'run/checkpoints/")


# ---- taken, with the effect that it has ----


def assert_taken(folder, values, template=None, run_dir="run", differ=()):
    """The run came to its end with the values, and to the numbers of the one without them."""
    found = stored(folder / run_dir)
    assert {key: found[key] for key in values} == {key: str(value) for key, value in values.items()}
    if template:
        assert differences(numbers(folder / run_dir), numbers(template / "run")) == list(differ)


def test_epochs_may_grow(folder, tmp_path_factory):
    go_on(folder, {"train.epochs": 4})
    longer = tmp_path_factory.mktemp("longer")
    os.symlink(folder / "cifar", longer / "cifar")
    run(longer, write_config(longer, {**OPTIONS, "train.epochs": 4}))
    assert_taken(folder, {"train.epochs": 4})
    assert differences(numbers(folder / "run"), numbers(longer / "run")) == []


def test_taken_run_dir(folder, template):
    """A folder that moved."""
    (folder / "run").rename(folder / "moved")
    assert "goes on  after 2 whole" in go_on(folder, {"run.dir": "moved"}).stdout
    assert_taken(folder, {"run.dir": "moved"}, template, run_dir="moved")
    assert not (folder / "run").exists()


def test_taken_resume(folder):
    done = go_on(folder, {"run.resume": "never"}, expect=None)
    assert_refused(done, USAGE, "run holds a run already, and run.resume is never")


def test_taken_time_limit(folder):
    values = {"run.time_limit": 1, "train.epochs": ENDLESS}
    done = go_on(folder, values, expect=STOPPED)
    assert "stopped at the end of its time" in done.stdout
    assert_taken(folder, values)


def test_taken_stall_seconds(folder):
    values = {"run.stall_seconds": 2, "train.epochs": ENDLESS}
    with Run(folder, [*set_to(values), "small.ini"]) as started:
        started.wait_for(epoch_line(4, ENDLESS + 1))
        stopped = max(started.ranks())
        os.kill(stopped, signal.SIGSTOP)
        try:
            started.wait()
        finally:
            os.kill(stopped, signal.SIGCONT)
    assert STALLED == started.code or "no progress" in started.stderr, started.tail
    assert_taken(folder, values)


def test_taken_slow_percent(folder, template):
    """Its warnings need a slow rank (test_faults.py); here, that nothing else changes."""
    go_on(folder, {"run.slow_percent": 0})
    assert_taken(folder, {"run.slow_percent": 0}, template)


def test_taken_data_dir(folder, template):
    """The same images elsewhere; and it is read, not what it was before."""
    (folder / "cifar").rename(folder / "moved")
    assert go_on(folder, {}, expect=None).code == support.DATA
    go_on(folder, {"data.dir": "moved"})
    assert_taken(folder, {"data.dir": "moved"}, template)


@pytest.mark.parametrize("name", ["data.train", "data.test", "data.other", "data.other_test"])
def test_taken_data_paths(tmp_path, name):
    """The same images elsewhere; and they are read, not what they were before."""
    support.write_idx(tmp_path / "images", count=150)
    options = {"data.source": "idx", "data.train": "images", "data.test": "images",
               "train.epochs": 2, "train.pretrain_epochs": 0, "model.layers": GREY}
    if "other" in name:
        options |= {"train.target": "other", "data.other": "images", "data.other_test": "images"}
    config = write_config(tmp_path, options)
    run(tmp_path, config)
    before = numbers(tmp_path / "run")
    checkpoints(tmp_path / "run")[-1].unlink()
    assert_refused(go_on(tmp_path, {name: "nothing"}, expect=None), support.DATA,
                   "'nothing'")
    shutil.copy(tmp_path / "images", tmp_path / "moved")
    go_on(tmp_path, {name: "moved"})
    assert_taken(tmp_path, {name: "moved"})
    assert differences(numbers(tmp_path / "run"), before) == []


def test_taken_data_cache(folder, template):
    go_on(folder, {"data.cache": "cache"})
    assert len(list((folder / "cache").iterdir())) == 1
    assert_taken(folder, {"data.cache": "cache"}, template)


def test_taken_checkpoint_epochs(folder):
    go_on(folder, {"output.checkpoint_epochs": 4, "train.epochs": 8})
    assert names(folder / "run") == [f"epoch-000{epoch}.h5" for epoch in (1, 2, 4, 8, 9)]
    assert_taken(folder, {"output.checkpoint_epochs": 4})


def test_taken_checkpoint_steps(folder, template):
    go_on(folder, {"output.checkpoint_steps": 3})
    assert names(folder / "run") == ["epoch-0001.h5", "epoch-0002.h5", "epoch-0002-step-00003.h5",
                                     "epoch-0002-step-00006.h5", "epoch-0003.h5"]
    assert_taken(folder, {"output.checkpoint_steps": 3}, template)


def test_taken_checkpoint_minutes(folder, template):
    """After each step but the epoch's last, which the whole epoch's is of."""
    go_on(folder, {"output.checkpoint_minutes": 1e-06, "output.keep": 20})
    assert names(folder / "run") == ["epoch-0001.h5", "epoch-0002.h5",
                                     *(f"epoch-0002-step-0000{step}.h5" for step in range(1, STEPS)),
                                     "epoch-0003.h5"]
    assert_taken(folder, {"output.checkpoint_minutes": 1e-06}, template)


def test_taken_keep(folder, template):
    go_on(folder, {"output.keep": 1})
    assert names(folder / "run") == ["epoch-0003.h5"]
    assert_taken(folder, {"output.keep": 1}, template)


@pytest.mark.parametrize("every, tested", [(0, [7]), (3, [3, 6, 7]), (100, [7])])
def test_taken_test_epochs(folder, every, tested):
    """The first two epochs are of before."""
    go_on(folder, {"output.test_epochs": every, "train.epochs": 6})
    with h5py.File(folder / "run" / "results.h5", "r") as file:
        epochs = file["epochs/epoch"][()]
        for name in ("test_loss", "psnr_db", "ssim", "psnr_first10_db"):
            known = epochs[~np.isnan(file["epochs"][name][()])]
            assert known.tolist() == [1, 2, *tested]
        assert len(file["test/psnr_db"]) == 20
    assert_taken(folder, {"output.test_epochs": every})


def test_taken_reconstructions(folder, template):
    go_on(folder, {"output.reconstructions": 3})
    with h5py.File(folder / "run" / "results.h5", "r") as file:
        assert file["reconstructions/output"].shape == (1, 3, 3, 32, 32)
    assert_taken(folder, {"output.reconstructions": 3}, template, differ=["output"])


def test_taken_reconstruction_epochs(folder):
    go_on(folder, {"output.reconstruction_epochs": 2, "train.epochs": 6})
    with h5py.File(folder / "run" / "results.h5", "r") as file:
        assert file["reconstructions/epoch"][()].tolist() == [1, 4, 6, 7]
    assert_taken(folder, {"output.reconstruction_epochs": 2})
