"""The campaign of small faults, on a tree of one program and one test that takes no time."""
import json
import signal
import subprocess
import sys
import time

import pytest
import support

sys.path.insert(0, str(support.ROOT / "tests" / "campaign"))

from mutations import read_list

SCRIPT = support.ROOT / "tests" / "campaign" / "mutate.py"
TREE = {
    "CMakeLists.txt": """
cmake_minimum_required(VERSION 3.25)
project(tiny C)
include(CTest)
add_executable(tiny src/base/tiny.c)
add_test(NAME unit.tiny COMMAND tiny)
add_test(NAME unit.broken COMMAND false)
""",
    "src/base/tiny.c": """
#include <stdio.h>

static int smaller(int a, int b) {
    return a < b ? a : b;
}

int main(void) {
    int left = 3;
    while (left > 0) --left;
    puts("counted down");
    return smaller(1, 2) == 1 ? 0 : 1;
}
""",
}
LIST = """
# A comment.
src/base/tiny.c: the larger one
- a < b ? a : b
+ b < a ? a : b

src/base/tiny.c: counts for ever
- while (left > 0) --left;
+ while (left > 0) puts("left");

src/base/tiny.c: says something else
- "counted down"
+ "counted"

src/base/tiny.c: nothing is different
- == 1 ? 0 : 1;
+ != 1;

src/base/tiny.c: a line is left out, and it doesn't compile
-     int left = 3;

src/base/tiny.c: there are two
- return
+ exit
"""
OUTCOMES = ["noticed", "noticed", "not noticed", "without effect", "doesn't compile",
            "isn't there once"]


@pytest.fixture
def tree(tmp_path):
    for name, text in TREE.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "list").write_text(LIST)
    return tmp_path


def command(folder, *arguments):
    return [sys.executable, str(SCRIPT), "--tree", str(folder / "tree"), "--work",
            str(folder / "work"), "--list", str(folder / "list"), "--limit", "1", *arguments]


def mutate(folder, *arguments):
    done = subprocess.run(command(folder, *arguments), capture_output=True, text=True,
                          timeout=support.TIMEOUT_S)
    return done, done.stdout + done.stderr


def records(folder):
    path = folder / "work" / "results.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def test_outcomes(tree):
    done, text = mutate(tree, "--jobs", "1")
    found = records(tree)
    assert [record["outcome"] for record in found] == OUTCOMES, text
    assert [record["by"] for record in found] == ["unit.tiny"] * 2 + [None] * 4
    assert found[1]["how"] == "timed out"
    assert f"{'base':<12}{4:>8}{2:>9}{1:>6}{1:>16}" in text and done.returncode == 1
    assert "not noticed: src/base/tiny.c: says something else" in text
    assert "isn't there once: src/base/tiny.c: there are two" in text
    assert "fail without any fault: unit.broken" in text
    assert (tree / "work" / "0" / "tree" / "src/base/tiny.c").read_text() == \
        TREE["src/base/tiny.c"], "the fault is still there"


def test_all_is_well(tree):
    """Without what is wrong with the list and the tests."""
    (tree / "tree" / "CMakeLists.txt").write_text(TREE["CMakeLists.txt"].replace("false", "true"))
    done, text = mutate(tree, "--only", "larger|different")
    assert done.returncode == 0 and len(records(tree)) == 2, text


def test_goes_on_where_it_was(tree):
    with open(tree / "log", "w") as log:
        run = subprocess.Popen(command(tree), stdout=log, stderr=subprocess.STDOUT)
    end_s = time.monotonic() + support.TIMEOUT_S
    while not records(tree) and run.poll() is None and time.monotonic() < end_s:
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    before = records(tree)
    assert 0 < len(before) < len(OUTCOMES), (tree / "log").read_text()
    mutate(tree)
    found = records(tree)
    assert found[:len(before)] == before, "one was judged again"
    assert sorted(record["outcome"] for record in found) == sorted(OUTCOMES)
    mutate(tree, "--again")
    assert [record["outcome"] for record in records(tree)[len(OUTCOMES):]] == ["not noticed"]


def test_faults_by_rule(tree):
    """As many as are asked for compile; they are the same for the same seed, and the tree's."""
    (tree / "list").write_text("")
    chosen = []
    for number, seed in enumerate(("1", "1", "2")):
        _, text = mutate(tree, "--rule-faults", "4", "--seed", seed, "--jobs", "1", "--work",
                         str(tree / "work" / str(number)))
        lines = (tree / "work" / str(number) / "results.jsonl").read_text().splitlines()
        found = [json.loads(line) for line in lines]
        assert sum(record["outcome"] != "doesn't compile" for record in found) == 4, text
        assert {record["file"] for record in found} == {"src/base/tiny.c"}
        chosen.append([record["what"] for record in found])
    assert chosen[0] == chosen[1] != chosen[2]


def test_bad_list(tree):
    (tree / "list").write_text("src/base/tiny.c: what\n* old\n")
    done, text = mutate(tree)
    assert done.returncode == 1 and "'* old'" in text


def test_the_list_fits_the_source():
    """The text that each fault of the project's own list replaces stands once in its file."""
    faults = list(read_list(SCRIPT.with_name("mutations.txt")))
    unfit = [f"{fault.file}: {fault.old}" for fault in faults
             if fault.put_into((support.ROOT / fault.file).read_text()) is None]
    assert not unfit and len(faults) > 100
    assert faults[0].put_into("another text") is None
