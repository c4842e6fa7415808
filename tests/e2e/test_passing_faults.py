"""Disks that fail for a moment, as a network's do: what failed is tried again and the run comes to the
same end; what goes on failing ends it with one message."""
import errno
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import support
from support import DATA, DONE, FILES, USAGE, assert_refused, differences, numbers, run, write_config

FAULTS = Path(os.environ.get("AE_BUILD_DIR", support.ROOT / "build")) / "tests/campaign_faults.so"
RUN = "faulty-run"
OPTIONS = {"run.dir": RUN, "data.source": "cifar10", "data.dir": "faulty-images",
           "data.train_images": 60, "data.test_images": 5, "train.pretrain_epochs": 0,
           "train.epochs": 2, "train.validation_images": 20, "output.keep": 1,
           "output.reconstruction_epochs": 1, "output.checkpoint_steps": 1, "model.layers": "conv 4 3 relu, tconv 3 3 sigmoid"}
PASSING = [errno.EBUSY, errno.EIO, errno.EACCES, errno.ESTALE, errno.EINTR]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A folder with images, a configuration, and a run that was stopped after its first epoch; in
    `expected` the whole run."""
    folder = tmp_path_factory.mktemp("template")
    support.write_cifar10(folder / OPTIONS["data.dir"])
    config = write_config(folder, OPTIONS)
    run(folder, config, "--set", f"run.dir={folder}/expected", ranks=None)
    run(folder, config, "--set", "train.epochs=1", ranks=None)
    return folder


def copy_of(template, folder):
    """The run to go on with; its images are the template's."""
    folder.mkdir(exist_ok=True)
    shutil.copy(template / "small.ini", folder)
    shutil.copytree(template / RUN, folder / RUN)
    (folder / OPTIONS["data.dir"]).symlink_to(template / OPTIONS["data.dir"])
    return folder


@pytest.fixture
def folder(template, tmp_path):
    return copy_of(template, tmp_path)


def faults(part, call="", at=1, count=1, number=errno.EIO):
    """Variables with which so many calls fail on files whose path holds `part`."""
    return {"LD_PRELOAD": str(FAULTS), "AE_FAULT_FOLDER": part, "AE_FAULT_CALL": call,
            "AE_FAULT_AT": str(at), "AE_FAULT_CALLS": str(count), "AE_FAULT_ERRNO": str(number)}


def go_on(folder, *arguments, expect=DONE, **fault):
    """Goes on with the run under a fault; returns what it said and how many calls there were."""
    variables = {**faults(**fault), "AE_FAULT_COUNT": str(folder / "calls")}
    done = run(folder, "small.ini", *arguments, ranks=None, variables=variables, expect=expect)
    return done, int((folder / "calls").read_text())


def test_calls_that_change_a_file(folder, template):
    """From a folder that isn't there to the end, every fifth call in its turn fails once; a file
    takes seven, so that in the course of a run each of them does."""
    expected = numbers(template / "expected")
    _, calls = go_on(folder, part=RUN, at=0)
    assert calls > 30
    for at in range(1, calls + 1, 5):
        shutil.rmtree(folder / RUN)
        go_on(folder, part=RUN, at=at, number=PASSING[at // 5 % len(PASSING)])
        assert differences(numbers(folder / RUN), expected) == [], at
        assert not list((folder / RUN).rglob("*.tmp.*")), at


@pytest.mark.parametrize("number, part, call", [
    (errno.EBUSY, RUN, "open"), (errno.ESTALE, RUN, "read"), (errno.EIO, RUN, "fstat"),
    (errno.ESTALE, RUN, "scandir"), (errno.EACCES, RUN, "access"), (errno.ESTALE, RUN, "lstat"),
    (errno.ENOLCK, RUN, "flock"), (errno.EBUSY, RUN, "unlink"),
    (errno.ESTALE, "faulty-images", "stat"), (errno.EBUSY, "faulty-images", "open"),
    (errno.ESTALE, "faulty-images", "fstat"), (errno.ESTALE, "faulty-images", "pread"),
    (errno.EIO, "small.ini", "open"), (errno.EIO, "small.ini", "read")])
def test_calls_of_one_name(folder, template, number, part, call):
    """Twice in a row, when the run goes on."""
    _, calls = go_on(folder, part=part, call=call, count=2, number=number)
    assert calls > 2
    assert differences(numbers(folder / RUN), numbers(template / "expected")) == []


def test_weights_to_begin_with(folder):
    done, calls = go_on(folder, "--set", "run.dir=new", "--set", f"train.init_from={RUN}", part=RUN,
                        call="stat", count=2, number=errno.ESTALE)
    assert f"weights  those of {RUN}/" in done.stdout and calls > 2


def test_watchdog_is_fed(folder, template):
    """Fourteen tries take longer than run.stall_seconds."""
    go_on(folder, "--set", "run.stall_seconds=2", part=RUN, call="rename", count=14)
    assert differences(numbers(folder / RUN), numbers(template / "expected")) == []


def all_at_once(template, tmp_path, part, cases):
    """Goes on under each (call, errno) for good. What stays is tried for five seconds: they wait
    together. Returns what was said, with the errno."""
    def one(case):
        call, number = case
        folder = copy_of(template, tmp_path / f"{call}-{number}")
        done, calls = go_on(folder, part=part, call=call, count=0, number=number, expect=None)
        assert calls > 10, case
        return done, number

    with ThreadPoolExecutor() as pool:
        return list(pool.map(one, cases))


def test_fault_that_stays(template, tmp_path):
    cases = [("rename", errno.EIO), ("scandir", errno.ESTALE)]
    for done, number in all_at_once(template, tmp_path, RUN, cases):
        assert_refused(done, FILES, os.strerror(number))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENOSYS])
def test_fault_that_is_not_tried_again(folder, number):
    done, calls = go_on(folder, part=RUN, call="fsync", number=number, expect=None)
    assert_refused(done, FILES, os.strerror(number))
    assert calls == 1


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EBADF, errno.EPERM])
def test_folder_that_cannot_be_synced(folder, template, number):
    """The first fsync is a file's, the second its folder's."""
    go_on(folder, part=RUN, call="fsync", at=2, number=number)
    assert differences(numbers(folder / RUN), numbers(template / "expected")) == []


def test_images_that_cannot_be_read(template, tmp_path):
    """They are there: nobody needs to fetch them."""
    cases = [(call, number) for call in ("stat", "open", "pread")
             for number in (errno.EBUSY, errno.ESTALE)]
    for done, number in all_at_once(template, tmp_path, "faulty-images", cases):
        assert_refused(done, DATA, os.strerror(number), "check that disk")
        assert "fetch" not in done.text


def test_configuration_that_cannot_be_read(folder):
    done, calls = go_on(folder, part="small.ini", call="open", count=0, expect=None)
    assert_refused(done, USAGE, "can't read the configuration file", os.strerror(errno.EIO))
    assert calls > 10


def test_results_that_cannot_be_seen_are_not_begun_anew(folder):
    """A disk that doesn't tell whether results.h5 is there: it isn't replaced."""
    before = (folder / RUN / "results.h5").read_bytes()
    done, _ = go_on(folder, part="results.h5", call="lstat", count=0, expect=None)
    assert_refused(done, FILES, "can't look for faulty-run/results.h5")
    assert (folder / RUN / "results.h5").read_bytes() == before
