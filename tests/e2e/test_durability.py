"""What a crash of the machine may take. The program runs with a recorder of its calls under it
(tests/campaign/record.c), and their order is held to the promise: what stands under a final name is
whole, lasts, and was read back; older checkpoints go only then."""
import errno
import os
from pathlib import Path

import pytest
import support
from support import FILES, assert_refused, checkpoint_position, checkpoints, run, write_config

TESTS = Path(os.environ.get("AE_BUILD_DIR", support.ROOT / "build")) / "tests"
RUN = "kept/kept-deeper/kept-run"
OPTIONS = {"run.dir": RUN, "train.pretrain_epochs": 0, "train.epochs": 3, "output.keep": 1,
           "train.validation_images": 20, "output.checkpoint_steps": 3,
           "model.layers": "conv 4 3 relu, tconv 3 3 sigmoid"}


def recorded(folder, *arguments):
    """The calls of a run, each a list of words; what is read twice at its end is told once."""
    log = folder / "calls"
    log.unlink(missing_ok=True)
    run(folder, *arguments, ranks=None,
        variables={"LD_PRELOAD": str(TESTS / "campaign_record.so"), "AE_RECORD": str(log),
                   "AE_RECORD_FOLDER": "kept"})
    calls = [line.split() for line in log.read_text().splitlines()]
    return [call for before, call in zip([None, *calls], calls) if call != before]


def is_temporary(path):
    return ".tmp." in path


def is_checkpoint(path):
    name = os.path.basename(path)
    return name.startswith("epoch-") and name.endswith(".h5")


class Disk:
    """What of the calls so far a crash would leave, and what was done too early."""

    def __init__(self):
        self.synced, self.read_back = set(), set()  # paths whose content is so
        self.pending = {}  # names that a crash may take: why
        self.faults = []

    def need(self, right, fault):
        if not right:
            self.faults.append(fault)

    def need_nothing_pending(self, call):
        self.need(not self.pending, f"{' '.join(call)}: before {list(self.pending.values())}")
        self.pending.clear()  # each is told once

    def apply(self, call):
        getattr(self, call[0])(*call[1:])

    def create(self, path):
        if path.endswith("/.lock"):
            return
        self.need_nothing_pending(["create", path])
        self.need(is_temporary(path), f"{path} is written in its place")

    def write(self, path):
        self.synced.discard(path)
        self.read_back.discard(path)

    def fsync(self, path):
        if is_temporary(path):
            self.synced.add(path)
        self.pending = {name: why for name, why in self.pending.items()
                        if (os.path.dirname(name) or ".") != path}

    def read(self, path):
        if is_temporary(path) and path not in self.synced:
            return  # memory may answer for the disk
        if path not in self.pending:
            self.read_back.add(path)

    def rename(self, path, to):
        self.need_nothing_pending(["rename", path, to])
        self.need(is_temporary(path) or to == path + ".damaged", f"{path} becomes {to}")
        if is_temporary(path):
            self.need(path in self.synced, f"{to} takes its place before it is synced")
            self.need(path in self.read_back, f"{to} takes its place before it is read back")
        self.synced.discard(path)
        self.read_back -= {path, to}
        self.pending[to] = f"{to} lasts"

    def mkdir(self, path):
        self.need_nothing_pending(["mkdir", path])
        self.pending[path] = f"{path} lasts"

    def unlink(self, path):
        self.need_nothing_pending(["unlink", path])
        self.need(not is_checkpoint(path) or any(
            is_checkpoint(other) and checkpoint_position(Path(other)) > checkpoint_position(Path(path))
            for other in self.read_back), f"{path} goes before a newer one was read back")
        self.read_back.discard(path)


def faults(calls):
    """What is wrong with the order of the calls of a run."""
    disk = Disk()
    for call in calls:
        disk.apply(call)
    disk.need_nothing_pending(["end"])
    return disk.faults


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """The calls of a whole run, and of one that sets its newest checkpoint aside and goes on."""
    folder = tmp_path_factory.mktemp("durability")
    config = write_config(folder, OPTIONS)
    first = recorded(folder, config, "--set", "train.epochs=2")
    newest = checkpoints(folder / RUN)[-1]
    older = newest.with_name("epoch-0001.h5")
    older.write_bytes(newest.read_bytes())  # it tells of epoch 2 itself: no matter
    os.truncate(newest, 1000)
    return first, recorded(folder, config)


def test_order(record):
    for calls in record:
        assert faults(calls) == []


def test_every_kind_of_file_was_there(record):
    first, second = record
    named = {os.path.basename(call[2]) for call in first if call[0] == "rename"}
    assert named == {"results.h5", "best.h5", "model.h5", "epoch-0000-step-00003.h5",
                     "epoch-0001.h5", "epoch-0001-step-00003.h5", "epoch-0002.h5"}
    made = [call[1] for call in first if call[0] == "mkdir"]
    assert made == ["kept", "kept/kept-deeper", RUN, f"{RUN}/checkpoints"]
    assert [call for call in first if call[0] == "unlink" and is_checkpoint(call[1])]
    assert [call for call in second if call[0] == "rename" and call[2].endswith(".damaged")]


@pytest.mark.parametrize("kind", ["fsync of a file", "fsync of a folder", "read back"])
def test_what_is_left_out_is_seen(record, kind):
    """Each sync and each reading back of the record is needed."""
    for calls in record:
        left_out = 0
        for place, call in enumerate(calls):
            file = is_temporary(call[1])
            if kind == {"fsync": f"fsync of a {'file' if file else 'folder'}",
                        "read": "read back" if file else None}.get(call[0]):
                assert faults(calls[:place] + calls[place + 1:]), call
                left_out += 1
        assert left_out > 3


def test_a_checkpoint_that_is_not_read_back_is_seen(record):
    for calls in record:
        unread = [call for call in calls if call[0] != "read" or is_temporary(call[1])]
        assert any("before a newer one was read back" in fault for fault in faults(unread))


def test_a_wrong_order_is_seen(record):
    """Any two neighbours of these, the other way round."""
    first, _ = record
    swapped = set()
    for place in range(len(first) - 1):
        one, other = first[place:place + 2]
        pair = one[0], other[0]
        in_place = [call for call in (one, other) if call[0] == "read" and not is_temporary(call[1])]
        if not in_place and pair in {("write", "fsync"), ("fsync", "read"), ("read", "rename"),
                                     ("rename", "fsync"), ("mkdir", "fsync")}:
            assert faults(first[:place] + [other, one] + first[place + 2:]), (one, other)
            swapped.add(pair)
    assert len(swapped) == 5
    assert faults([["create", "kept/results.h5"]]) and faults([["rename", "kept/a.h5", "kept/b.h5"]])


def test_older_checkpoints_stay_where_the_newer_one_cannot_be_read(tmp_path):
    """It is opened to be written, to be compared, and, in its place, to be read back."""
    config = write_config(tmp_path, {**OPTIONS, "output.checkpoint_steps": 0})
    variables = {"LD_PRELOAD": str(TESTS / "campaign_faults.so"), "AE_FAULT_CALL": "open",
                 "AE_FAULT_FOLDER": "checkpoints/epoch-0002.h5", "AE_FAULT_AT": "3",
                 "AE_FAULT_ERRNO": str(errno.ENXIO)}
    done = run(tmp_path, config, ranks=None, variables=variables, expect=None)
    assert_refused(done, FILES, "can't read kept/", os.strerror(errno.ENXIO))
    assert [path.name for path in checkpoints(tmp_path / RUN)] == ["epoch-0001.h5", "epoch-0002.h5"]
