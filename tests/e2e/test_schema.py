"""Every group, dataset and attribute of results.h5, checkpoints and model.h5 is as schema.py has it: nothing
is missing, nothing more is there, and each says what it is."""
import shutil

import h5py
import numpy as np
import pytest
import schema
from support import checkpoints, run, write_config

TEST, PICTURES = 20, 4
OPTIONS = {"train.epochs": 2, "train.validation_images": 20, "output.reconstructions": PICTURES,
           "noise.test_sigma": "0.1 0.2 0", "output.reconstruction_epochs": 2, "output.checkpoint_steps": 4, "output.keep": 9}
SIZES = {"provenance/start": 1, "epochs/epoch": 3, "epochs/statistic": 3, "levels/epoch": 2, "levels/level": 3,
         "test/index": TEST,
         "reconstructions/index": PICTURES, "reconstructions/epoch": 3, "channel": 3, "row": 32,
         "column": 32}
GROWS = {"provenance/start", "epochs/epoch", "levels/epoch", "reconstructions/epoch"}
CHECKPOINT_SIZES = {name: int(name.rpartition("_")[2]) for name in schema.SCALES}
ADAM = ["exp_avg", "exp_avg_sq"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a finished run of the reference network."""
    folder = tmp_path_factory.mktemp("schema")
    run(folder, write_config(folder, OPTIONS), ranks=None)
    return folder / "run"


def results_faults(path):
    with h5py.File(path, "r") as file:
        expected = schema.with_sizes(schema.RESULTS, SIZES, GROWS)
        found = schema.datasets(file)
        wrong = [name for name in found.keys() | expected.keys()
                 if found.get(name) != expected.get(name)]
        return sorted(wrong) + schema.group_faults(file, schema.RESULTS_ROOT, schema.RESULTS_GROUPS)


def checkpoint_faults(path, moments=tuple(ADAM)):
    return trained_faults(path, moments, schema.CHECKPOINT_ROOT, schema.checkpoint_groups(moments))


def model_faults(path):
    return trained_faults(path, (), schema.MODEL_ROOT, schema.MODEL_GROUPS)


def trained_faults(path, moments, root, groups):
    with h5py.File(path, "r") as file:
        expected = schema.with_sizes(schema.checkpoint(moments), CHECKPOINT_SIZES, ())
        found = schema.datasets(file)
        wrong = [name for name in found.keys() | expected.keys()
                 if found.get(name) != expected.get(name)]
        return sorted(wrong) + schema.group_faults(file, root, groups)


def test_results(folder):
    assert results_faults(folder / "results.h5") == []
    with h5py.File(folder / "results.h5", "r") as file:
        assert [text.decode() for text in file["epochs/statistic"]] == ["min", "mean", "max"]
        assert [text.decode() for text in file["reconstructions/channel"]] == ["red", "green", "blue"]


def test_checkpoints(folder):
    """Of whole epochs, within one, and the best."""
    paths = [*checkpoints(folder), folder / "checkpoints" / "best.h5"]
    assert len(paths) == 7
    for path in paths:
        assert checkpoint_faults(path) == [], path.name
        with h5py.File(path, "r") as file:
            for name in schema.SCALES:
                assert list(file[name]) == list(range(len(file[name])))


def test_model(folder):
    assert model_faults(folder / "model.h5") == []


def test_checkpoint_of_sgd(tmp_path):
    run(tmp_path, write_config(tmp_path, {"optimizer.name": "sgd"}), ranks=None)
    newest = checkpoints(tmp_path / "run")[-1]
    assert checkpoint_faults(newest, ("momentum_buffer",)) == []
    assert checkpoint_faults(newest)


def test_results_without_pictures(tmp_path):
    run(tmp_path, write_config(tmp_path, {"output.reconstructions": 0}), ranks=None)
    assert results_faults(tmp_path / "run" / "results.h5") == sorted(
        ["epochs/" + name for name in schema_names("epochs")]  # of two epochs, not three
        + ["levels/" + name for name in schema_names("levels")]  # of one, and one level
        + ["reconstructions/" + name for name in schema_names("reconstructions")]) + \
        ["group reconstructions"]


def schema_names(group):
    names = [path.partition("/")[2] for path in schema.RESULTS if path.startswith(group + "/")]
    return [name for name in names if (group, name) != ("epochs", "statistic")]


def changes(file):
    """Changes of a file that say something else, by what they change."""
    paths = []
    file.visititems(lambda path, item: paths.append(path))
    for path in paths:
        for name in schema.own_attributes(file[path]):
            if path != "config" or name == "description":
                yield f"{path}: {name}", lambda f, p=path, n=name: f[p].attrs.__delitem__(n)
            if name in ("units", "long_name", "description"):
                yield f"{path}: {name}", lambda f, p=path, n=name: f[p].attrs.create(n, "another")
        yield path, lambda f, p=path: f.__delitem__(p)
    yield "more", lambda f: f.create_dataset("more", data=1)
    yield "a type", lambda f: (f.__delitem__(paths[-1]), f.create_dataset(paths[-1], data=np.int8(1)))
    yield "a group", lambda f: f.create_group("more")
    yield "an attribute", lambda f: f.attrs.create("more", 1)
    yield "the format", lambda f: f.attrs.create("format_version", np.int64(2))
    yield "an attribute of a dataset", lambda f: f[paths[-1]].attrs.create("more", 1)


@pytest.mark.parametrize("kind", ["results", "checkpoint", "model"])
def test_a_file_that_says_something_else_is_found(folder, tmp_path, kind):
    """Without a thing it says, or with another: a part of all such changes, the last ones among it."""
    path = checkpoints(folder)[-1] if kind == "checkpoint" else folder / f"{kind}.h5"
    find = {"results": results_faults, "checkpoint": checkpoint_faults, "model": model_faults}[kind]
    with h5py.File(path, "r") as file:
        all_changes = list(changes(file))
    assert len(all_changes) > 100
    for what, change in all_changes[::17] + all_changes[-6:]:
        shutil.copy(path, tmp_path / "other.h5")
        with h5py.File(tmp_path / "other.h5", "r+") as file:
            change(file)
        try:
            assert find(tmp_path / "other.h5"), what
        except RuntimeError:  # a dataset's scale is gone
            assert what in schema.SCALES or what.partition("/")[2] in {
                scale for _, scales, *_ in schema.RESULTS.values() for scale in scales}, what
