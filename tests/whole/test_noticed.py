"""The tool would notice: a program with a fault, built and started as ae_dist is, fails under it."""
import os

import pytest
from support import DONE, run
from tool import PREFIX, TIMEOUT_S, TOOL

PROGRAM = [*PREFIX, os.environ["AE_FAULTY"]]

# What the tool says of each fault; of none, and of the MPI library, it says nothing.
FAULTS = {"none": None, **{
    "none": {},
    "asan": {"overrun": "AddressSanitizer: heap-buffer-overflow",
             "leak": "LeakSanitizer: detected memory leaks",
             "overflow": "runtime error: signed integer overflow"},
    "tsan": {"race": "ThreadSanitizer: data race"},
    "valgrind": {"overrun": "Invalid write of size 4",
                 "leak": "64 bytes in 8 blocks are definitely lost",
                 "uninitialised": "depends on uninitialised value"},
}[TOOL]}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault(tmp_path, fault):
    done = run(tmp_path, fault, program=PROGRAM, timeout_s=TIMEOUT_S, expect=None)
    print(done.text)
    if fault == "none":
        assert done.code == DONE
        assert done.stdout == "made: none\n"
    else:
        assert done.code != DONE
        assert FAULTS[fault] in done.stderr
