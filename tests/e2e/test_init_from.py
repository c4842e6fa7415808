"""train.init_from: a new run begins with another's weights, and with nothing else of it."""
import re
import shutil

import h5py
import numpy as np
import pytest
import support
from support import (FILES, USAGE, assert_refused, checkpoints, differences, numbers, parameters,
                     run, write_config)

RANKS = 3
LEARNT = {"train.pretrain_epochs": 3, "train.epochs": 0, "optimizer.lr": 0.01,
          "run.dir": "learnt", "train.batch": 10}
ONE_STEP = {"train.pretrain_epochs": 1, "train.epochs": 0, "train.batch": 130,
            "optimizer.name": "sgd", "optimizer.lr": 0.01, "train.init_from": "learnt"}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A folder with a run that has learnt something."""
    folder = tmp_path_factory.mktemp("template")
    run(folder, write_config(folder, LEARNT, "learnt.ini"))
    return folder


@pytest.fixture
def folder(template, tmp_path):
    return shutil.copytree(template, tmp_path / "copy")


def epochs(run_dir, name):
    with h5py.File(run_dir / "results.h5", "r") as file:
        return file["epochs"][name][()].tolist()


def origin(path, group):
    with h5py.File(path, "r") as file:
        return tuple(file[group].attrs[name] for name in ("init_from", "init_hash"))


def test_begins_where_the_other_ended(folder):
    """Its loss before the first update is the other's: the same test images after no update to
    speak of, the very same bits."""
    write_config(folder, {**ONE_STEP, "optimizer.lr": 1e-30})
    said = run(folder, "small.ini", ranks=RANKS).stdout
    newest = checkpoints(folder / "learnt")[-1]
    assert said.count(f"weights  those of learnt/checkpoints/{newest.name} (hash ") == 1
    assert parameters(checkpoints(folder / "run")[-1]) == parameters(newest)
    for name in ("test_loss", "psnr_db", "ssim"):
        assert epochs(folder / "run", name)[0] == epochs(folder / "learnt", name)[-1], name
    run(folder, "--set", "train.init_from=", "--set", "run.dir=seed", "small.ini")
    assert epochs(folder / "seed", "train_loss")[0] > 1.2 * epochs(folder / "run", "train_loss")[0]


def test_takes_the_weights_alone(folder):
    """Not the position, the optimiser's moments or its count of updates; any option may differ."""
    options = {"train.init_from": "learnt", "train.batch": 26, "run.seed": 5,
               "optimizer.name": "adamw", "data.train_images": 52, "train.loss": "l1"}
    run(folder, write_config(folder, options), ranks=RANKS)
    with h5py.File(checkpoints(folder / "run")[0], "r") as file:
        position = dict(file["position"].attrs)
    assert (position["epoch"], position["updates"], position["images"]) == (1, 2, 0)
    assert epochs(folder / "run", "epoch") == [1, 2]


def test_same_bits_on_any_ranks(folder):
    write_config(folder, {"train.init_from": "learnt/checkpoints/epoch-0002.h5"})
    found = []
    for number, how in enumerate([{"ranks": None, "threads": 2}, {"ranks": RANKS},
                                  {"ranks": 2, "kernels": "ref"}]):
        run(folder, "--set", f"run.dir=run{number}", "small.ini", **how)
        found.append(numbers(folder / f"run{number}"))
    assert differences(found[0], found[1]) == differences(found[0], found[2]) == []
    run(folder, "--set", "run.dir=other", "--set", "train.init_from=learnt", "small.ini")
    assert "parameters_hash" in differences(found[0], numbers(folder / "other"))


def test_best_before_newest(folder):
    """Of a run's folder; without a best.h5 the newest counts (above)."""
    best = folder / "learnt" / "checkpoints" / "best.h5"
    shutil.copy(checkpoints(folder / "learnt")[0], best)
    said = run(folder, "--check", "--set", "train.init_from=learnt/", write_config(folder)).stdout
    assert said.count("weights  those of learnt//checkpoints/best.h5 (hash ") == 1


def test_is_told(folder):
    """In the plan and --check, in /provenance and the checkpoints; and where there is none."""
    write_config(folder, {"train.init_from": "learnt"})
    checked = run(folder, "--check", "small.ini", ranks=RANKS).stdout
    assert not (folder / "run").exists()
    expected = re.search(r"^weights  those of .* \(hash ([0-9a-f]{32})\)$", checked, re.M)[1]
    other = run(folder, "--check", "--set", "train.init_from=learnt/checkpoints/epoch-0001.h5",
                "small.ini").stdout
    assert "\nweights  " in other and expected not in other
    assert run(folder, "small.ini").stdout.count(f"(hash {expected})") == 1
    assert origin(folder / "run" / "results.h5", "provenance") == ("learnt", expected)
    assert origin(checkpoints(folder / "run")[0], "origin") == ("learnt", expected)
    assert origin(folder / "learnt" / "results.h5", "provenance") == ("", "")
    with h5py.File(checkpoints(folder / "learnt")[0], "r") as file:
        assert "origin" not in file


# ---- going on ----


def test_goes_on_without_the_file(folder):
    """The run's own checkpoint counts; --check doesn't miss the file either."""
    write_config(folder, {"train.init_from": "learnt"})
    run(folder, "small.ini")
    undisturbed = numbers(folder / "run")
    told = origin(folder / "run" / "results.h5", "provenance")
    checkpoints(folder / "run")[-1].unlink()
    shutil.rmtree(folder / "learnt")
    run(folder, "--check", "small.ini")
    done = run(folder, "small.ini", ranks=RANKS)
    assert "goes on  after 1 whole epochs" in done.stdout and "weights" not in done.stdout
    assert differences(numbers(folder / "run"), undisturbed) == []
    assert origin(folder / "run" / "results.h5", "provenance") == told
    assert origin(checkpoints(folder / "run")[-1], "origin") == told


def test_another_content_of_the_path_changes_nothing(folder):
    """A folder's newest checkpoint may be another one by the time a run goes on."""
    write_config(folder, {"train.init_from": "learnt"})
    run(folder, "small.ini")
    undisturbed = numbers(folder / "run")
    for path in (checkpoints(folder / "run")[-1], checkpoints(folder / "learnt")[-1]):
        path.unlink()
    run(folder, "small.ini")
    assert differences(numbers(folder / "run"), undisturbed) == []


def test_path_that_moved(folder):
    """The same weights elsewhere are taken; others are refused, and so are none."""
    write_config(folder, {"train.init_from": "learnt"})
    run(folder, "small.ini")
    checkpoints(folder / "run")[-1].unlink()
    shutil.move(folder / "learnt", folder / "moved")
    before = (folder / "run" / "results.h5").read_bytes()
    for other in ("moved/checkpoints/epoch-0001.h5", ""):
        done = run(folder, "--set", f"train.init_from={other}", "small.ini", expect=None)
        assert_refused(done, USAGE, "can't go on with the run in run: train.init_from was 'learnt'",
                       f"is '{other}'", "set it back to go on")
    missing = run(folder, "--set", "train.init_from=gone", "small.ini", expect=None)
    assert_refused(missing, USAGE, "train.init_from = gone")
    assert (folder / "run" / "results.h5").read_bytes() == before
    run(folder, "--set", "train.init_from=moved", "small.ini")
    assert origin(folder / "run" / "results.h5", "provenance")[0] == "moved"


def test_given_to_a_run_without(folder):
    run(folder, write_config(folder))
    done = run(folder, "--set", "train.init_from=learnt", "small.ini", expect=None)
    assert_refused(done, USAGE, "train.init_from was '' (hash none), is 'learnt' (hash ")


def test_results_of_a_run_with_other_weights_are_not_overwritten(folder):
    run(folder, write_config(folder, {"train.init_from": "learnt"}))
    for path in checkpoints(folder / "run"):
        path.unlink()
    before = (folder / "run" / "results.h5").read_bytes()
    done = run(folder, "--set", "train.init_from=", "small.ini", expect=None)
    assert_refused(done, USAGE, "train.init_from was 'learnt'", "move the file away")
    assert (folder / "run" / "results.h5").read_bytes() == before
    assert "they are made again" in run(folder, "small.ini").text


# ---- what can't be begun with ----


def refused(folder, init_from, code, *fragments):
    """By --check and by a run alike."""
    config = write_config(folder, {"train.init_from": init_from})
    for arguments, ranks in ((["--check"], None), ([], RANKS)):
        done = run(folder, *arguments, config, expect=None, ranks=ranks)
        assert_refused(done, code, f"train.init_from = {init_from}: ", *fragments)
    assert not checkpoints(folder / "run")


@pytest.mark.parametrize("init_from, found", [
    ("learnt/checkpoints/epoch-0007.h5", "only 'learnt/checkpoints', a folder with epoch-0001.h5, epoch-0002.h5"),
    ("learnt/old/epoch-0007.h5", "only 'learnt', a folder with checkpoints, model.h5, results.h5"),
    ("lernt", "only '.', a folder with empty, learnt, learnt.ini"),
    ("learnt/checkpoints", "there is a folder with epoch-0001.h5"),
    ("empty", "there is an empty folder"),
])
def test_missing(folder, init_from, found):
    (folder / "empty").mkdir()
    refused(folder, init_from, USAGE, found, "Name a checkpoint, or the folder of a run")


def test_damaged_or_foreign(folder):
    path = checkpoints(folder / "learnt")[-1]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "changed.h5").write_bytes(content)
    refused(folder, "changed.h5", FILES, "changed.h5 is damaged: its bytes are not those")
    (folder / "text.h5").write_text("no HDF5 file")
    refused(folder, "text.h5", FILES, "its end is not that of an HDF5 file")
    with h5py.File(folder / "foreign.h5", "w") as file:
        file["weights"] = np.zeros(3)
    refused(folder, "foreign.h5", FILES, "attribute format")
    refused(folder, "learnt/results.h5", FILES, 'its format is not "ae_dist checkpoint"')


def test_another_network(folder):
    """Both tables are told; layers with other numbers of channels, more and fewer of them."""
    layers = "conv 4 3 relu, conv 8 3 relu, tconv 8 3 relu, tconv 3 3 sigmoid"
    config = write_config(folder, {"train.init_from": "learnt", "model.layers": layers})
    done = run(folder, config, expect=None, ranks=RANKS)
    assert_refused(done, USAGE, "epoch-0003.h5 holds the parameters of another network",
                   "    encoder.0.weight     8 x 3 x 3 x 3        4 x 3 x 3 x 3\n",
                   "    encoder.2.weight     8 x 8 x 3 x 3        8 x 4 x 3 x 3\n",
                   "    decoder.2.bias       3                    3\n")
    for layers, line in (("conv 8 3 relu, tconv 3 3 sigmoid",
                          "    decoder.2.bias       3                    -\n"),
                         ("conv 8 3 relu, conv 8 3 relu, tconv 8 3 relu, tconv 8 3 relu, "
                          "conv 8 3 relu, tconv 3 3 sigmoid",
                          "    decoder.6.bias       -                    3\n")):
        done = run(folder, "--set", f"model.layers={layers}", config, expect=None)
        assert_refused(done, USAGE, "of another network", line)


def test_other_activations_are_no_other_network(folder):
    layers = "conv 8 3 sigmoid, conv 8 3 relu, tconv 8 3 relu, tconv 3 3 none"
    run(folder, write_config(folder, {"train.init_from": "learnt", "model.layers": layers}))


def test_stopped_before_the_first_step(folder):
    """A checkpoint of no steps holds the weights that were begun with."""
    options = {"data.train_images": 5000, "train.batch": 500, "train.init_from": "learnt",
               "train.pretrain_epochs": 0}
    config = write_config(folder, options)
    stopped = support.stop_at(folder, [config], "weights", 0.02)
    if stopped.code == support.STOPPED and checkpoints(folder / "run")[0].name == "epoch-0000.h5":
        assert parameters(checkpoints(folder / "run")[0]) == \
            parameters(checkpoints(folder / "learnt")[-1])
    shutil.rmtree(folder / "learnt")
    run(folder, config, ranks=RANKS)
