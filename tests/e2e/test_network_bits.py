"""Networks of every kind, trained by the program: equal bits however a run is laid out."""
import pytest
import support
from support import checkpoints, differences, numbers, run

NETWORKS = {
    "dncnn": {"model.layers": "dncnn 6 4", "model.output": "residual"},
    "unet": {"model.layers": "unet 4"},
    "unshuffle": {"model.layers": "unshuffle 8 3 nobias", "model.output": "residual",
                  "model.init": "orthogonal"},
    "words": {"model.layers": "conv 6 3 leaky:0.1 same as a, maxpool, conv 6 5 relu same as b, "
                              "conv 6 1 none, add b relu, tconv 6 2 none stride2, concat a, "
                              "conv 3 7 sigmoid same", "model.init": "he"},
}
# A short last batch, blocks that don't divide a batch.
SMALL = {"data.train_images": 70, "data.test_images": 6, "train.batch": 20, "train.block": 3}


def trained(folder, options, **how):
    folder.mkdir(exist_ok=True)
    done = run(folder, support.write_config(folder, {**SMALL, **options}), **how)
    return {"printed": done.hash, **numbers(folder / "run")}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request, tmp_path_factory):
    """Options, and the numbers of one rank with one thread."""
    folder = tmp_path_factory.mktemp(request.param)
    return NETWORKS[request.param], folder, trained(folder, NETWORKS[request.param], ranks=1)


def test_layouts(tmp_path, network):
    options, _, alone = network
    assert differences(trained(tmp_path, options, ranks=3, threads=2), alone) == []
    other = trained(tmp_path / "seed", {**options, "run.seed": 1}, ranks=2)
    assert "parameters_hash" in differences(other, alone)


def test_gone_on_with_elsewhere(tmp_path, network):
    """The second epoch done again, on other ranks, threads and kernels."""
    options, _, alone = network
    trained(tmp_path, options, ranks=2, kernels="ref")
    checkpoints(tmp_path / "run")[-1].unlink()
    assert differences(trained(tmp_path, options, ranks=3, threads=2), alone) == []
