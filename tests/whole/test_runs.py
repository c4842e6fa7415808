"""Runs of the whole program under the tool: what they say comes from the library or is a fault.

The numbers are the same in every build, with every MPI library: those of HASH.
"""
import pytest
import support
from support import DONE, STOPPED, epoch_line, stop_at, write_config
from tool import PREFIX, TIMEOUT_S, TOOL

OPTIONS = {"data.train_images": 20, "data.test_images": 4, "train.batch": 8, "train.epochs": 3}
HASH = "0c8c1654804549810b8fbf6f4bf23345"

# The ranks and threads a run is begun with, and those it goes on with.
LAYOUTS = {
    "none": [((2, 1), (2, 1))],
    "asan": [((2, 1), (4, 1)), ((4, 1), (2, 1))],
    "tsan": [((1, 4), (2, 2)), ((2, 2), (1, 4))],
    "valgrind": [((2, 1), (2, 1))],
}[TOOL]

# The reference kernels are slow, so that a signal falls into the run. Under Valgrind all are.
KERNELS = None if TOOL == "valgrind" else "ref"


@pytest.mark.parametrize("first, second", LAYOUTS, ids=str)
def test_stopped_and_gone_on(tmp_path, first, second):
    """Pictures, training, evaluation, files; a stop in the second epoch, and all of it again."""
    config = write_config(tmp_path, OPTIONS)
    program = [*PREFIX, support.PROGRAM]
    stopped = stop_at(tmp_path, [config], epoch_line(1, 4), ranks=first[0], threads=first[1],
                      kernels=KERNELS, program=program)
    print(stopped.text)
    assert stopped.code == STOPPED
    done = support.run(tmp_path, config, ranks=second[0], threads=second[1], program=program,
                       timeout_s=TIMEOUT_S, expect=None)
    print(done.text)
    assert done.code == DONE
    assert "goes on" in done.stdout
    assert done.hash == HASH
