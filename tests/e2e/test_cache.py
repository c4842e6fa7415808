"""Images in a file of the node's disk (data.cache): the same as in memory, used again while it is
right, and made anew, refused or told of where it isn't."""
import os
import signal
import time

import h5py
import numpy as np
import pytest
import support
from support import (DATA, Run, assert_refused, differences, epoch_line, numbers, run, stop_at,
                     write_config)

OPTIONS = {"data.source": "hdf5", "data.train": "stack.h5:/images", "data.test_fraction": 0.2,
           "data.axes": "NHW", "model.layers": "conv 4 3 relu, tconv 1 3 sigmoid",
           "data.test_images": 20}
THERE = "cache    the images are in "
CACHE = ["--set", "data.cache=cache"]


def make_images(folder, count=200, side=64):
    pixels = np.random.default_rng(4).normal(100, 30, (count, side, side)).astype(np.float32)
    with h5py.File(folder / "stack.h5", "w") as file:
        file.create_dataset("images", data=pixels, chunks=(7, side, side))


@pytest.fixture
def config(tmp_path):
    make_images(tmp_path)
    return write_config(tmp_path, OPTIONS)


def cache_file(folder):
    files = list((folder / "cache").iterdir())
    assert len(files) == 1 and files[0].suffix == ".images", files
    return files[0]


def with_cache(folder, config, run_dir, **how):
    return run(folder, config, *CACHE, "--set", f"run.dir={run_dir}", **how)


def test_as_from_memory(tmp_path, config):
    """By the run that makes it, and by others that find it, on other layouts."""
    run(tmp_path, config, ranks=1)
    memory = numbers(tmp_path / "run")
    made = with_cache(tmp_path, config, "made", ranks=3)
    assert THERE not in made.stdout and "range    " in made.stdout
    before = cache_file(tmp_path).stat()
    for ranks, threads in ((1, 2), (2, 1)):
        found = with_cache(tmp_path, config, f"found{ranks}", ranks=ranks, threads=threads)
        assert found.stdout.count(THERE) == 1
        assert differences(numbers(tmp_path / f"found{ranks}"), memory) == []
    after = cache_file(tmp_path).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert differences(numbers(tmp_path / "made"), memory) == []


def test_gone_on_with(tmp_path, config):
    run(tmp_path, config)
    stop_at(tmp_path, [config, *CACHE, "--set", "run.dir=stopped"], epoch_line(1, 2))
    with_cache(tmp_path, config, "stopped", ranks=3)
    assert differences(numbers(tmp_path / "stopped"), numbers(tmp_path / "run")) == []


@pytest.mark.parametrize("options", [["data.test_fraction=0.3"], ["data.train_images=129"]])
def test_other_images_have_a_file_of_their_own(tmp_path, config, options):
    with_cache(tmp_path, config, "run")
    sets = [word for option in options for word in ("--set", option)]
    done = run(tmp_path, config, *CACHE, "--set", "run.dir=other", *sets)
    assert THERE not in done.stdout and len(list((tmp_path / "cache").iterdir())) == 2


def test_changed_files_are_read_again(tmp_path, config):
    with_cache(tmp_path, config, "run")
    make_images(tmp_path)  # the same, at a later time
    assert THERE not in with_cache(tmp_path, config, "again").stdout
    assert len(list((tmp_path / "cache").iterdir())) == 2


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


FAULTS = {
    "header": lambda path: flip(path, 40),
    "table": lambda path: flip(path, 215),
    "the first image": lambda path: flip(path, 65536 + 24 * 200 + 9),
    "the last image": lambda path: flip(path, path.stat().st_size - 1),
    "cut": lambda path: os.truncate(path, 100000),
    "empty": lambda path: os.truncate(path, 0),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_damaged(tmp_path, config, fault):
    first = with_cache(tmp_path, config, "run")
    FAULTS[fault](cache_file(tmp_path))
    done = with_cache(tmp_path, config, "again", ranks=3)
    assert done.stderr.count("is damaged, and is made anew") == 1 and THERE not in done.stdout
    assert done.hash == first.hash
    assert THERE in with_cache(tmp_path, config, "found").stdout


def test_disk_that_fails_under_way(tmp_path, config):
    """The file is cut while it is mapped; what was read before may be in memory still."""
    arguments = [config, *CACHE, "--set", "train.epochs=100000", "--set", "run.stall_seconds=60"]
    with Run(tmp_path, arguments) as started:
        started.wait_for(epoch_line(2, 100001))
        os.truncate(cache_file(tmp_path), 70000)
        started.wait()
    assert started.code == DATA, started.tail
    assert "can't be read any more: its disk failed" in started.stderr
    assert "delete it, and start again" in started.stderr


def test_full_disk(tmp_path):
    """A limit of files' size, above what MPI itself needs, stands for it."""
    make_images(tmp_path, count=1500, side=128)
    config = write_config(tmp_path, {**OPTIONS, "data.train_images": 0, "data.test_images": 0})
    done = run(tmp_path, config, *CACHE, expect=None, ranks=2,
               before=["prlimit", f"--fsize={64 << 20}"])
    assert_refused(done, DATA, "needs 0.098 GB, and its disk has ", "choose another data.cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_folder_that_cannot_be(tmp_path, config):
    (tmp_path / "cache").write_text("")
    done = run(tmp_path, config, *CACHE, expect=None, ranks=2)
    assert_refused(done, DATA, "can't make the folder of the cache 'cache/",
                   "choose another data.cache")


def test_each_node_has_its_own(tmp_path, config):
    """$NAME is what the rank's own environment says."""
    run(tmp_path, config, "--set", "data.cache=$OWN/images", variables={"OWN": "here"})
    assert len(list((tmp_path / "here" / "images").iterdir())) == 1
    done = run(tmp_path, config, "--set", "data.cache=$OWN/images", expect=None, ranks=2)
    assert_refused(done, support.USAGE, "the environment variable OWN, which is not set")


def test_killed_while_it_is_made(tmp_path):
    """What is left isn't taken for a whole file, and the next run makes it."""
    make_images(tmp_path, count=3000, side=128)
    config = write_config(tmp_path, {**OPTIONS, "train.epochs": 0})
    plain = run(tmp_path, config, "--set", "run.dir=plain")
    for delay_s in (0.05, 0.2, 0.4):
        with Run(tmp_path, [config, *CACHE], session=True) as started:
            end = time.monotonic() + 20
            while not list((tmp_path / "cache").glob("*.part")) and time.monotonic() < end \
                    and started.is_running():
                time.sleep(0.005)
            time.sleep(delay_s)
            for process in started.processes():
                os.kill(process, signal.SIGKILL)
            started.wait()
    again = with_cache(tmp_path, config, "again")
    assert again.hash == plain.hash
    assert THERE in with_cache(tmp_path, config, "found").stdout
    cache_file(tmp_path)


def test_two_runs_at_once(tmp_path):
    """One makes the file, the other waits for it."""
    make_images(tmp_path, count=2000, side=128)
    config = write_config(tmp_path, {**OPTIONS, "train.epochs": 0})
    both = [Run(tmp_path, [config, *CACHE, "--set", f"run.dir=run{i}"], ranks=1) for i in (0, 1)]
    done = [started.wait() for started in both]
    assert [one.code for one in done] == [0, 0], done[0].tail + done[1].tail
    assert done[0].hash == done[1].hash
    assert sum(THERE in one.stdout for one in done) == 1
    cache_file(tmp_path)
