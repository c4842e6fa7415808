"""The scripts that begin from nothing, for a user who can't install what is missing."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support import ROOT

SCRIPTS = ["jobs/local.sh", "jobs/scaling.sh", "jobs/simulate.sh", "tests/run.sh"]
TOOLS = "sh awk cat dirname env getconf grep mkdir mktemp nproc rm".split()
HIDDEN = ["gcc", "cmake", "openmpi-bin", "libxxhash-dev"]  # among others


@pytest.fixture
def machine(tmp_path):
    """A copy of the scripts, and a PATH that has little but what every system has."""
    (tmp_path / "bin").mkdir()
    for name in TOOLS:
        if shutil.which(name):
            (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    for script in [*SCRIPTS, "jobs/setup.sh"]:
        (tmp_path / "top" / script).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / script, tmp_path / "top" / script)
    (tmp_path / "tmp").mkdir()
    return tmp_path


def add_command(machine, name, text):
    """A command that leaves a line in the file `calls`."""
    path = machine / "bin" / name
    path.write_text(f'#!/bin/sh\necho "{name} $*" >>{machine}/calls\n{text}\n')
    path.chmod(0o755)


def calls(machine):
    path = machine / "calls"
    return path.read_text().splitlines() if path.exists() else []


def start(machine, script):
    return subprocess.run(["sh", machine / "top" / script], cwd="/", text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=60, start_new_session=True,
                          env={"PATH": str(machine / "bin"), "TMPDIR": str(machine / "tmp"),
                               "HOME": str(machine)})


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))


def assert_says_what_is_missing(machine, script):
    """Exit code 1, the missing packages once, and nothing left of the attempt."""
    before = files(machine / "top")
    done = start(machine, script)
    assert done.returncode == 1, done.stdout + done.stderr
    line = [line for line in done.stderr.splitlines() if "missing: " in line]
    assert len(line) == 1, done.stderr
    missing = line[0].partition("missing: ")[2].split()
    assert set(HIDDEN) <= set(missing) and len(missing) == len(set(missing)), missing
    assert ("libcmocka-dev" in missing) == (script == "tests/run.sh")
    assert ("libsimgrid-dev" in missing) == (script == "jobs/simulate.sh")
    assert done.stdout == ""
    assert files(machine / "top") == before and files(machine / "tmp") == []
    return done.stderr


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("sudo", [None, "exit 1"], ids=["no sudo", "sudo refuses"])
def test_no_root(machine, script, sudo):
    add_command(machine, "id", "echo 1000")
    add_command(machine, "apt-get", "")
    if sudo:
        add_command(machine, "sudo", sudo)
    said = assert_says_what_is_missing(machine, script)
    assert "As root, get them with" in said and "apt-get install --no-install-recommends gcc" in said
    assert not [call for call in calls(machine) if call.startswith("apt-get")]


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_apt(machine, script):
    add_command(machine, "id", "echo 0")
    said = assert_says_what_is_missing(machine, script)
    assert "Needed in all: a C11 compiler with OpenMP" in said and "apt-get" not in said


def test_root_installs(machine):
    """What the tests above find not to be done is done by root."""
    add_command(machine, "id", "echo 0")
    add_command(machine, "apt-get", "exit 1")
    done = start(machine, "jobs/local.sh")
    assert done.returncode == 1 and "== installing gcc" in done.stdout, done.stdout + done.stderr
    made = calls(machine)
    assert any(call.endswith(" update") for call in made), made
    assert any(" install " in call and " cmake " in call for call in made), made


# ---- cores ----


@pytest.mark.parametrize("quotas, cores", [
    ("max 100000", 8), ("-1 100000", 8), ("", 8), ("800001 100000", 8), ("799999 100000", 7),
    ("150000 100000", 1), ("50000 100000", 1), ("1000 100000", 1), ("max 100000\n250000 100000", 2)])
def test_cores_by_quota(tmp_path, quotas, cores):
    """Those that it has the time of, and one at least; the smallest of several quotas counts."""
    (tmp_path / "quotas").write_text(quotas)
    script = (f". {ROOT}/jobs/setup.sh; ae_quotas() {{ cat quotas; }}; nproc() {{ echo 8; }}; "
              "env() { echo 8; }; ae_count_cores; echo $AE_CORES")
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, text=True, capture_output=True)
    assert done.stdout == f"{cores}\n", done.stdout + done.stderr


def test_hidden_tools_are_hidden(machine):
    assert not os.path.exists(machine / "bin" / "cc")
    assert files(machine / "top") == sorted({str(parent) for script in [*SCRIPTS, "jobs/setup.sh"]
                                             for parent in (Path(script), Path(script).parent)})
