"""The noise on training and test images, as it is configured."""
import h5py
import pytest
from support import run, write_config

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
