"""The tool that a build, or a start, is under; CTest names it (AE_TOOL)."""
import os
import shutil
from pathlib import Path

TOOL = os.environ.get("AE_TOOL", "none")

VALGRIND = [shutil.which("valgrind") or "valgrind", "--quiet", "--error-exitcode=99",
            "--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite",
            "--num-callers=40",
            f"--suppressions={Path(__file__).with_name('valgrind.supp')}"]

# What starts a program under the tool; those that are built in need nothing.
PREFIX = VALGRIND if TOOL == "valgrind" else []
TIMEOUT_S = 300  # of a run, which takes at most half a minute; a longer one hangs
