"""bench_pytorch.py without PyTorch: what it says of what is missing, and that ae_dist's part runs;
and with it, where it is installed. Times aren't judged."""
import importlib.util
import json
import statistics
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


SMALL = {"data.size": 20, "data.patch": 16, "data.train_images": 40, "data.test_images": 1,
         "train.batch": 10, "model.output": "residual",
         "model.layers": "conv 4 3 relu same as a, maxpool, tconv 4 2 leaky:0.1 stride2, add a, "
                         "concat a, unshuffle, shuffle, conv 3 3 none same"}


def bench(folder, *arguments, torch=STUB, timeout_s=100, **variables):
    """Runs the script with `torch` as the text of the module of that name; None: the real one."""
    if torch is not None:
        modules = folder / "modules"
        modules.mkdir()
        (modules / "torch.py").write_text(torch)
        variables = {"PYTHONPATH": str(modules), **variables}
    return subprocess.run([sys.executable, SCRIPT, "--ae-dist", support.PROGRAM, *arguments],
                          cwd=folder, env=support.environment(None, variables=variables), text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s)


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
    ("--all", "small.ini", "leave CONFIG out"),
    ("small.ini", "--data=somewhere", "--data and --images are for the reference network"),
    ("--all", "--images=100", "--data and --images are for the reference network"),
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


@pytest.mark.parametrize("arguments, told", [
    (["nowhere.ini"], "can't read the configuration file nowhere.ini"),
    (["--set", "train.batches=1"], "unknown key batches in [train]"),
    (["small.ini", "--set", "model.layers=conv 3"], "--set model.layers: layer 1"),
])
def test_what_ae_bench_refuses(tmp_path, arguments, told):
    support.write_config(tmp_path, SMALL)
    assert_refused(bench(tmp_path, "--cores", "1", *arguments), 1, "ae_dist: error: ", told)


def test_frameworks_that_are_not_installed(tmp_path):
    """With a stub of PyTorch, which reads the layers for all, what is there is skipped too."""
    missing = [name for name in ("jax", "tensorflow") if not importlib.util.find_spec(name)]
    if not missing:
        pytest.skip("JAX and TensorFlow are installed")
    done = bench(tmp_path, support.write_config(tmp_path, SMALL), "--cores", "1", "--variants",
                 "compiled,jax,tensorflow")
    for name in missing:
        assert f"skipped {name}: not installed\n" in done.stderr
    if len(missing) == 2:
        assert_refused(done, 1, "no variant of PyTorch is left")


def check_report(found, variants, rounds):
    """What can't be in the report, by name."""
    results = found["results"]
    ours = results["ae_dist"]["images_per_s"]
    wrong = {"variants": results.keys() != {"ae_dist", *variants},
             "rounds": any(len(result["images_per_s"]) != rounds for result in results.values()),
             "rates": min(min(result["images_per_s"]) for result in results.values()) <= 0,
             "peak": not 0 < statistics.median(results["ae_dist"]["of_peak"]) < 4,
             "ratios": any(abs(ratio - mine / its) > 1e-9 * ratio for result in results.values()
                           for ratio, mine, its in zip(result["ratio"], ours,
                                                       result["images_per_s"]))}
    return [name for name, is_wrong in wrong.items() if is_wrong]


def test_any_network_beside_pytorch(tmp_path):
    """And beside TensorFlow and JAX, where they are."""
    pytest.importorskip("torch", reason="PyTorch is not installed")
    others = [name for name in ("tensorflow", "jax") if importlib.util.find_spec(name)]
    done = bench(tmp_path, support.write_config(tmp_path, SMALL), "--set", "train.batch=20",
                 "--cores", "1", "--rounds", "2", "--seconds", "0.2", "--json", "report.json",
                 "--variants", ",".join(["eager", *others]), torch=None, timeout_s=400)
    assert done.returncode == 0, done.stderr
    networks = json.loads((tmp_path / "report.json").read_text())["networks"]
    assert list(networks) == ["small"]
    found = networks["small"]
    assert found["network"] == SMALL["model.layers"] and found["skipped"] == {}
    assert check_report(found, ["eager", *others], 2) == []
    assert check_report(found, ["eager", "compiled"], 2) == ["variants"]
    results = {**found["results"], "eager": {"images_per_s": [1, 1], "ratio": [1, 1]}}
    assert check_report({"results": results}, ["eager", *others], 2) == ["ratios"]
    for name in ("ae_dist", "eager", *others):
        assert f"\n{name} " in done.stdout
