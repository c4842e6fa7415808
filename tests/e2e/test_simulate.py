"""jobs/simulate.sh on few ranks and with measurements that are given: its file explains itself, its
times add up, more ranks compute less and reduce longer, and what is trained has the bits of the
program on a real rank."""
import json
import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
import support

SCRIPT = support.ROOT / "jobs" / "simulate.sh"
IMAGE_S, UPDATE_S = 100e-6, 10e-6
RANKS = [4, 32]  # of one node and of two, whose sums go different ways
MESSAGE = 8 * 1617


def measurement(batch, **changes):
    """What ae_bench would write of a core that takes IMAGE_S and UPDATE_S."""
    return {"time": "2026-01-01T00:00:00+0000", "version": "0", "revision": "0",
            "processor": "none", "kernels": "ref", "network": "conv", "threads": 1, "block": 1,
            "message_bytes": MESSAGE, "batch": batch,
            "images_per_s": batch / (batch * IMAGE_S + UPDATE_S), **changes}


def write_measured(folder, *runs):
    folder.mkdir()
    for number, run in enumerate(runs):
        (folder / f"{number}.json").write_text(json.dumps(run))
    return folder


def run_script(out, measured, expect=0):
    env = support.environment(None, variables={
        "RANKS": " ".join(map(str, RANKS)), "MEASURED": str(measured), "OUT": str(out),
        "PYTHON": sys.executable})
    done = subprocess.run(["sh", SCRIPT], env=env, text=True, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=800)  # a build, on a machine at work
    assert done.returncode == expect, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The file of a study, open, and what the script said."""
    if not (shutil.which("smpicc") and shutil.which("smpirun")):
        pytest.skip("SimGrid (libsimgrid-dev) is not installed")
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    folder = tmp_path_factory.mktemp("simulate")
    slower = measurement(100, images_per_s=1)  # another measurement was faster
    measured = write_measured(folder / "measured", slower, measurement(1), measurement(100))
    told = run_script(folder / "out", measured).stdout
    assert sorted(os.listdir(folder / "out")) == ["figures", "simulate.h5"]
    assert (folder / "out/figures/simulation.png").read_bytes().startswith(b"\x89PNG")
    with h5py.File(folder / "out/simulate.h5", "r") as file:
        yield file, told


def columns(group):
    return {name: item[()] for name, item in group.items()}


def violations(table):
    """What can't be in a table of simulated steps, by name."""
    compute, reduce = table["compute_s"], table["reduce_s"]
    most = np.ceil(table["batch"] / table["ranks"])
    found = {
        "compute": not np.allclose(compute, most * IMAGE_S, atol=1e-7),
        "sum": not np.allclose(table["step_s"], compute + reduce + table["update_s"]),
        "reduction": bool((reduce <= 0).any()),
        "grows": bool((np.diff(reduce, axis=1) <= 0).any()),
        "network": bool((reduce[0, -1] <= reduce[1, -1])),  # 10 and 100 Gbit/s, on two nodes
        "efficiency": bool((table["efficiency"] > 1).any() or (table["efficiency"] <= 0).any()),
    }
    return [name for name, is_wrong in found.items() if is_wrong]


def test_the_file(study):
    file, told = study
    support.assert_explains_itself(file)
    assert file["provenance/image_s"][()] == pytest.approx(IMAGE_S)
    assert file["provenance/update_s"][()] == pytest.approx(UPDATE_S)
    assert file["provenance/message_bytes"][()] == MESSAGE
    assert told.count("efficiency of 50 % and more up to 32 ranks") + \
        told.count("efficiency below 50 %: from ") == 6


def test_more_ranks_compute_less_and_reduce_longer(study):
    for name in ("strong_100", "strong_4096", "weak_40"):
        table = columns(study[0][name])
        assert table["ranks"].tolist() == RANKS
        assert violations(table) == []
        if name != "weak_40":
            assert (np.diff(table["compute_s"]) < 0).all()


def test_the_same_bits_as_on_a_real_rank(study, tmp_path):
    options = {"data.train_images": 500, "data.test_images": 1, "train.batch": 100,
               "train.pretrain_epochs": 0, "train.epochs": 2}
    done = support.run(tmp_path, support.write_config(tmp_path, options), ranks=1)
    assert support.text_column(study[0]["strong_100/parameters_hash"]) == [done.hash] * len(RANKS)
    other = support.run(tmp_path, support.write_config(
        tmp_path, {**options, "run.dir": "other", "run.seed": 1}), ranks=1)
    assert other.hash != done.hash


def test_other_parameters_are_refused(tmp_path):
    """Two runs with the same batch that came to different ones."""
    for number, seed in enumerate((0, 1)):
        options = {"run.dir": f"simulated-{number + 1}-20-10-20", "run.seed": seed}
        support.run(tmp_path, support.write_config(tmp_path, options), ranks=number + 1)
    measured = write_measured(tmp_path / "measured", measurement(1), measurement(100))
    script = support.ROOT / "analysis" / "collect_simulation.py"
    done = subprocess.run([sys.executable, script, tmp_path, tmp_path / "out.h5", "--measured",
                           measured], text=True, capture_output=True)
    assert done.returncode == 1 and "came to other parameters than" in done.stderr, done.stderr


def test_wrong_tables_are_seen(study):
    table = columns(study[0]["strong_100"])
    for name, change in {
            "compute_s": lambda values: values * 1.01, "reduce_s": lambda values: values[:, ::-1],
            "step_s": lambda values: values * 1.01, "efficiency": lambda values: values * 2}.items():
        assert violations({**table, name: change(table[name])}), name


def test_measurements_that_do_not_fit(tmp_path):
    script = support.ROOT / "analysis" / "collect_simulation.py"
    for name, runs, text in [
            ("one", [measurement(100)], "batches 1 and 100"),
            ("none", [measurement(1)], "hasn't measurements of batch 100"),
            ("block", [measurement(1), measurement(100, block=4)], "batches 4 and 100"),
            ("network", [measurement(1), measurement(1, network="conv, conv")], "another network"),
            ("threads", [measurement(1), measurement(100, threads=2)], "one rank and thread"),
            ("noise", [measurement(1, images_per_s=1e5), measurement(100)], "nothing else to do")]:
        folder = write_measured(tmp_path / name, *runs)
        done = subprocess.run([sys.executable, script, "--seconds", folder], text=True,
                              capture_output=True)
        assert done.returncode == 1 and text in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1


def test_measurements_in_blocks(tmp_path):
    """Of both batches the same image and rest of a step come out."""
    script = support.ROOT / "analysis" / "collect_simulation.py"
    folder = write_measured(tmp_path / "blocks", measurement(4, block=4), measurement(100, block=4))
    for option, text in [("--block", "4\n"), ("--seconds", f"0.0001 1e-05 4 {MESSAGE}\n")]:
        done = subprocess.run([sys.executable, script, option, folder], text=True,
                              capture_output=True)
        assert (done.returncode, done.stdout) == (0, text), done.stderr


def test_times_that_are_no_numbers(tmp_path, study):
    """The study has built the program."""
    (tmp_path / "platform.xml").write_text(
        "<?xml version='1.0'?><!DOCTYPE platform SYSTEM "
        '"https://simgrid.org/simgrid.dtd"><platform version="4.1"><cluster id="cluster" '
        'prefix="node" suffix="" radical="0-0" speed="1Gf" core="2" bw="1Gbps" lat="1us"/>'
        "</platform>")
    (tmp_path / "hosts").write_text("node0:2\n")
    command = ["smpirun", "-np", "2", "-platform", "platform.xml", "-hostfile", "hosts",
               "--log=root.thres:error", support.ROOT / "build-simulate" / "ae_simulate", "--check",
               support.write_config(tmp_path)]
    env = support.environment(None, variables={"AE_IMAGE_S": "fast"})
    done = subprocess.run(command, cwd=tmp_path, env=env, text=True, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=support.TIMEOUT_S)
    assert done.returncode == support.USAGE
    assert (done.stdout + done.stderr).count("AE_IMAGE_S=fast: it can be a number of seconds") == 1
