"""Many pictures: while the run goes on they lie in parts/ beside results.h5, which shows them at any
moment and after any kill; at the end they are in it."""
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
import schema
import support
from support import (DONE, FILES, Run, assert_explains_itself, assert_refused, differences,
                     epoch_line, numbers, run, write_config)

EPOCHS, TEST, PICTURES = 12, 50, 50
A_PART = 2  # epochs whose outputs, of 614 kB each, become a part
OPTIONS = {"train.pretrain_epochs": 2, "train.epochs": EPOCHS - 2, "data.train_images": 40,
           "data.test_images": TEST, "output.reconstructions": PICTURES,
           "output.reconstruction_epochs": 1, "output.keep": 2}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The folder of a run that nothing has disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    run(folder, write_config(folder, OPTIONS), ranks=None)
    return folder / "run"


def parts(run_dir):
    return sorted(path.name for path in run_dir.glob("parts/*"))


def outputs(run_dir):
    """The epochs whose outputs results.h5 shows, and those."""
    with h5py.File(run_dir / "results.h5", "r") as file:
        group = file["reconstructions"]
        return group["epoch"][()].tolist(), group["output"][()]


def assert_same_outputs(run_dir, undisturbed):
    """As far as the run has come."""
    epochs, output = outputs(run_dir)
    assert epochs == list(range(1, len(epochs) + 1))
    assert output.tobytes() == outputs(undisturbed)[1][:len(epochs)].tobytes()
    return len(epochs)


def kill_after(folder, epoch, *arguments, delay_s=0.0, **how):
    """Kills a run some time after an epoch's line."""
    with Run(folder, arguments, session=True, **how) as started:
        started.wait_for(epoch_line(epoch, EPOCHS))
        time.sleep(delay_s)
        while left := started.processes():
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        started.wait()


def test_whole_at_the_end(undisturbed):
    assert not (undisturbed / "parts").exists()
    with h5py.File(undisturbed / "results.h5", "r") as file:
        output = file["reconstructions/output"]
        assert output.shape == (EPOCHS, PICTURES, 3, 32, 32) and output.maxshape[0] is None
        assert not output.is_virtual and output.chunks and output.compression == "gzip"
        assert "recent" not in file
        assert_explains_itself(file)
        last = output[-1]
        assert np.all((last >= 0) & (last <= 1)) and last.std() > 0


def test_same_file_without_parts(undisturbed, tmp_path):
    """Of so few pictures that none leave it: those it has are the same."""
    run(tmp_path, write_config(tmp_path, {**OPTIONS, "output.reconstructions": 3}), ranks=3)
    epochs, output = outputs(tmp_path / "run")
    assert (epochs, output.tobytes()) == (outputs(undisturbed)[0],
                                          outputs(undisturbed)[1][:, :3].tobytes())


def test_killed_and_gone_on_with(undisturbed, tmp_path):
    """At random moments, which may be in the middle of a part or of the end."""
    config, generator = write_config(tmp_path, OPTIONS), random.Random(1)
    epoch, kills = 0, 0
    while epoch + 1 < EPOCHS:
        kill_after(tmp_path, epoch + 1, config, delay_s=generator.uniform(0, 0.1),
                   ranks=generator.choice([None, 2, 3]))
        kills += 1
        epoch = assert_same_outputs(tmp_path / "run", undisturbed)
    assert kills > 1
    run(tmp_path, config, ranks=3)
    assert differences(numbers(tmp_path / "run"), numbers(undisturbed)) == []
    assert not (tmp_path / "run" / "parts").exists()


def stop(folder, epoch):
    """Stops a run of the folder's configuration in its time; returns its folder."""
    support.stop_at(folder, ["small.ini"], epoch_line(epoch, EPOCHS), ranks=None)
    return folder / "run"


def test_says_what_it_is_while_the_run_goes_on(tmp_path):
    """The schema of the end, and the newest outputs in a group of their own; a part is alike."""
    write_config(tmp_path, OPTIONS)
    run_dir = stop(tmp_path, 5)
    epochs = outputs(run_dir)[0][-1]
    recent = {path.replace("reconstructions", "recent"): (*told[:1], told[1], *told[2:])
              for path, told in schema.RESULTS.items()
              if path.startswith("reconstructions/") and path.rpartition("/")[2] not in
              ("label", "clean", "noisy")}
    with h5py.File(run_dir / "results.h5", "r") as file:
        found = schema.datasets(file)
        sizes = {"provenance/start": 1, "epochs/epoch": epochs, "epochs/statistic": 3,
                 "levels/epoch": epochs - 2, "levels/level": 1,  # of noise
                 "test/index": TEST, "reconstructions/index": PICTURES, "recent/index": PICTURES,
                 "reconstructions/epoch": epochs, "recent/epoch": epochs % A_PART, "channel": 3,
                 "row": 32, "column": 32}
        grows = {"provenance/start", "epochs/epoch", "levels/epoch", "reconstructions/epoch",
                 "recent/epoch"}
        assert found == schema.with_sizes({**schema.RESULTS, **recent}, sizes, grows)
        assert schema.group_faults(file, schema.RESULTS_ROOT, schema.RESULTS_GROUPS) == \
            ["group recent"]
        assert file["recent"].attrs["description"] == (
            "The newest outputs: /reconstructions shows them, and those before, which are in the "
            "folder parts/")
        assert file["reconstructions/output"].is_virtual
    assert parts(run_dir) == [f"pictures-{first:04d}.h5" for first in range(1, epochs, A_PART)]
    with h5py.File(run_dir / "parts" / "pictures-0003.h5", "r") as file:
        sizes["recent/epoch"] = A_PART
        assert schema.datasets(file) == schema.with_sizes(recent, sizes, grows)
        assert file["recent/epoch"][()].tolist() == [3, 4]


def test_read_while_it_is_written(tmp_path):
    """Whoever opens the file sees all that it says it has, unless it was replaced meanwhile."""
    path = tmp_path / "run" / "results.h5"
    seen = set()
    with Run(tmp_path, [write_config(tmp_path, OPTIONS)], ranks=2) as started:
        while started.is_running():
            try:
                before = path.stat().st_ino
                epochs, output = outputs(path.parent)
            except FileNotFoundError:  # not yet
                continue
            assert len(output) == len(epochs)
            if path.stat().st_ino == before:
                assert not np.isnan(output).any()
                seen.add(len(epochs))
        assert started.wait().code == DONE
    assert len(seen) > 3


def test_figures_while_the_run_goes_on(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    write_config(tmp_path, OPTIONS)
    stop(tmp_path, 5)
    done = subprocess.run([sys.executable, support.ROOT / "analysis" / "figures.py", "run"],
                          cwd=tmp_path, text=True, capture_output=True, timeout=100)
    assert done.stdout.split() == ["run/figures/reconstructions.png", "run/figures/curves.png"]


def test_lost_parts(undisturbed, tmp_path):
    """They are told, read as not a number, and all the rest is there."""
    write_config(tmp_path, OPTIONS)
    run_dir = stop(tmp_path, 6)
    (run_dir / "parts" / "pictures-0003.h5").unlink()
    assert np.isnan(outputs(run_dir)[1][2:4]).all()
    done = run(tmp_path, "small.ini", ranks=2)
    assert done.text.count("pictures-0003.h5") == 1
    epochs, output = outputs(run_dir)
    whole = outputs(undisturbed)[1]
    kept = [place for place, epoch in enumerate(epochs) if epoch not in (3, 4)]
    assert np.isnan(output[2:4]).all()
    assert output[kept].tobytes() == whole[kept].tobytes()


def test_results_alone_moved(tmp_path):
    """Without its parts it tells what it lacks, instead of another picture."""
    write_config(tmp_path, OPTIONS)
    run_dir = stop(tmp_path, 6)
    (tmp_path / "alone").mkdir()
    shutil.copy(run_dir / "results.h5", tmp_path / "alone")
    epochs, output = outputs(tmp_path / "alone")
    in_parts = len(epochs) // A_PART * A_PART
    assert np.isnan(output[:in_parts]).all() and not np.isnan(output[in_parts:]).any()
    moved = shutil.move(run_dir, tmp_path / "moved")
    assert not np.isnan(outputs(moved)[1]).any()


def test_more_epochs(undisturbed, tmp_path):
    """A whole file goes on as one that was never whole."""
    options = {**OPTIONS, "train.epochs": 3}
    run(tmp_path, write_config(tmp_path, options))
    run(tmp_path, write_config(tmp_path, OPTIONS), ranks=3)
    assert differences(numbers(tmp_path / "run"), numbers(undisturbed)) == []


def test_folder_that_cannot_be_made(tmp_path):
    config = write_config(tmp_path, OPTIONS)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "parts").write_text("in the way")
    done = run(tmp_path, config, expect=None)
    assert_refused(done, FILES, "run/parts", "Not a directory")
