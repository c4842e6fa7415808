"""The whole program under the tool that CTest names (AE_TOOL): a sanitizer of the build, Valgrind,
or none. A report that isn't suppressed gives the program another exit code. The numbers are the
same in every build and with every MPI library: those of HASH.
"""
import os
import shutil
import signal
from pathlib import Path

import pytest
import support
from support import DONE, STOPPED, Run, epoch_line, write_config

TOOL = os.environ.get("AE_TOOL", "none")
FAULTY = os.environ.get("AE_FAULTY", str(support.ROOT / "build" / "tests" / "faulty"))

# Where one is no part of the program: what it is started with. Open MPI brings suppressions, too.
PREFIX = [] if TOOL != "valgrind" else [
    shutil.which("valgrind") or "valgrind", "--quiet", "--error-exitcode=99", "--num-callers=40",
    "--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite",
    f"--suppressions={Path(__file__).with_name('valgrind.supp')}"]

OPTIONS = {"data.train_images": 20, "data.test_images": 4, "train.batch": 8, "train.epochs": 3}
HASH = "0c8c1654804549810b8fbf6f4bf23345"

# The ranks and threads a run is begun with, and those it goes on with.
LAYOUTS = {
    "none": [((2, 1), (2, 1))],
    "asan": [((2, 1), (4, 1)), ((4, 1), (2, 1))],
    "tsan": [((1, 4), (2, 2)), ((2, 2), (1, 4))],
    "valgrind": [((2, 1), (4, 1))],
}[TOOL]

# The reference kernels are slow, so that a signal falls into the run. Under Valgrind all are.
SLOW = None if TOOL == "valgrind" else "ref"

# What the tool must say of the faults that a start of the faulty program has.
FAULTS = {
    "none": [],
    "asan": [{"overrun": "AddressSanitizer: heap-buffer-overflow"},
             {"leak": "LeakSanitizer: detected memory leaks"},
             {"overflow": "runtime error: signed integer overflow"}],
    "tsan": [{"race": "ThreadSanitizer: data race"}],
    "valgrind": [{"overrun": "Invalid write of size 4",
                  "leak": "64 bytes in 8 blocks are definitely lost",
                  "uninitialised": "depends on uninitialised value"}],
}[TOOL]

TIMEOUT_S = 300  # a start takes at most a quarter of a minute of two idle cores; a longer one hangs


def ranks_in(folder):
    """Process numbers of the ranks at work in a folder, whichever launcher started them."""
    starts = (support.PROGRAM, *PREFIX[:1])  # Debian's valgrind starts valgrind.bin
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            first_word = (path / "cmdline").read_bytes().split(b"\0")[0].decode()
            is_there = os.readlink(path / "cwd") == str(folder)
        except OSError:  # it ended meanwhile
            continue
        if is_there and first_word.startswith(starts):
            found.append(int(path.name))
    return found


@pytest.mark.parametrize("first, second", LAYOUTS, ids=str)
def test_stopped_and_gone_on(tmp_path, first, second):
    """Pictures, training, evaluation, files; a stop in the second epoch, and all of it again."""
    config = write_config(tmp_path, OPTIONS)
    program = [*PREFIX, support.PROGRAM]
    with Run(tmp_path, [config], ranks=first[0], threads=first[1], kernels=SLOW,
             program=program) as stopped:
        stopped.wait_for(epoch_line(1, 4), TIMEOUT_S)
        # To the ranks: MPICH's mpiexec (4.0) often forgets their exit code when it is signalled.
        ranks = ranks_in(tmp_path)
        assert len(ranks) == first[0]
        for pid in ranks:
            os.kill(pid, signal.SIGUSR1)
        stopped.wait(TIMEOUT_S)
    print(stopped.text)
    assert stopped.code == STOPPED
    done = support.run(tmp_path, config, ranks=second[0], threads=second[1], program=program,
                       timeout_s=TIMEOUT_S, expect=None)
    print(done.text)
    assert done.code == DONE
    assert "goes on" in done.stdout
    assert done.hash == HASH


def test_faults_are_noticed(tmp_path):
    """A faulty program, built and started as ae_dist is, fails."""
    for said_of in FAULTS:
        done = support.run(tmp_path, *said_of, program=[*PREFIX, FAULTY], timeout_s=TIMEOUT_S,
                           expect=None)
        print(done.text)
        assert done.code != DONE
        for fault, said in said_of.items():
            assert said in done.stderr, fault
