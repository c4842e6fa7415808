"""Each header compiles by itself, with the flags of the build."""
import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from source_tree import ROOT, git_files


def find_flags():
    """Compiler and flags of a file that sees all libraries, and of the kernels by path's name."""
    folders = [os.environ.get("AE_BUILD_DIR"), Path.cwd().parent, Path.cwd(), ROOT / "build"]
    for folder in folders:
        path = folder and Path(folder) / "compile_commands.json"
        if path and path.is_file():
            break
    else:
        pytest.skip("no compile_commands.json: run from CTest, or configure build/ first")
    flags = {}
    for entry in json.loads(path.read_text()):
        words = shlex.split(entry["command"])
        keep = [words[0]] + [word for i, word in enumerate(words) if
                             word.startswith(("-I", "-D", "-m", "-f", "-std", "-isystem"))
                             or words[i - 1] in ("-I", "-isystem")]
        source = entry["file"]
        if source.endswith("src/main.c"):
            flags["main"] = keep
        kernels = re.search(r"\bae_kernels_(\w+)\.dir", entry["command"])
        if kernels:
            flags[kernels[1]] = keep
    return flags


def compile_alone(flags, header):
    """The compiler's complaints about a file that includes the header alone."""
    done = subprocess.run([*flags, f"-I{ROOT / 'src'}", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                           "-Wno-unused-function", "-fsyntax-only", "-xc", "-"],
                          input=f'#include "{header}"\n', capture_output=True, text=True)
    return done.stderr if done.returncode else ""


def test_headers_stand_alone():
    flags = find_flags()
    headers = [path for path in git_files("--others")
               if path.suffix == ".h" and path.parts[0] in ("include", "src")]
    assert len(headers) > 20
    wrong = []
    for path in headers:
        kind = path.stem.removeprefix("simd_") if path.stem.startswith("simd_") else "main"
        kind = "avx2" if kind == "x86" else kind
        if kind in flags:
            wrong.append(compile_alone(flags[kind], ROOT / path))
    assert "".join(wrong) == ""


def test_incomplete_header_is_seen(tmp_path):
    flags = find_flags()["main"]
    (tmp_path / "good.h").write_text("#include <stdint.h>\nint64_t f(void);\n")
    (tmp_path / "bad.h").write_text("int64_t f(void);\n")
    assert compile_alone(flags, tmp_path / "good.h") == ""
    assert "int64_t" in compile_alone(flags, tmp_path / "bad.h")


def test_an_option_that_is_not_in_the_table_does_not_compile(tmp_path):
    flags = find_flags()["main"]
    for name, good in (("model, layers", True), ("model, layer", False), ("moddel, layers", False)):
        (tmp_path / "where.h").write_text('#include "config/config.h"\n'
                                          "static const char *f(const ae_config *config) {\n"
                                          f"    return ae_config_where(config, AE_OPTION({name}));\n"
                                          "}\n")
        complaint = compile_alone(flags, tmp_path / "where.h")
        assert complaint == "" if good else "undeclared" in complaint
