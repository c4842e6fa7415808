"""model.h5: the network by itself, the best by validation or the last, and what begins with it."""
import re
import shutil
import signal
import sys

import h5py
import numpy as np
import pytest
from support import (FILES, ROOT, USAGE, Run, assert_explains_itself, assert_refused,
                     checkpoints, differences, numbers, parameters, run, write_config)

OPTIONS = {"train.pretrain_epochs": 1, "train.epochs": 3, "optimizer.lr": 0.02, "noise.sigma": 0.2,
           "noise.clamp_min": -0.5, "run.dir": "learnt"}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A folder with a finished run."""
    folder = tmp_path_factory.mktemp("template")
    run(folder, write_config(folder, OPTIONS, "learnt.ini"))
    return folder


@pytest.fixture
def folder(template, tmp_path):
    return shutil.copytree(template, tmp_path / "copy")


def epoch_of(path):
    with h5py.File(path, "r") as file:
        return file["provenance" if "provenance" in file else "position"].attrs["epoch"]


def test_tells_all_but_the_optimiser(folder):
    """What the newest checkpoint does, and nothing to go on from."""
    newest = checkpoints(folder / "learnt")[-1]
    with h5py.File(folder / "learnt" / "model.h5", "r") as model, h5py.File(newest, "r") as other:
        assert_explains_itself(model)
        assert model.keys() - other.keys() == {"provenance"}
        assert other.keys() - model.keys() == {"optimizer", "position"}
        for group in ("parameters", "contract", "config"):
            assert dict(model[group].attrs) == dict(other[group].attrs), group
        assert {name: item[()] for name, item in model["images"].items()} == {
            "zero": 0, "one": 255, "noise_sigma": 0.2, "noise_sigma_min": 0.2, "noise_level": 0,
            "noise_level_min": 0, "noise_clamp_min": -0.5,
            "noise_clamp_max": 1}
        said = dict(model["provenance"].attrs)
        assert (said["epoch"], said["updates"], said["run"]) == (4, 28, "learnt")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:?\d\d", said["time"])
    assert parameters(folder / "learnt" / "model.h5") == parameters(newest)


def test_best_by_validation(tmp_path):
    """A learning rate that soon does harm: an epoch before the last is the best."""
    options = {"data.train_images": 160, "train.validation_images": 30, "train.epochs": 6,
               "optimizer.lr": 0.1, "output.keep": 9}
    run(tmp_path, write_config(tmp_path, options), ranks=None)
    model = tmp_path / "run" / "model.h5"
    best = tmp_path / "run" / "checkpoints" / "best.h5"
    assert parameters(model) == parameters(best)
    with h5py.File(tmp_path / "run" / "results.h5", "r") as file:
        losses = file["epochs/validation_loss"][1:].tolist()
    assert epoch_of(model) == epoch_of(best) == 2 + losses.index(min(losses))


def test_with_the_checkpoints(tmp_path):
    """Without validation images, of whole epochs; the run's end is one."""
    config = write_config(tmp_path, {"train.pretrain_epochs": 0, "train.epochs": 5,
                                     "output.checkpoint_epochs": 3, "output.checkpoint_steps": 2})
    model = tmp_path / "run" / "model.h5"
    with Run(tmp_path, [config]) as started:
        started.wait_for("epoch  4/")
        started.send(signal.SIGKILL)
        started.wait()
    assert epoch_of(model) in (3, 5)
    run(tmp_path, config)
    assert epoch_of(model) == 5
    assert parameters(model) == parameters(checkpoints(tmp_path / "run")[-1])


def test_same_bits_through_kills(tmp_path):
    """At any moment it isn't there, or is whole."""
    options = {"train.epochs": 40, "output.reconstruction_epochs": 1}
    run(tmp_path, write_config(tmp_path, {**options, "run.dir": "undisturbed"}), ranks=None)
    config, seen = write_config(tmp_path, options), set()
    model = tmp_path / "run" / "model.h5"
    for _ in range(4):  # ranks outlive mpirun by an epoch or some
        with Run(tmp_path, [config], ranks=3) as started:
            started.wait_for("  loss ")
            started.send(signal.SIGKILL)
            started.wait()
        seen.add(epoch_of(model))
    assert len(seen) > 1
    run(tmp_path, config)
    assert differences(numbers(tmp_path / "run"), numbers(tmp_path / "undisturbed")) == []
    assert "model.h5/encoder.0.weight" in numbers(tmp_path / "run")


def test_begun_with_any_of_the_three(folder):
    """The model, the checkpoint or the folder: the same weights, said with the hash that the model
    tells; also where of a folder the model alone is left."""
    newest = checkpoints(folder / "learnt")[-1].relative_to(folder)
    with h5py.File(folder / "learnt" / "model.h5", "r") as file:
        expected = file["parameters"].attrs["hash"]
    (folder / "alone").mkdir()
    shutil.copy(folder / "learnt" / "model.h5", folder / "alone")
    shutil.copy(folder / "learnt" / "model.h5", folder / "renamed.h5")
    found = []
    for number, (init_from, said) in enumerate([
            ("learnt/model.h5", "learnt/model.h5"), (newest, newest), ("learnt", newest),
            ("alone", "alone/model.h5"), ("renamed.h5", "renamed.h5")]):
        options = {"train.init_from": init_from, "run.dir": f"run{number}"}
        done = run(folder, write_config(folder, options), ranks=None)
        assert done.stdout.count(f"weights  those of {said} (hash {expected})") == 1
        found.append(numbers(folder / f"run{number}"))
    assert all(differences(found[0], other) == [] for other in found)


def test_model_of_another_network(folder):
    config = write_config(folder, {"train.init_from": "learnt/model.h5",
                                   "model.layers": "conv 4 3 relu, tconv 3 3 sigmoid"})
    assert_refused(run(folder, config, expect=None), USAGE,
                   "learnt/model.h5 holds the parameters of another network",
                   "    encoder.0.weight     8 x 3 x 3 x 3        4 x 3 x 3 x 3\n")


def test_damaged_foreign_or_later(folder):
    path = folder / "learnt" / "model.h5"
    whole = path.read_bytes()

    def refused(code, *fragments):
        config = write_config(folder, {"train.init_from": "learnt/model.h5"})
        for arguments, ranks in ((["--check"], None), ([], 2)):
            done = run(folder, *arguments, config, expect=None, ranks=ranks)
            assert_refused(done, code, "train.init_from = learnt/model.h5: ", *fragments)

    changed = bytearray(whole)
    changed[len(changed) // 2] ^= 1
    path.write_bytes(changed)
    refused(FILES, "model.h5 is damaged: its bytes are not those")
    path.write_bytes(whole[:len(whole) // 2])
    refused(FILES, "model.h5 is damaged: its end is not that of an HDF5 file")
    with h5py.File(path, "w") as file:
        file["weights"] = np.zeros(3)
    refused(FILES, "attribute format")
    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        file["parameters/encoder.0.bias"][0] += 1
    refused(FILES, "its content differs from its content_hash")
    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = np.int64(2)
    refused(USAGE, "has version 2 of the format and this program reads version 1; use the program "
            "that wrote it, or another file")


def test_pytorch_opens_it(folder):
    """The same module as of the checkpoint."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    sys.path.append(str(ROOT / "analysis"))
    from network import load
    model = load(folder / "learnt" / "model.h5").state_dict()
    other = load(checkpoints(folder / "learnt")[-1]).state_dict()
    assert model.keys() == other.keys()
    assert all(torch.equal(model[name], other[name]) for name in model)
