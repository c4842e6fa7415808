"""The program built for ARM64, under an emulator, has the numbers of this machine's own (in build/):
of networks that every algorithm of the kernels serves, on any ranks, gone on with on the other
processor, and applied."""
import os

import pytest
import support
from support import differences, numbers, run, write_config

NATIVE = [str(support.ROOT / "build" / "ae_dist")]
ARM64 = ["qemu-aarch64-static", "-L", os.environ["AE_SYSROOT"], support.PROGRAM]

NETWORKS = {
    "reference": {},
    "many": {"model.layers": "conv 16 3 relu same, conv 20 3 leaky:0.1 same, conv 17 5 relu same, "
                             "tconv 16 2 none stride2, conv 3 3 none same stride2",
             "model.output": "residual"},
    "words": {"model.layers": "conv 6 3 leaky:0.1 same as a, maxpool, conv 6 5 relu same as b, "
                              "conv 6 1 none, add b relu, tconv 6 2 none stride2, concat a, "
                              "conv 3 7 sigmoid same", "model.init": "he"},
}
# An emulator is slow. The last batch is short.
SMALL = {"data.train_images": 14, "data.test_images": 2, "train.batch": 8, "train.block": 3}


def trained(folder, options, program, ranks=1, **how):
    folder.mkdir(exist_ok=True)
    run(folder, write_config(folder, {**SMALL, **options}), program=program, ranks=ranks,
        timeout_s=300, **how)
    return numbers(folder / "run")


@pytest.fixture(scope="module", params=NETWORKS)
def network(request, tmp_path_factory):
    """Options, and this processor's numbers."""
    options, folder = NETWORKS[request.param], tmp_path_factory.mktemp(request.param)
    return options, trained(folder, options, NATIVE)


def test_path(tmp_path):
    version = run(tmp_path, "--version", program=ARM64, ranks=None).stdout
    assert "kernels   neon\n" in version


def test_trained(tmp_path, network):
    options, native = network
    assert differences(trained(tmp_path, options, ARM64), native) == []
    other = trained(tmp_path / "seed", {**options, "run.seed": 1}, NATIVE)
    assert "parameters_hash" in differences(other, native)


def test_gone_on_with(tmp_path, network):
    """The second epoch done again on two ranks of the other processor."""
    options, native = network
    trained(tmp_path, options, NATIVE, ranks=2, kernels="ref")
    support.checkpoints(tmp_path / "run")[-1].unlink()
    assert differences(trained(tmp_path, options, ARM64, ranks=2), native) == []


def test_reference_kernels(tmp_path):
    native = trained(tmp_path / "native", {}, NATIVE)
    assert differences(trained(tmp_path / "ref", {}, ARM64, ranks=2, kernels="ref"), native) == []
