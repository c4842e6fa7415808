"""All C is as clang-format leaves it, with the rules of .clang-format."""
import re
import shutil
import subprocess

import pytest

from source_tree import ROOT, c_files

VERSION = 14  # others lay out some code differently


@pytest.fixture(scope="module")
def clang_format():
    found = []
    for name in (f"clang-format-{VERSION}", "clang-format"):
        if shutil.which(name):
            text = subprocess.run([name, "--version"], check=True, capture_output=True,
                                  text=True).stdout
            found.append(int(re.search(r"version (\d+)", text)[1]))
            if found[-1] == VERSION:
                return name
    pytest.skip(f"clang-format {VERSION} is missing; found {found or 'none'}")


def misformatted(clang_format, paths, cwd):
    """The complaints of clang-format, "" where there are none."""
    return subprocess.run([clang_format, "--dry-run", "-Werror", "--style=file", *map(str, paths)],
                          cwd=cwd, capture_output=True, text=True).stderr


def test_format(clang_format):
    files = c_files()
    assert len(files) > 50
    assert misformatted(clang_format, files, ROOT) == ""


def test_bad_format_is_seen(clang_format, tmp_path):
    shutil.copy(ROOT / ".clang-format", tmp_path)
    (tmp_path / "good.c").write_text("int main(void) {\n    return 0;\n}\n")
    (tmp_path / "bad.c").write_text("int main(void)\n{\n  return 0;\n}\n")
    assert misformatted(clang_format, ["good.c"], tmp_path) == ""
    assert "bad.c" in misformatted(clang_format, ["good.c", "bad.c"], tmp_path)
