"""ae_bench tells of every kernel, and its JSON file holds what it prints. Times aren't judged."""
import json
import os
import subprocess
from pathlib import Path

import pytest
import support

BENCH = str(Path(support.PROGRAM).with_name("ae_bench"))
PARALLEL = {"time", "version", "revision", "compiler", "flags", "mpi", "hosts", "processor",
            "kernels", "network", "parameters", "picture", "block", "options", "ranks", "threads",
            "cores", "batch", "multiply_adds_per_image", "multiplications_per_image",
            "images_per_s", "efficiency", "fraction_of_peak", "allreduce_s", "message_bytes",
            "rank_threads", "rank_peak_multiply_adds_per_s", "rank_images_per_s"}
CORE = {"peak_multiply_adds_per_s", "streams", "figures", "nodes"}
REFERENCE = "conv 8 3 relu, conv 8 3 relu, tconv 8 3 relu, tconv 3 3 sigmoid"
# Joins, strides, kernels of several sides, and layers that are alike, on parts of pictures.
LAYERS = ("conv 16 3 relu same, conv 16 3 relu same as a, conv 16 3 leaky:0.1 same, conv 16 3 relu "
          "same stride2, tconv 16 2 none stride2, add a relu, concat a, conv 12 1 none, shuffle, "
          "unshuffle, maxpool, tconv 3 2 sigmoid stride2")
OPTIONS = {"data.size": 40, "data.patch": 24, "data.train_images": 40, "data.test_images": 1,
           "train.batch": 20, "train.block": 4, "train.pretrain_epochs": 1, "model.layers": LAYERS}


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
    assert found["multiplications_per_image"] == 3681504 * 2 / 3
    assert found["message_bytes"] == 8 * (1611 + 6)
    assert (found["network"], found["parameters"]) == (REFERENCE, 1611)
    assert (found["picture"], found["block"]) == ([3, 32, 32], 1)
    for figure in found["figures"]:
        assert done.stdout.count(f"{figure['name']} ") >= 1
        assert figure["seconds"] > 0
    for stream in found["streams"]:
        assert done.stdout.count(f"{stream['name']} ") == 1
        assert stream["bytes"] > 0 and stream["bytes_per_s"] > 0
    assert found["peak_multiply_adds_per_s"] > 0
    assert done.stdout.count("peak  ") == 1  # by one rank
    assert os.listdir(tmp_path) == ["bench.json"]


def convolutions(layers, side):
    """(in, out, kernel, stride, side of what is read, side of what is made) of each convolution;
    images are given by name as in the text."""
    found, images, channels = [], {}, 3
    for layer in layers.split(", "):
        words = layer.split()
        if words[0] in ("conv", "tconv"):
            stride, out = 1 + ("stride2" in words), int(words[1])
            made = side * stride if words[0] == "tconv" else side // stride
            found.append((channels, out, int(words[2]), stride, side, made))
            channels, side = out, made
        elif words[0] == "concat":
            channels += images[words[1]]
        elif words[0] in ("unshuffle", "maxpool"):
            channels, side = channels * (4 if words[0] == "unshuffle" else 1), side // 2
        elif words[0] == "shuffle":
            channels, side = channels // 4, side * 2
        if "as" in words:
            images[words[-1]] = channels
    return found


def plain_count(conv):
    in_channels, out_channels, kernel, stride, read, made = conv
    return in_channels * out_channels * kernel ** 2 * min(read, made) ** 2


def share_done(conv):
    """Of stride 1: F(2, 3) does 4 of 6, F(4x4, 3x3) 36 of 144, F(2x2, 5x5) 36 of 100."""
    in_channels, out_channels, kernel, stride, _, _ = conv
    if stride == 1 and kernel in (3, 5) and min(in_channels, out_channels) >= 16:
        return 36 / (7 - kernel) ** 2 / kernel ** 2
    return 4 / 6 if (kernel, stride) == (3, 1) else 1


def check_counts(found, layers, side):
    """The counts of the JSON file are those of that network. Returns whether they are."""
    passes = {conv: 2 if at == 0 else 3 for at, conv in enumerate(convolutions(layers, side))}
    convs = convolutions(layers, side)
    plain = sum(plain_count(conv) * passes[conv] for conv in convs)
    done = sum(plain_count(conv) * passes[conv] * share_done(conv) for conv in convs)
    kernels = [figure for figure in found["figures"] if "layers" in figure]
    counted = sum(figure["layers"] * figure["multiply_adds"] for figure in kernels)
    return (found["multiply_adds_per_image"] == counted == plain and
            abs(found["multiplications_per_image"] - done) <= 0.5 and
            sum(figure["layers"] for figure in kernels) == sum(passes[conv] for conv in convs))


def test_a_configuration(tmp_path):
    """Its network, pictures, batch and block; an option besides."""
    config = support.write_config(tmp_path, OPTIONS)
    done = bench(tmp_path, config, "--set", "data.patch=16", "--rounds", 1, "--json", "bench.json")
    found = json.loads((tmp_path / "bench.json").read_text())
    assert found.keys() == PARALLEL | CORE
    assert (found["network"], found["picture"]) == (LAYERS, [3, 16, 16])
    assert (found["batch"], found["block"]) == (20, 4)
    assert found["options"]["data.patch"] == "16" and found["options"]["data.size"] == "40"
    assert found["options"]["train.pretrain_epochs"] == "0"  # the steps are those with noise
    assert check_counts(found, LAYERS, 16)
    assert not check_counts(found, LAYERS, 24)
    assert not check_counts(found, LAYERS.replace("12 1", "12 3"), 16)
    assert not check_counts({**found, "multiplications_per_image": 1}, LAYERS, 16)
    for figure in found["figures"]:
        assert f"{figure['name']} " in done.stdout
        if "layers" in figure:
            assert figure["multiplications"] <= figure["multiply_adds"]
    alike = [(figure["layers"], figure["height"], figure["width"]) for figure in found["figures"]
             if figure["name"] == "conv 16->16 same forward"]
    assert alike == [(2, 16, 16)]
    assert [node["layer"] for node in found["nodes"]] == LAYERS.split(", ")
    for node in found["nodes"]:
        assert f"{node['layer']} " in done.stdout
        assert node["forward_s"] > 0 and node["backward_s"] > 0 and node["activation_s"] >= 0
    assert sorted(os.listdir(tmp_path)) == ["bench.json", "small.ini"]


def test_batch_over_the_configuration(tmp_path):
    """More than an epoch has: its steps are of what there is. A ready network is told in full."""
    config = support.write_config(tmp_path, {**OPTIONS, "model.layers": "unshuffle 4 2"})
    bench(tmp_path, config, "--batch", 64, "--steps-only", "--rounds", 1, "--json", "bench.json",
          ranks=2)
    found = json.loads((tmp_path / "bench.json").read_text())
    assert (found["batch"], found["options"]["train.batch"]) == (64, "64")
    assert found["network"] == "unshuffle, conv 4 3 relu same, conv 12 3 none same, shuffle"


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
    (["--batch", "0"], "--batch 0: allowed are whole numbers from 1 to 50000"),
    (["--batch", "50001"], "--batch 50001: allowed are whole numbers from 1 to 50000"),
    (["--rounds", "1001"], "--rounds 1001: allowed are whole numbers from 1 to 1000"),
    (["--batch", "ten"], "--batch ten: allowed are whole numbers from 1 to 50000"),
    (["--batch", "99999999999999999999"], "allowed are whole numbers from 1 to 50000"),
    (["--rounds", "-1"], "--rounds -1: allowed are whole numbers from 1 to 1000"),
    (["--rounds", ""], "--rounds : allowed are whole numbers from 1 to 1000"),
    (["--json"], "--json needs a value; see ae_bench --help"),
    (["--epochs"], "unknown option --epochs; see ae_bench --help"),
    (["--rounds", "3", "-np", "2"], "unknown option -np; the launcher's options stand before the "
                                    "program"),
    (["nowhere.ini"], "can't read the configuration file nowhere.ini: No such file or directory"),
    (["a.ini", "b.ini"], "b.ini: one configuration file is enough; options are --NAME and --set "
                         "SECTION.KEY=VALUE; see ae_bench --help"),
    (["--set"], "--set needs a value; see ae_bench --help"),
    (["--set", "model.layer=conv"], "--set: unknown key layer in [model], the nearest is [model] "
                                    "layers"),
    (["--set", "train.batch=0"], "--set train.batch: '0' is out of range"),
    (["--set", "model.layers=conv 8"], "--set model.layers: layer 1, \"conv 8\", is not four "
                                       "words"),
    (["--set", "model.layers=conv 3 3 none"], "--set model.layers: "),
    (["--set", "data.patch=33"], "--set data.patch is larger than a training image"),
])
def test_refused(tmp_path, arguments, told):
    done = bench(tmp_path, *arguments, ranks=2, expect=support.USAGE)
    text = done.stdout + done.stderr
    assert text.count("error: ") == 1 and text.count(told) == 1, text


def test_without_its_images(tmp_path):
    done = bench(tmp_path, "--set", "data.source=cifar10", "--set", "data.dir=none", ranks=2,
                 expect=support.DATA)
    assert (done.stdout + done.stderr).count("the data folder 'none' does not exist") == 1


def test_unwritable_json(tmp_path):
    done = bench(tmp_path, "--steps-only", "--rounds", 1, "--json", "nothing/bench.json",
                 expect=support.FILES)
    assert done.stderr.count("can't write nothing/bench.json: No such file or directory") == 1


def test_help(tmp_path):
    text = bench(tmp_path, "--help", ranks=2).stdout
    assert text.startswith("Usage: [mpirun -np RANKS] ae_bench [options] [CONFIG]")
    for option in ("--set SECTION.KEY=VALUE", "--batch N", "--rounds N", "--steps-only",
                   "--json FILE", "--help"):
        assert text.count(f"\n  {option} ") == 1
