"""What the sources may not hold, how long they may be, and what lies in the top folder."""
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from source_tree import ROOT, git_files

TOP = set("CMakeLists.txt CMakePresets.json LICENSE README.md analysis configs include jobs src "
          "tests".split())
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 80
BUILD_FILES = ("CMakeLists.txt", "CMakePresets.json")

FAST_MATH = re.compile(r"(?<!-fno-)fast-math|\bOfast\b|(?<!-fno-)unsafe-math")
REDUCTION = re.compile(r"#\s*pragma\s+omp\b[^\n]*(?:\\\n[^\n]*)*\breduction\s*\(")
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:home|root|work|mnt|Users)/")
FUNCTION_BEGIN = re.compile(r"^[A-Za-z_][^;={]*\([^;={]*\)[^;={]*\{$")
# One hand: a status is compared with AE_OK, and a loop's last word is ++i.
BARE_STATUS = re.compile(r"\b(?:if|while) \(!?status(?:\)| \|\|| &&)")
POSTFIX = re.compile(r"\bfor \([^;{}]*;[^;{}]*;[^;{}()]*\w(?:\+\+|--)\)")


def read_all(keep):
    """The text of each tracked or new file that `keep` wants, by its name."""
    texts = {str(path): (ROOT / path).read_text() for path in git_files("--others") if keep(path)}
    assert texts
    return texts


def is_build_file(path):
    return path.name in BUILD_FILES or path.suffix == ".cmake"


def is_c(path):
    return path.suffix in (".c", ".h")


def is_text(path):
    return path.suffix not in (".h5", ".png", ".jpg", ".tif", ".bin", ".gz")


def is_script(path):
    return path.suffix in (".py", ".sh", ".sbatch") or path.parts[0] == ".ci"


def found(pattern, texts):
    """The places of a pattern, "file:line" each."""
    return [f"{name}:{text.count(chr(10), 0, match.start()) + 1}" for name, text in texts.items()
            for match in pattern.finditer(text)]


def too_long(texts):
    return [name for name, text in texts.items() if text.count("\n") > FILE_LINES_MAX]


def long_functions(texts):
    """Functions over the limit, "file:line" each, in code as clang-format leaves it: a function
    begins with a line, or several, that end in "{", and ends with a "}" that isn't indented."""
    places = []
    for name, text in texts.items():
        lines = text.split("\n")
        head = begin = None
        for number, line in enumerate(lines):
            if begin is not None:
                if line.startswith("}"):
                    if number - begin + 1 > FUNCTION_LINES_MAX:
                        places.append(f"{name}:{begin + 1}")
                    head = begin = None
            elif re.match(r"[A-Za-z_]", line):
                head = number
            if begin is None and head is not None and line.endswith("{"):
                if FUNCTION_BEGIN.match(" ".join(lines[head:number + 1])):
                    begin = head
                head = None
    return places


def without_sentence(texts):
    """Files that open neither with a comment nor, if .c, with the header of their name."""
    return [name for name, text in texts.items() if not text.startswith("/*") and
            not re.match(rf'#include "(?:\w+/)*{re.escape(Path(name).stem)}\.h"\n', text)]


def without_comments(texts):
    return {name: re.sub("#.*", "", text) for name, text in texts.items()}


def test_no_fast_math():
    assert found(FAST_MATH, without_comments(read_all(is_build_file))) == []
    assert found(FAST_MATH, read_all(is_c)) == []
    assert found(FAST_MATH, without_comments(  # tests spoil builds on purpose
        read_all(lambda path: is_script(path) and "tests" not in path.parts))) == []


def test_no_reduction_clause():
    # One of integers would do no harm; there is none either, so that this needs no types.
    assert found(REDUCTION, read_all(is_c)) == []


def test_one_hand():
    assert found(BARE_STATUS, read_all(is_c)) == []
    assert found(POSTFIX, read_all(is_c)) == []


def test_files_open_with_a_sentence():
    assert without_sentence(read_all(lambda path: is_c(path) and path.parts[0] != "tests")) == []


def test_no_machine_paths():
    assert found(MACHINE_PATH, read_all(is_text)) == []


def test_lengths():
    assert too_long(read_all(lambda path: is_c(path) or is_script(path) or is_build_file(path))) == []
    assert long_functions(read_all(is_c)) == []


def test_top_folder():
    tops = {path.parts[0] for path in git_files()}
    assert {name for name in tops if not name.startswith(".")} <= TOP


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_scripts_parse(shell):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is missing")
    begins = {"sh": ("#!/bin/sh", "# "), "bash": ("#!/bin/bash", "#!/usr/bin/env bash")}[shell]
    scripts = [path for path in git_files("--others")
               if (path.suffix in (".sh", ".sbatch") or path.parts[0] == ".ci")
               and (ROOT / path).read_text().startswith(begins)]
    assert len(scripts) >= 2
    for path in scripts:
        done = subprocess.run([shell, "-n", path], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, f"{path}: {done.stderr}"


# ---- each check sees what it looks for (paths are in pieces, lest they be found here) ----


@pytest.mark.parametrize("pattern, bad, good", [
    (FAST_MATH, 'set(CMAKE_C_FLAGS "-O3 -ffast-math")', 'set(CMAKE_C_FLAGS "-O3")'),
    (FAST_MATH, '#pragma GCC optimize("Ofast")', '#pragma GCC unroll 8'),
    (FAST_MATH, "set(flags -funsafe-math-optimizations)",
     "set(flags -fno-unsafe-math-optimizations -fno-fast-math)"),
    (REDUCTION, "#pragma omp parallel for reduction(+ : sum)", "#pragma omp parallel for"),
    (REDUCTION, "#pragma omp parallel for \\\n    reduction(+ : sum)", "/* a reduction (of sums) */"),
    (BARE_STATUS, "if (status) return status;", "if (status != AE_OK) return status;"),
    (BARE_STATUS, "if (status || *stop)", "if (status == AE_OK || *stop)"),
    (BARE_STATUS, "while (!status && more)", "while (status == AE_OK && more)"),
    (POSTFIX, "for (int i = 0; i < count; i++)", "for (int i = 0; i < count; ++i) a[i++] = 1;"),
    (MACHINE_PATH, "cd /ho" "me/someone/ae_dist", "cd build/home/x"),
    (MACHINE_PATH, 'open("/wo' 'rk/data")', "/usr/share/data"),
])
def test_bad_text_is_found(pattern, bad, good):
    assert found(pattern, {"x": "\n" + bad + "\n"}) == ["x:2"]
    assert found(pattern, {"x": "\n" + good + "\n"}) == []


def test_file_without_sentence_is_found():
    texts = {"src/a/b.c": '#include "a/b.h"\n', "src/a/c.c": '#include "a/b.h"\n',
             "src/a/d.c": "/* Says it. */\n#include <errno.h>\n", "a/e.h": "#ifndef AE_E_H\n"}
    assert without_sentence(texts) == ["src/a/c.c", "a/e.h"]


def test_long_file_is_found():
    texts = {"a": "x\n" * FILE_LINES_MAX, "b": "x\n" * (FILE_LINES_MAX + 1)}
    assert too_long(texts) == ["b"]


def test_long_function_is_found():
    def function(lines):
        return "static int f(int a,\n             int b) {\n" + "    a++;\n" * (lines - 3) + "}\n"
    texts = {"a": "\n" + function(FUNCTION_LINES_MAX), "b": "\n" + function(FUNCTION_LINES_MAX + 1),
             "c": "static const int t[] = {\n" + "    1,\n" * FUNCTION_LINES_MAX + "};\n"}
    assert long_functions(texts) == ["b:2"]


def test_functions_are_seen_at_all():
    global FUNCTION_LINES_MAX
    limit, FUNCTION_LINES_MAX = FUNCTION_LINES_MAX, 0
    try:
        assert len(long_functions(read_all(is_c))) > 300
    finally:
        FUNCTION_LINES_MAX = limit
