"""Going on with what is there: damaged files, changed options, a second run, a full disk."""
import errno
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
import support
from support import (DATA, FILES, STOPPED, USAGE, Run, assert_refused, checkpoints, differences,
                     epoch_line, numbers, run, write_config)

RANKS = 4
EPOCHS = 3
ENDLESS = 100000
OPTIONS = {"train.epochs": EPOCHS - 1}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A folder with a configuration and a finished run of three epochs."""
    folder = tmp_path_factory.mktemp("template")
    run(folder, write_config(folder, OPTIONS))
    return folder


@pytest.fixture
def folder(template, tmp_path):
    """A copy to damage."""
    return shutil.copytree(template, tmp_path / "copy")


def tree(folder):
    """Every file below a folder, by path, with its bytes; but for the lock, which tells who took
    it last."""
    return {path.relative_to(folder): path.read_bytes()
            for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def cut_in_half(path):
    os.truncate(path, path.stat().st_size // 2)


def change_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def enlarge(path):
    """To a size that no memory holds; the disk gives it no room."""
    os.truncate(path, 1 << 43)


# ---- a whole run, and parts of one ----


def test_finished_run_says_so(folder, template):
    before = tree(folder)
    done = run(folder, "small.ini", ranks=RANKS)
    assert done.stdout.count(f"finished before: all {EPOCHS} epochs are done") == 1
    assert "results  run/results.h5, the network in run/model.h5\n" in done.stdout
    assert tree(folder) == before
    (folder / "run" / "model.h5").unlink()  # as versions before it left a run
    done = run(folder, "small.ini", ranks=RANKS)
    assert "results  run/results.h5, the network in run/checkpoints/\n" in done.stdout


@pytest.mark.parametrize("kept", [1, 2])
def test_results_are_cut_back_to_the_checkpoint(folder, template, kept):
    """results.h5 knows three epochs and the newest checkpoint fewer: the others are done again."""
    for path in checkpoints(folder / "run")[kept:]:
        path.unlink()
    done = run(folder, "small.ini", ranks=3)
    assert done.stdout.count(f"goes on  after {kept} whole epochs and 0 steps") == 1
    assert done.stdout.count("epoch  ") == EPOCHS - kept
    assert differences(numbers(folder / "run"), numbers(template / "run")) == []
    with h5py.File(folder / "run" / "results.h5", "r") as file:
        assert file["provenance/from_epoch"][()].tolist() == [0, kept]
        assert file["epochs/epoch"][()].tolist() == [1, 2, 3]


def test_options_that_change_no_numbers_may_change(folder, template):
    checkpoints(folder / "run")[-1].unlink()
    run(folder, "--set", "output.reconstructions=3", "--set", "output.keep=1", "small.ini")
    assert [path.name for path in checkpoints(folder / "run")] == ["epoch-0003.h5"]
    found, expected = numbers(folder / "run"), numbers(template / "run")
    assert differences(found, expected) == ["output"]
    with h5py.File(folder / "run" / "results.h5", "r") as file:
        assert file["reconstructions/output"].shape[1:] == (3, 3, 32, 32)


@pytest.mark.parametrize("damage", [cut_in_half, change_a_byte, enlarge,
                                    lambda path: path.write_bytes(b"")],
                         ids=["cut in half", "changed", "enlarged", "empty"])
def test_damaged_checkpoint(folder, template, damage):
    newest = checkpoints(folder / "run")[-1]
    damage(newest)
    size = newest.stat().st_size
    damaged = newest.open("rb").read(1 << 20)
    done = run(folder, "small.ini", ranks=RANKS)
    assert done.stderr.count("ae_dist: warning: ") == 1 + done.stderr.count("threads share")
    assert done.stderr.count(f"run/checkpoints/{newest.name}") == 1
    assert done.stderr.count("it is set aside, and the one before is taken") == 1
    aside = newest.with_name(newest.name + ".damaged")
    assert aside.stat().st_size == size and aside.open("rb").read(1 << 20) == damaged
    assert "goes on  after 2 whole epochs" in done.stdout
    assert differences(numbers(folder / "run"), numbers(template / "run")) == []


def test_no_checkpoint_is_whole(folder):
    for path in checkpoints(folder / "run"):
        cut_in_half(path)
    before = tree(folder)
    done = run(folder, "small.ini", expect=None, ranks=RANKS)
    assert_refused(done, FILES, "no checkpoint in run is whole", "run/checkpoints/epoch-0001.h5",
                   "choose another run.dir to begin anew")
    after = {str(path).removesuffix(".damaged"): content for path, content in tree(folder).items()}
    assert after == {str(path): content for path, content in before.items()}


@pytest.mark.parametrize("damage", [cut_in_half, change_a_byte], ids=["cut in half", "changed"])
def test_damaged_results(folder, damage):
    checkpoints(folder / "run")[-1].unlink()
    damage(folder / "run" / "results.h5")
    before = tree(folder)
    done = run(folder, "small.ini", expect=None, ranks=RANKS)
    assert_refused(done, FILES, "can't go on with the results", "run/results.h5",
                   "put the run's own file back, or move this one away")
    assert tree(folder) == before


def test_missing_results(folder, template):
    """The run goes on to the same end; a new file tells of the rest."""
    checkpoints(folder / "run")[-1].unlink()
    (folder / "run" / "results.h5").unlink()
    done = run(folder, "small.ini", ranks=RANKS)
    assert done.text.count("a new one lacks the figures of the first 2 epochs") == 1
    with h5py.File(folder / "run" / "results.h5", "r") as new, \
            h5py.File(template / "run" / "results.h5", "r") as old:
        assert list(new["epochs/epoch"]) == [3]
        assert new["epochs/parameters_hash"][0] == old["epochs/parameters_hash"][2]


# ---- a finished run whose results aren't ----


def assert_made_again(done, folder, template, epochs):
    """results.h5 has those epochs, the last with all that its checkpoint tells."""
    assert done.stdout.count(f"finished before: all {EPOCHS} epochs are done; results.h5 isn't") == 1
    assert "results  run/results.h5" in done.stdout
    with h5py.File(folder / "run" / "results.h5", "r") as new, \
            h5py.File(template / "run" / "results.h5", "r") as old:
        assert list(new["epochs/epoch"]) == epochs
        assert dict(new["config"].attrs) == dict(old["config"].attrs)
        assert list(new["provenance/from_epoch"])[-1] == EPOCHS - 1
        for name in new["epochs"]:
            if "second" not in name and name not in ("images_per_s", "statistic", "train_loss"):
                assert repr(new["epochs"][name][-1]) == repr(old["epochs"][name][-1]), name
        assert math.isnan(new["epochs/train_loss"][-1])
        for name in old["test"]:
            assert new["test"][name][()].tobytes() == old["test"][name][()].tobytes(), name
        assert list(new["reconstructions/epoch"])[-1] == EPOCHS
        for name in ("clean", "noisy"):
            assert (new["reconstructions"][name][()] == old["reconstructions"][name][()]).all()
        assert (new["reconstructions/output"][-1] == old["reconstructions/output"][-1]).all()
    for group in ("parameters", "optimizer"):
        left, right = (support.arrays(checkpoints(path / "run")[-1], group)
                       for path in (folder, template))
        assert left.keys() == right.keys() and all((left[name] == right[name]).all() for name in left)


def test_finished_without_results(folder, template):
    """What the checkpoint tells is made again, the rest is said to be lost; the next start finds it."""
    (folder / "run" / "results.h5").unlink()
    done = run(folder, "small.ini", ranks=RANKS)
    assert done.stderr.count("a new one lacks the figures of the first 2 epochs") == 1
    assert_made_again(done, folder, template, [EPOCHS])
    before = tree(folder)
    again = run(folder, "small.ini", ranks=RANKS)
    assert again.stdout.count(f"all {EPOCHS} epochs are done\n") == 1
    assert tree(folder) == before


def test_figures_of_what_was_made_again(folder):
    """They can be drawn of one epoch without a training loss."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    (folder / "run" / "results.h5").unlink()
    run(folder, "small.ini", ranks=None)
    done = subprocess.run([sys.executable, support.ROOT / "analysis/figures.py", folder / "run"],
                          capture_output=True, text=True, timeout=support.TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    assert [Path(line).stat().st_size > 1000 for line in done.stdout.split()] == [True, True]


def test_finished_with_older_results(folder, template):
    """A copy from before the last epoch, put back."""
    with h5py.File(folder / "run" / "results.h5", "r+") as file:
        for column in (*file["epochs"].values(), file["reconstructions/epoch"],
                       file["reconstructions/output"]):
            if column.maxshape[0] is None:
                column.resize(len(column) - 1, axis=0)
    done = run(folder, "small.ini", ranks=None)
    assert "lacks the figures" not in done.text
    assert_made_again(done, folder, template, [1, 2, 3])


def test_finished_run_of_one_epoch(tmp_path):
    config = write_config(tmp_path, {"train.pretrain_epochs": 0})
    run(tmp_path, config)
    expected = numbers(tmp_path / "run")
    (tmp_path / "run" / "results.h5").unlink()
    assert "lacks" not in run(tmp_path, config).stderr
    assert differences(numbers(tmp_path / "run"), expected) == ["train_loss"]


@pytest.mark.parametrize("damage", [cut_in_half, change_a_byte,
                                    lambda path: h5py.File(path, "w").close()],
                         ids=["cut in half", "changed", "another's"])
def test_finished_with_damaged_results(folder, damage):
    """It isn't told to be where the results are."""
    damage(folder / "run" / "results.h5")
    before = tree(folder)
    done = run(folder, "small.ini", expect=None, ranks=RANKS)
    assert_refused(done, FILES, "can't go on with the results: run/results.h5",
                   "put the run's own file back, or move this one away")
    assert "finished" not in done.stdout and "results  " not in done.stdout
    assert tree(folder) == before


def test_results_that_vanish(tmp_path):
    """Of the two looks for results.h5, at the beginning and at the end, the second finds nothing."""
    library = Path(os.environ.get("AE_BUILD_DIR", support.ROOT / "build"))
    done = run(tmp_path, write_config(tmp_path), ranks=None, expect=None, variables={
        "LD_PRELOAD": str(library / "tests/campaign_faults.so"), "AE_FAULT_FOLDER": "results.h5",
        "AE_FAULT_CALL": "lstat", "AE_FAULT_AT": "2", "AE_FAULT_ERRNO": str(errno.ENOENT)})
    assert_refused(done, FILES, "run/results.h5, just written, isn't there any more")
    assert "results  " not in done.stdout


def test_results_of_another_run_are_not_overwritten(folder):
    for path in checkpoints(folder / "run"):
        path.unlink()
    before = tree(folder)
    done = run(folder, "--set", "run.seed=5", "small.ini", expect=None, ranks=RANKS)
    assert_refused(done, USAGE, "run.seed was", "move the file away")
    assert tree(folder) == before
    done = run(folder, "small.ini", ranks=RANKS)
    assert done.text.count("they are made again") == 1


# ---- another run than the one begun ----


def test_changed_options_are_named(folder):
    before = tree(folder)
    done = run(folder, "--set", "optimizer.lr=0.01", "--set", "train.batch=10", "--set",
               "output.keep=7", "small.ini", expect=None, ranks=RANKS)
    assert_refused(done, USAGE, "can't go on from run/checkpoints/epoch-0003.h5",
                   "optimizer.lr was 0.001, is 0.01", "train.batch was 20, is 10",
                   "set them back to go on, or choose another run.dir to begin anew")
    assert done.stderr.count(" was ") == 2 + done.stderr.count("what was begun")
    assert tree(folder) == before


def test_changed_images_are_refused(tmp_path):
    images = support.write_cifar10(tmp_path / "cifar")
    config = write_config(tmp_path, {"data.source": "cifar10", "data.dir": "cifar"})
    run(tmp_path, config)
    checkpoints(tmp_path / "run")[-1].unlink()
    with open(images / "data_batch_1.bin", "r+b") as file:
        pixel = os.pread(file.fileno(), 1, 100)[0]
        os.pwrite(file.fileno(), bytes([pixel ^ 1]), 100)
    before = tree(tmp_path / "run")
    done = run(tmp_path, config, expect=None, ranks=RANKS)
    assert_refused(done, DATA, "are not those the run in run was begun with",
                   "give it the same ones, or choose another run.dir")
    assert tree(tmp_path / "run") == before


@pytest.mark.parametrize("left", ["all", "results.h5", "checkpoints"])
def test_never_resume(folder, left):
    """Any sign of a run is enough, and nothing of it is touched."""
    if left == "results.h5":
        shutil.rmtree(folder / "run" / "checkpoints")
    if left == "checkpoints":
        (folder / "run" / "results.h5").unlink()
    before = tree(folder)
    done = run(folder, "--set", "run.resume=never", "small.ini", expect=None, ranks=RANKS)
    assert_refused(done, USAGE, "run holds a run already, and run.resume is never",
                   "choose another run.dir, or set run.resume=auto")
    assert tree(folder) == before


def test_never_resume_begins_in_a_folder_without_a_run(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    run(tmp_path, "--set", "run.resume=never", write_config(tmp_path))
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def test_two_runs_in_one_folder(tmp_path):
    """The second is refused; the first doesn't notice."""
    config = write_config(tmp_path, {"train.pretrain_epochs": 0, "train.epochs": ENDLESS})
    with Run(tmp_path, [config]) as first:
        first.wait_for(epoch_line(2, ENDLESS))
        second = run(tmp_path, config, expect=None, ranks=RANKS)
        holder = f"process {min(first.ranks())} on {os.uname().nodename}"
        assert_refused(second, FILES, f"another run holds run ({holder})",
                       "wait for it, end it, or choose another run.dir")
        said = first.stdout.count("epoch ")
        first.wait_for(epoch_line(said + 3, ENDLESS))  # it goes on
        first.send(signal.SIGUSR1)
        assert first.wait().code == STOPPED
    run(tmp_path, "--set", "run.dir=alone", "--set", "train.epochs=3", config)
    with h5py.File(tmp_path / "run/results.h5", "r") as together, \
            h5py.File(tmp_path / "alone/results.h5", "r") as alone:
        for name in ("parameters_hash", "train_loss", "psnr_db"):
            assert together["epochs"][name][:3].tolist() == alone["epochs"][name][:3].tolist()


# ---- files that can't be written ----


def assert_whole(run_dir):
    """results.h5 opens, and its last epoch but one at least has a checkpoint that opens."""
    with h5py.File(run_dir / "results.h5", "r") as file:
        epochs = len(file["epochs/epoch"])
        hashes = support.text_column(file["epochs/parameters_hash"])
    newest = checkpoints(run_dir)[-1]
    assert support.checkpoint_position(newest) in [(epochs, 0), (epochs - 1, 0)]
    assert support.arrays(newest, "parameters")
    assert not list(run_dir.rglob("*.tmp.*"))
    return hashes


def test_limit_on_file_sizes(tmp_path):
    """A limit below the size of results.h5 is set while the run is under way."""
    config = write_config(tmp_path, {"train.pretrain_epochs": 0, "train.epochs": ENDLESS})
    with Run(tmp_path, [config], ranks=3) as started:
        started.wait_for(epoch_line(2, ENDLESS))
        ranks = started.ranks()
        assert len(ranks) == 3
        for pid in ranks:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (50000, 50000))
        started.wait()
    assert_refused(started, FILES, "can't write run/", "File too large",
                   "raise the limit on file sizes (ulimit -f)")
    hashes = assert_whole(tmp_path / "run")
    with Run(tmp_path, [config]) as again:  # and it goes on from there
        again.wait_for("goes on")
        again.wait_for(epoch_line(len(hashes) + 2, ENDLESS))
        again.send(signal.SIGUSR1)
        assert again.wait().code == STOPPED


def mount_disk(path, size):
    """Mounts a small disk; skips where that isn't allowed."""
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except OSError as error:
        pytest.skip(f"can't mount a small disk: {error}")
    if done.returncode != 0:
        pytest.skip(f"can't mount a small disk: {done.stderr.strip()}")


def test_full_disk(tmp_path, template):
    mount_disk(tmp_path / "disk", "1200k")
    try:
        options = {**OPTIONS, "run.dir": "disk/run", "output.reconstruction_epochs": 1,
                   "train.epochs": 200, "output.keep": 100}
        config = write_config(tmp_path, options)
        full = run(tmp_path, config, expect=None, ranks=RANKS)
        assert_refused(full, FILES, "can't write disk/run/", "No space left on device",
                       "free space on that disk, or choose another run.dir")
        hashes = assert_whole(tmp_path / "disk" / "run")
        assert hashes[:1] == numbers(template / "run")["parameters_hash"][:1]
    finally:
        subprocess.run(["umount", str(tmp_path / "disk")], timeout=20, check=True)
