"""ae_bench tells of every kernel, and its JSON file holds what it prints. Times aren't judged."""
import json
import os
import subprocess
from pathlib import Path

import pytest
import support

BENCH = str(Path(support.PROGRAM).with_name("ae_bench"))
PARALLEL = {"time", "version", "revision", "compiler", "flags", "mpi", "hosts", "processor",
            "kernels", "network", "ranks", "threads", "cores", "batch", "multiply_adds_per_image",
            "images_per_s", "efficiency", "fraction_of_peak", "allreduce_s", "message_bytes",
            "rank_threads", "rank_peak_multiply_adds_per_s", "rank_images_per_s"}
CORE = {"peak_multiply_adds_per_s", "streams", "figures"}


def bench(folder, *arguments, ranks=1, threads=1, expect=0):
    """Runs ae_bench, which must end with the exit code `expect`."""
    done = subprocess.run([support.MPIEXEC, "-np", str(ranks), "--bind-to", "none", BENCH,
                           *map(str, arguments)],
                          cwd=folder, env=support.environment(threads), text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=100)
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def test_bench(tmp_path):
    done = bench(tmp_path, "--json", "bench.json", ranks=2)
    found = json.loads((tmp_path / "bench.json").read_text())
    assert found.keys() == PARALLEL | CORE
    assert (found["ranks"], found["threads"], found["batch"]) == (2, 2, 100)
    assert found["multiply_adds_per_image"] == 3681504
    assert found["message_bytes"] == 8 * (1611 + 6)
    for figure in found["figures"]:
        assert done.stdout.count(f"{figure['name']} ") >= 1
        assert figure["seconds"] > 0
    for stream in found["streams"]:
        assert done.stdout.count(f"{stream['name']} ") == 1
        assert stream["bytes"] > 0 and stream["bytes_per_s"] > 0
    assert found["peak_multiply_adds_per_s"] > 0
    assert done.stdout.count("peak  ") == 1  # by one rank
    assert os.listdir(tmp_path) == ["bench.json"]


def test_bytes_a_kernel_moves(tmp_path):
    """Each image once, and the weights."""
    bench(tmp_path, "--rounds", 1, "--json", "bench.json")
    figures = json.loads((tmp_path / "bench.json").read_text())["figures"]
    bytes_of = {figure["name"]: figure.get("bytes") for figure in figures}
    wide, narrow, weights = 8 * 30 * 30, 8 * 28 * 28, 8 * 8 * 9
    assert bytes_of["conv 8->8 forward"] == 4 * (wide + narrow + weights)
    assert bytes_of["conv 8->8 weight gradient"] == 4 * (wide + narrow + weights)
    assert bytes_of["conv 8->8 data gradient"] == 4 * (2 * wide + narrow + weights)  # and its gate
    assert bytes_of["tconv 8->8 data gradient"] == 4 * (2 * narrow + wide + weights)
    kernels = [value for name, value in bytes_of.items() if "->" in name]
    assert bytes_of["all kernels of an image"] == sum(kernels) and len(kernels) == 11
    assert bytes_of["sigmoid"] is None


@pytest.mark.parametrize("ranks, threads", [(2, 1), (1, 2)])
def test_steps_only(tmp_path, ranks, threads):
    done = bench(tmp_path, "--steps-only", "--batch", 30, "--rounds", 2, "--json", "bench.json",
                 ranks=ranks, threads=threads)
    found = json.loads((tmp_path / "bench.json").read_text())
    assert found.keys() == PARALLEL
    assert (found["ranks"], found["threads"], found["batch"]) == (ranks, 2, 30)
    assert found["rank_threads"] == [threads] * ranks
    assert found["multiply_adds_per_image"] == 3681504
    for name in ("rank_peak_multiply_adds_per_s", "rank_images_per_s"):
        assert len(found[name]) == ranks and min(found[name]) > 0
    for name in ("images_per_s", "efficiency", "fraction_of_peak", "allreduce_s"):
        assert found[name] > 0
    assert "2 threads in all, batch 30: " in done.stdout and "forward" not in done.stdout
    assert all(f"rank {rank} " in done.stdout for rank in range(ranks))


@pytest.mark.parametrize("arguments, told", [
    (["--batch", "0"], "--batch 0: allowed are whole numbers from 1 to 100000"),
    (["--batch", "100001"], "--batch 100001: allowed are whole numbers from 1 to 100000"),
    (["--rounds", "1001"], "--rounds 1001: allowed are whole numbers from 1 to 1000"),
    (["--batch", "ten"], "--batch ten: allowed are whole numbers from 1 to 100000"),
    (["--batch", "99999999999999999999"], "allowed are whole numbers from 1 to 100000"),
    (["--rounds", "-1"], "--rounds -1: allowed are whole numbers from 1 to 1000"),
    (["--rounds", ""], "--rounds : allowed are whole numbers from 1 to 1000"),
    (["--json"], "--json needs a value; see ae_bench --help"),
    (["--epochs"], "unknown option --epochs; see ae_bench --help"),
    (["--rounds", "3", "-np", "2"], "unknown option -np; the launcher's options stand before the "
                                    "program"),
    (["denoise50.ini"], "unknown argument denoise50.ini; see ae_bench --help"),
])
def test_refused(tmp_path, arguments, told):
    done = bench(tmp_path, *arguments, ranks=2, expect=support.USAGE)
    text = done.stdout + done.stderr
    assert text.count("error: ") == 1 and text.count(told) == 1, text


def test_unwritable_json(tmp_path):
    done = bench(tmp_path, "--steps-only", "--rounds", 1, "--json", "nothing/bench.json",
                 expect=support.FILES)
    assert done.stderr.count("can't write nothing/bench.json: No such file or directory") == 1


def test_help(tmp_path):
    text = bench(tmp_path, "--help", ranks=2).stdout
    assert text.startswith("Usage: [mpirun -np RANKS] ae_bench [options]")
    for option in ("--batch N", "--rounds N", "--steps-only", "--json FILE", "--help"):
        assert text.count(f"\n  {option} ") == 1
