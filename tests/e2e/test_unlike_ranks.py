"""Ranks that were given different things: what must be the same on all of them is refused where it
isn't, and what needn't be changes no number."""
import os
import re
import shutil
import stat
from pathlib import Path

import pytest
from support import (MPIEXEC, PROGRAM, USAGE, VECTORS, Run, assert_refused, differences, numbers, run,
                     write_config)

HOST = os.uname().nodename.split(".")[0]


def run_unlike(folder, first, other, ranks=1, expect=None, **how):
    """The command `first` on rank 0 and `other` on `ranks` more; each a list of mpirun's and the
    program's words for it."""
    command = [MPIEXEC, "-np", "1", "--bind-to", "none", *first, ":", "-np", str(ranks), *other]
    done = Run(folder, command[1:], ranks=None, program=command[:1], **how).wait()
    assert expect is None or done.code == expect, done.tail
    return done


@pytest.fixture(scope="module")
def alike(tmp_path_factory):
    """The numbers of a run whose ranks were all given the same."""
    folder = tmp_path_factory.mktemp("alike")
    run(folder, write_config(folder))
    return numbers(folder / "run")


# ---- refused ----


@pytest.mark.parametrize("other", [
    ["--set", "optimizer.lr=0.01", "small.ini"],
    ["--quiet", "small.ini"],
    ["--check", "small.ini"],
    ["--help"],
    ["other.ini"],
    ["./small.ini"],
    [],
    ["--no-such-option", "small.ini"],
], ids=" ".join)
@pytest.mark.parametrize("odd", ["first", "last"])
def test_other_arguments(tmp_path, other, odd):
    write_config(tmp_path)
    write_config(tmp_path, {"optimizer.lr": 0.01}, "other.ini")
    words = [[PROGRAM, "small.ini"], [PROGRAM, *other]]
    done = run_unlike(tmp_path, *(words if odd == "last" else words[::-1]), ranks=2)
    assert_refused(done, USAGE, f"rank 1 on {HOST}: its arguments are not those of rank 0",
                   "give all ranks the same")
    assert not (tmp_path / "run").exists()


def test_order_of_arguments_counts(tmp_path):
    """The last value of an option is the one that is taken."""
    write_config(tmp_path)
    sets = [["--set", f"train.batch={size}"] for size in (30, 40)]
    done = run_unlike(tmp_path, [PROGRAM, *sets[0], *sets[1], "small.ini"],
                      [PROGRAM, *sets[1], *sets[0], "small.ini"])
    assert_refused(done, USAGE, "its arguments are not those of rank 0")


def test_other_arguments_of_the_bench(tmp_path):
    """Different numbers of rounds would have to wait for one another for ever."""
    bench = str(Path(PROGRAM).with_name("ae_bench"))
    words = [[bench, "--steps-only", "--rounds", rounds] for rounds in ("1", "2")]
    for other in (words[1], [bench, "--help"]):
        done = run_unlike(tmp_path, words[0], other)
        assert done.code == USAGE, done.tail
        assert done.stderr.count(f"rank 1 on {HOST}: its arguments are not those of rank 0") == 1


def other_build(folder, field, name="other_build"):
    """A program that says of itself another version or revision: its own text is changed."""
    said = run(folder, "--version", ranks=None).stdout
    old = re.search({"version": r"^ae_dist (\S+)", "revision": r"^revision\s+(\S+)"}[field], said,
                    re.M)[1].encode()
    new = old[:-1] + (b"x" if old[-1:] != b"x" else b"y")
    content = open(PROGRAM, "rb").read()
    assert old + b"\0" in content
    path = folder / name
    path.write_bytes(content.replace(old + b"\0", new + b"\0"))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path), old.decode(), new.decode()


@pytest.mark.parametrize("field", ["version", "revision"])
def test_other_build(tmp_path, field):
    """A host with a program of another source, which might make other numbers."""
    write_config(tmp_path)
    program, old, new = other_build(tmp_path, field)
    done = run_unlike(tmp_path, [PROGRAM, "small.ini"], [program, "small.ini"], ranks=2)
    assert_refused(done, USAGE, f"rank 1 on {HOST}: its program is of version ", "and rank 0's of ",
                   "install one build everywhere")
    assert done.stderr.index(new) < done.stderr.index("and rank 0's of")
    assert old in done.stderr.partition("and rank 0's of")[2]
    assert not (tmp_path / "run").exists()
    assert run(tmp_path, "--version", ranks=2, program=(program,)).code == 0  # by itself it runs


def test_kernels_that_one_rank_has_not(tmp_path):
    write_config(tmp_path)
    done = run_unlike(tmp_path, [PROGRAM, "small.ini"],
                      ["-x", "AE_KERNELS=avx1024", PROGRAM, "small.ini"])
    assert_refused(done, USAGE, f"rank 1 on {HOST}: ", "AE_KERNELS", "avx1024")


# ---- taken ----


@pytest.mark.parametrize("first, other", [("ref", VECTORS), (VECTORS, "ref")])
def test_other_kernels(tmp_path, alike, first, other):
    """All take the slowest that a rank names, and the numbers are the same anyway."""
    write_config(tmp_path)
    words = [["-x", f"AE_KERNELS={kernels}", PROGRAM, "small.ini"] for kernels in (first, other)]
    done = run_unlike(tmp_path, *words, expect=0)
    assert done.stdout.count("; kernels ref\n") == 1
    assert differences(numbers(tmp_path / "run"), alike) == []


def test_other_threads(tmp_path, alike):
    write_config(tmp_path)
    words = [["-x", f"OMP_NUM_THREADS={threads}", PROGRAM, "small.ini"] for threads in (1, 3)]
    done = run_unlike(tmp_path, *words, expect=0)
    assert "(4 in all)" in done.stdout
    assert differences(numbers(tmp_path / "run"), alike) == []


def test_a_copy_of_the_program(tmp_path, alike):
    """Under another name and path; it is the same source."""
    write_config(tmp_path)
    copy = shutil.copy(PROGRAM, tmp_path / "copy")
    run_unlike(tmp_path, [PROGRAM, "small.ini"], [copy, "small.ini"], expect=0)
    assert differences(numbers(tmp_path / "run"), alike) == []


@pytest.mark.parametrize("content", [None, "[train]\nbatch = 7\n", "no configuration"],
                         ids=["missing", "another", "broken"])
def test_other_configuration_file(tmp_path, alike, content):
    """Rank 0 reads it, for all."""
    write_config(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    if content:
        (tmp_path / "elsewhere" / "small.ini").write_text(content)
    run_unlike(tmp_path, [PROGRAM, "small.ini"],
               ["-wdir", str(tmp_path / "elsewhere"), PROGRAM, "small.ini"], expect=0)
    assert differences(numbers(tmp_path / "run"), alike) == []
    assert not (tmp_path / "elsewhere" / "run").exists()
