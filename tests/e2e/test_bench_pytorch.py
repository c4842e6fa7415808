"""bench_pytorch.py without PyTorch: what it says of what is missing, and that ae_dist's part runs.
Times aren't judged."""
import subprocess
import sys

import pytest

import support

SCRIPT = support.ROOT / "analysis" / "bench_pytorch.py"
# Enough of PyTorch to begin with.
STUB = """
__version__ = "0"
class nn:
    Module = object
def set_flush_denormal(on):
    raise RuntimeError("this is a stub\\nof PyTorch")
"""


def bench(folder, *arguments, torch=STUB, **variables):
    """Runs the script with `torch` as the text of the module of that name."""
    modules = folder / "modules"
    modules.mkdir()
    (modules / "torch.py").write_text(torch)
    variables = {"PYTHONPATH": str(modules), **variables}
    return subprocess.run([sys.executable, SCRIPT, "--ae-dist", support.PROGRAM, *arguments],
                          cwd=folder, env=support.environment(None, variables=variables), text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=100)


def assert_refused(done, code, *fragments):
    """It left with the code, and its last line holds the fragments."""
    assert done.returncode == code, done.stderr
    assert done.stdout == "" and "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("bench_pytorch.py: ")
    for fragment in fragments:
        assert fragment in last, done.stderr


def test_without_pytorch(tmp_path):
    done = bench(tmp_path, torch="raise ImportError(\"No module named 'torch'\")")
    assert_refused(done, 1, "No module named 'torch'", "pip install", "apt install python3-torch")
    assert done.stderr.count("\n") == 1


def test_without_program(tmp_path):
    assert_refused(bench(tmp_path, "--ae-dist", "nowhere"), 1, "no program nowhere", "--ae-dist")


def test_without_mpirun(tmp_path):
    assert_refused(bench(tmp_path, PATH=str(tmp_path)), 1, "no mpirun")


@pytest.mark.parametrize("option, value, fragment", [
    ("--images", "150", "multiple of 100"),
    ("--images", "50100", "up to 50000"),
    ("--rounds", "0", "above 0"),
    ("--cores", "0", "--cores"),
    ("--variants", "eager,fast", "ddp-compiled"),
])
def test_bad_option(tmp_path, option, value, fragment):
    assert_refused(bench(tmp_path, option, value), 2, fragment)


def test_without_images(tmp_path):
    done = bench(tmp_path, "--data", "nowhere", "--cores", "1")
    assert_refused(done, 1, "data folder 'nowhere' does not exist")


@pytest.mark.parametrize("variants, reason", [
    ("eager", "this is a stub"),
    ("compiled,ddp-compiled", "no variant of PyTorch is left"),
])
def test_variant_that_fails(tmp_path, variants, reason):
    # PyTorch comes after ae_dist, which has trained by then.
    done = bench(tmp_path, "--variants", variants, "--cores", "1", "--images", "1000")
    assert_refused(done, 1, reason)
    for name in variants.split(","):
        skipped = f"skipped {name}: this is a stub\n"
        assert (skipped in done.stderr) == ("compiled" in name)
