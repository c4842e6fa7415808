"""The noise on training and test images, as it is configured."""
import h5py
import numpy as np
import pytest
from support import (USAGE, assert_refused, checkpoints, differences, numbers, run, write_config,
                     write_png)

# Updates too small to change a weight, so that losses differ by what the network is shown alone.
FROZEN = {"optimizer.name": "sgd", "optimizer.lr": 1e-30, "train.pretrain_epochs": 0,
          "train.epochs": 1}


def shown(folder, options, ranks=None, **how):
    """A run's training loss, and the noisy test images that it stores."""
    folder.mkdir()
    run(folder, write_config(folder, {**FROZEN, **options}), ranks=ranks, **how)
    with h5py.File(folder / "run" / "results.h5", "r") as file:
        return file["epochs/train_loss"][0], file["reconstructions/noisy"][()]


@pytest.mark.parametrize("on, training, test", [("all", True, True), ("training", True, False),
                                                ("test", False, True)])
def test_which_images_are_clamped(tmp_path, on, training, test):
    clamp = {"noise.clamp_min": 0.4, "noise.clamp_max": 0.5}
    loss, noisy = shown(tmp_path / "run", {**clamp, "noise.clamp_on": on})
    assert (noisy.min() >= 0.4 and noisy.max() <= 0.5) == test
    free_loss, free = shown(tmp_path / "free", {"noise.clamp_min": "none", "noise.clamp_max": "none"})
    assert free.min() < 0 and free.max() > 1
    assert (loss == free_loss) != training
    assert (noisy == free).all() != test


# ---- levels ----


def levels_of(folder):
    with h5py.File(folder / "results.h5", "r") as file:
        return {name: item[()] for name, item in file["levels"].items()}


def epochs_of(folder, name):
    with h5py.File(folder / "results.h5", "r") as file:
        return file["epochs"][name][()]


def test_each_level_is_as_a_run_of_its_own_has_it(tmp_path):
    """Of the epochs after pretraining that were evaluated."""
    options = {"train.epochs": 3, "output.test_epochs": 2, "train.pretrain_epochs": 2}
    sigmas = [0.1, 0, 0.3]
    run(tmp_path, write_config(tmp_path, {**options, "noise.test_sigma": "0.1 0 0.3"}))
    found = levels_of(tmp_path / "run")
    assert found["level"].tolist() == sigmas and found["epoch"].tolist() == [4, 5]
    for level, sigma in enumerate(sigmas):
        alone = f"alone-{sigma}"
        run(tmp_path, write_config(tmp_path, {**options, "noise.test_sigma": sigma,
                                              "run.dir": alone}), ranks=None)
        for name in ("psnr_db", "ssim"):
            expected = epochs_of(tmp_path / alone, name)[3:]
            assert found[name][:, level].tolist() == expected.tolist()
            assert levels_of(tmp_path / alone)[name].tolist() == [[value] for value in expected]
    for name in ("psnr_db", "ssim", "test_loss", "psnr_first10_db"):
        assert (epochs_of(tmp_path / "run", name)[[1, 3, 4]]
                == epochs_of(tmp_path / "alone-0.1", name)[[1, 3, 4]]).all()
    with h5py.File(tmp_path / "run" / "results.h5") as several, \
            h5py.File(tmp_path / "alone-0.1" / "results.h5") as one:
        for name in ("test", "reconstructions"):
            for item in one[name]:
                assert (several[name][item][()] == one[name][item][()]).all(), item


def test_levels_go_on(tmp_path):
    """After a checkpoint that the results are ahead of; and in a file of a version without them."""
    options = {"noise.test_sigma": "0.1 0.2", "noise.sigma": "0 .. 0.2", "train.epochs": 4,
               "output.keep": 9}
    config = write_config(tmp_path, options)
    run(tmp_path, config, ranks=None)
    before = levels_of(tmp_path / "run")
    checkpoints(tmp_path / "run")[-1].unlink()
    run(tmp_path, config, threads=2)
    after = levels_of(tmp_path / "run")
    assert before["epoch"].tolist() == [2, 3, 4, 5]
    assert all((after[name] == before[name]).all() for name in before)
    checkpoints(tmp_path / "run")[-1].unlink()
    with h5py.File(tmp_path / "run" / "results.h5", "r+") as file:
        del file["levels"]
    run(tmp_path, config, ranks=None)
    assert levels_of(tmp_path / "run")["epoch"].tolist() == [5]


def test_a_range_needs_levels_to_test_at(tmp_path):
    done = run(tmp_path, write_config(tmp_path, {"noise.sigma": "0 .. 0.2"}), ranks=None, expect=None)
    assert_refused(done, USAGE, "noise.test_sigma (default): is as noise.sigma, but that is a range, "
                   "0 .. 0.2 (small.ini:", "; name the numbers to test with")


def test_a_range_trains_and_validates_by_images(tmp_path):
    """The same for any ranks and kernels; the validation's draws stay."""
    options = {**FROZEN, "train.epochs": 3, "noise.sigma": "0 .. 1", "noise.test_sigma": 0,
               "noise.clamp_min": "none", "noise.clamp_max": "none", "train.validation_images": 30}
    run(tmp_path, write_config(tmp_path, {**options, "run.dir": "one"}), ranks=None, kernels="ref")
    run(tmp_path, write_config(tmp_path, options), threads=2, ranks=3)
    for name in ("train_loss", "validation_loss", "test_loss"):
        values = epochs_of(tmp_path / "run", name).tolist()
        assert values == epochs_of(tmp_path / "one", name).tolist()
        assert len(set(values)) == (3 if name == "train_loss" else 1), name
    run(tmp_path, write_config(tmp_path, {**options, "noise.sigma": 1, "run.dir": "most"}),
        ranks=None)
    assert (epochs_of(tmp_path / "run", "train_loss") < epochs_of(tmp_path / "most", "train_loss")
            ).all()
    assert (epochs_of(tmp_path / "run", "noise_sigma") == 1).all()


# ---- kinds ----


@pytest.mark.parametrize("kind, level, few, options", [
    ("poisson", 30, 10, {}), ("poisson", "20 .. 60", 10, {"noise.test_level": "30 10"}),
    ("speckle", 0.2, 0.3, {}), ("salt_pepper", 0.1, 0.2, {})])
def test_kinds(tmp_path, kind, level, few, options):
    """They train to the same numbers on any ranks, threads and kernels; and another level is others."""
    options = {"noise.kind": kind, "noise.level": level, "noise.sigma": 0.01,
               "train.validation_images": 30, **options}
    told = run(tmp_path, write_config(tmp_path, options), ranks=3, threads=2).stdout
    text = f"{kind} noise {level}, sigma 0.01"
    assert f"with {text}," in told
    run(tmp_path, write_config(tmp_path, {**options, "run.dir": "one"}), ranks=None, kernels="ref")
    assert differences(numbers(tmp_path / "run"), numbers(tmp_path / "one")) == []
    expected = [30, 10] if kind == "poisson" and options.get("noise.test_level") else [level]
    assert levels_of(tmp_path / "run")["level"].tolist() == expected
    assert set(levels_of(tmp_path / "run")["sigma"]) == {0.01}
    run(tmp_path, write_config(tmp_path, {**options, "noise.level": few, "noise.test_level": few,
                                          "run.dir": "other"}), ranks=None)
    for name in ("train_loss", "test_loss", "validation_loss"):
        assert epochs_of(tmp_path / "run", name)[1] != epochs_of(tmp_path / "other", name)[1]
    with h5py.File(tmp_path / "run" / "model.h5", "r") as file:
        assert file["images"].attrs["noise_kind"] == kind
        assert file["images/noise_level"][()] == (60 if " .. " in str(level) else level)
    said = run(tmp_path, "apply", "run", write_pictures(tmp_path), "-o", "out", ranks=None).stdout
    assert text in said


def write_pictures(folder):
    (folder / "pictures").mkdir()
    write_png(folder / "pictures" / "a.png", np.full((40, 40, 3), 100, np.uint8))
    return "pictures"


def test_level_of_another_kind(tmp_path):
    done = run(tmp_path, write_config(tmp_path, {"noise.level": 30}), ranks=None, expect=None)
    assert_refused(done, USAGE, "[noise] level: is 30, but noise.kind is gaussian")
