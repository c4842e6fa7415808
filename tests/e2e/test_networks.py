"""Networks as the person sees them: ready ones in full, the table of --check, the choices of [model],
and a checkpoint as a PyTorch module."""
import configparser
import re
import sys

import h5py
import numpy as np
import pytest
import support
from support import DATA, USAGE, assert_refused, numbers, run, write_config

READY = ["dncnn 4 3", "unet 2", "unshuffle 4 2", "unshuffle 4 2 nobias"]
SMALL = {"data.train_images": 40, "data.test_images": 4}


def write_network(folder, layers, **options):
    return write_config(folder, {**SMALL, "model.layers": layers,
                                 **{key.replace("_", ".", 1): value
                                    for key, value in options.items()}})


def printed_layers(text):
    """model.layers as Python's configparser reads it, its lines joined."""
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=("#", ";"))
    parser.read_string(text)
    return parser["model"]["layers"].replace("\n", " ")


def stored(folder):
    with h5py.File(support.checkpoints(folder / "run")[-1], "r") as file:
        return dict(file["parameters"].attrs), file["config"].attrs["model.layers"]


@pytest.mark.parametrize("ready", READY)
def test_a_ready_network_in_full_is_the_same(tmp_path, ready):
    config = write_network(tmp_path, ready)
    text = run(tmp_path, "--print-config", config, ranks=None).stdout
    assert "same" in printed_layers(text) and ready not in text
    (tmp_path / "full.ini").write_text(text)
    assert run(tmp_path, "--print-config", "full.ini", ranks=None).stdout == text

    run(tmp_path, config)
    told, given = stored(tmp_path)
    assert given == ready
    assert told["layers"] == printed_layers(text)
    run(tmp_path, "--set", "run.dir=full", "full.ini")
    assert support.differences(numbers(tmp_path / "run"), numbers(tmp_path / "full")) == []
    # The one goes on where the other stopped.
    support.checkpoints(tmp_path / "run")[-1].unlink()
    assert "goes on" in run(tmp_path, "full.ini").stdout
    assert support.differences(numbers(tmp_path / "run"), numbers(tmp_path / "full")) == []


def test_other_networks_print_as_they_were_given(tmp_path):
    for layers in ("conv 4  3 relu,tconv 3 3 sigmoid", "conv 3 3 none same as a, add a"):
        text = run(tmp_path, "--print-config", write_network(tmp_path, layers), ranks=None).stdout
        assert f"\nlayers = {layers}\n" in text


@pytest.mark.parametrize("source", ["cifar10", "cifar100", "idx", "hdf5", "pictures"])
def test_print_config_needs_no_images(tmp_path, source):
    """But for a ready network's layers, where files alone tell the images' channels."""
    where = {"data_source": source, "data_dir": "nowhere", "data_train": "none", "data_test": "none"}
    layers = "conv 4 3 relu same, conv 1 3 none same"
    config = write_network(tmp_path, layers, **where)
    assert printed_layers(run(tmp_path, "--print-config", config, ranks=None).stdout) == layers
    done = run(tmp_path, "--print-config", write_network(tmp_path, "unet 2", **where), ranks=None,
               expect=None)
    if source in ("cifar10", "cifar100"):
        assert done.code == 0 and "concat" in printed_layers(done.stdout)
    else:
        assert_refused(done, DATA, "'none'")


def test_a_network_that_is_none_is_not_printed(tmp_path):
    done = run(tmp_path, "--print-config", write_network(tmp_path, "conv 4 relu"), expect=None,
               ranks=None)
    assert_refused(done, USAGE, 'layers: layer 1, "conv 4 relu"')
    done = run(tmp_path, "--print-config", write_network(tmp_path, "dncnn 4"), expect=None,
               ranks=None)
    assert_refused(done, USAGE, "layers: \"dncnn 4\": a ready network is dncnn CHANNELS LAYERS")


LAYER = re.compile(r"layer +(\d+)  (.*?)  +(\d+ x \d+ x \d+) +(\d+) parameters +(\d+) multiply-adds "
                   r"a pixel")


def test_check_tells_every_layer(tmp_path):
    layers = ("unshuffle, conv 8 3 relu same, conv 12 3 leaky:0.1 same nobias as last, "
              "conv 12 1 none, add last, shuffle")
    done = run(tmp_path, "--check", write_network(tmp_path, layers), ranks=2)
    table = [LAYER.fullmatch(line).groups() for line in done.stdout.splitlines()
             if line.startswith("layer ")]
    # By hand: a 3x3 convolution of a quarter of the pixels does 9 / 4 of its channels' product.
    wanted = [("unshuffle", 12, 16, 0, 0), ("conv 8 3 relu same", 8, 16, 12 * 8 * 9 + 8, 216),
              ("conv 12 3 leaky:0.1 same nobias as last", 12, 16, 8 * 12 * 9, 216),
              ("conv 12 1 none", 12, 16, 12 * 12 + 12, 36), ("add last", 12, 16, 0, 0),
              ("shuffle", 3, 32, 0, 0)]
    assert table == [(str(n + 1), text, f"{channels} x {side} x {side}", str(size), str(work))
                     for n, (text, channels, side, size, work) in enumerate(wanted)]
    # Two 3x3 kernels on pixels that are 2x2 of the picture's: 5 of them.
    assert re.search(r"^in all +1892 parameters, 468 multiply-adds a pixel \(forward\), a receptive "
                     r"field of 10 x 10 pixels, [\d.]+ MB a thread$", done.stdout, re.M)


def test_the_plan_stays_short(tmp_path):
    long = ", ".join(["conv 4 3 relu same"] * 30 + ["conv 3 3 none same"])
    for layers, told in (("dncnn 4 31", "dncnn 4 31"), (long, "31 layers")):
        done = run(tmp_path, "--check", write_network(tmp_path, layers), ranks=None)
        assert f"\nnetwork  {told}: 4515 parameters\n" in done.stdout


@pytest.mark.parametrize("layers, batch, block", [
    ("conv 8 3 relu, tconv 3 3 sigmoid", 100, 1),  # the fewest parameters
    ("dncnn 48 3", 100, 1),                        # 23,427: below twice 16384
    ("dncnn 48 4", 100, 2),                        # 44,211
    ("unet 32", 100, 4), ("unet 32", 15, 1), ("unet 32", 32, 2), ("unet 32", 1000, 16)])
def test_blocks_follow_from_parameters_and_batch(tmp_path, layers, batch, block):
    config = write_network(tmp_path, layers, train_batch=batch, data_train_images=1000)
    for ranks, threads in ((None, 1), (3, 2)):
        done = run(tmp_path, "--check", config, ranks=ranks, threads=threads)
        assert f", in blocks of {block}: " in done.stdout


def test_blocks_go_on_by_their_size(tmp_path):
    config = write_network(tmp_path, "dncnn 48 4", train_batch=40, train_epochs=0,
                           train_pretrain_epochs=1)
    run(tmp_path, config)
    with h5py.File(support.checkpoints(tmp_path / "run")[-1], "r") as file:
        assert file["contract"].attrs["block"] == 2
        assert file["config"].attrs["train.block"] == "auto"
    run(tmp_path, config, "--set", "train.block=2")
    done = run(tmp_path, config, "--set", "train.block=1", expect=None)
    assert_refused(done, USAGE, "\n    train.block was auto, is 1\n",
                   "\n    contract.block (images) was 2, is 1\n")


def first_parameters(folder, **options):
    """The weights after one step that changes next to nothing, by their names."""
    config = write_network(folder, "conv 8 3 relu same, conv 3 3 none same", train_batch=40,
                           train_epochs=0, train_pretrain_epochs=1, optimizer_lr=1e-12,
                           run_dir="first", **options)
    run(folder, config, ranks=None)
    with h5py.File(support.checkpoints(folder / "first")[-1], "r") as file:
        return {name: tensor[()] for name, tensor in file["parameters"].items()}


@pytest.mark.parametrize("init", ["pytorch", "he", "orthogonal"])
def test_initial_weights(tmp_path, init):
    found = first_parameters(tmp_path, model_init=init)
    weight, bias = found["layers.0.weight"], found["layers.0.bias"]
    bound = 1 / np.sqrt(27)  # of PyTorch's, uniform
    assert (np.abs(weight) <= bound * 1.0001).all() == (init == "pytorch")
    assert (np.abs(bias) < 1e-9).all() == (init != "pytorch")
    rows = weight.reshape(8, 27).astype(float)
    is_orthogonal = np.abs(rows @ rows.T - 2 * np.eye(8)).max() < 1e-5  # the gain before a ReLU
    assert is_orthogonal == (init == "orthogonal")


NAMED_AS_WORDS = ("conv 4 3 relu same as as, conv 4 3 none same nobias as same, "
                  "add as relu as nobias, concat same as stride2, conv 8 1 none, "
                  "add stride2 as relu, conv 3 1 none")


@pytest.mark.parametrize("layers, output", [("conv 4 3 relu, tconv 3 3 sigmoid", "direct"),
                                            ("conv 8 1 relu same, tconv 3 1 none same", "direct"),
                                            (NAMED_AS_WORDS, "direct"),
                                            ("unet 2", "direct"),
                                            ("unshuffle 4 2 nobias", "residual")])
def test_a_checkpoint_is_a_pytorch_module(tmp_path, layers, output):
    torch = pytest.importorskip("torch")
    sys.path.append(str(support.ROOT / "analysis"))
    from network import Network, load

    config = write_network(tmp_path, layers, model_output=output, train_epochs=1, noise_sigma=0.1)
    run(tmp_path, config, ranks=None)
    module = load(support.checkpoints(tmp_path / "run")[-1])
    assert module.residual == (output == "residual")
    if "," in layers:  # as it was given, where the file has it as the program writes it
        assert Network(layers).state_dict().keys() == module.state_dict().keys()
    with h5py.File(tmp_path / "run" / "results.h5", "r") as file, torch.no_grad():
        noisy, told = (file[f"reconstructions/{name}"][()] for name in ("noisy", "output"))
        made = module(torch.from_numpy(noisy)).numpy()
        # Floats of some hundred additions each, of values around 1.
        assert np.abs(made - told[-1]).max() < 1e-4
        module.residual = not module.residual
        assert np.abs(module(torch.from_numpy(noisy)).numpy() - told[-1]).max() > 1e-2
