"""Equal bits however a run is laid out: ranks x threads, kernels, stops and restarts."""
import h5py
import pytest
import support
from support import checkpoint_position, checkpoints, differences, numbers, run, stop_at

# The last of 16 batches is short: 1,530 images, 100 a batch.
OPTIONS = {"data.train_images": 1530, "train.batch": 100}
STEPS = 16
SHORT = {"data__train_images": 230}
LAYOUTS = [(1, 2), (2, 1), (3, 1), (8, 1), (4, 2)]


def trained(folder, ranks=1, threads=1, kernels=None, **options):
    """Trains in a folder of its own; returns the numbers, with the printed hash among them."""
    changed = {key.replace("__", "."): value for key, value in options.items()}
    config = support.write_config(folder, {**OPTIONS, **changed})
    done = run(folder, config, ranks=ranks, threads=threads, kernels=kernels)
    return {"printed": done.hash, **numbers(folder / "run")}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The numbers of one rank with one thread."""
    found = trained(tmp_path_factory.mktemp("reference"))
    assert found["parameters_hash"][-1] == found["printed"]
    assert found["parameters_hash"][0] != found["printed"]
    return found


@pytest.mark.parametrize("ranks, threads", LAYOUTS, ids=lambda value: str(value))
def test_layouts(tmp_path, reference, ranks, threads):
    assert differences(trained(tmp_path, ranks, threads), reference) == []


@pytest.fixture(scope="module")
def short_reference(tmp_path_factory):
    """The same of three batches, for the reference kernels are slow."""
    return trained(tmp_path_factory.mktemp("short"), **SHORT)


@pytest.mark.parametrize("kernels", support.KERNELS)
def test_kernel_paths(tmp_path, short_reference, kernels):
    version = run(tmp_path, "--version", ranks=None, kernels=kernels).stdout
    if f"kernels   {kernels}\n" not in version:
        pytest.skip(f"this processor or build has no {kernels} kernels")
    assert differences(trained(tmp_path, 2, 1, kernels, **SHORT), short_reference) == []
    with h5py.File(tmp_path / "run" / "results.h5", "r") as file:
        assert support.text_column(file["provenance/kernel_path"]) == [kernels]


@pytest.mark.parametrize("block", [7, 30])
def test_blocks_that_do_not_divide_the_batch(tmp_path, block):
    found = []
    for ranks, threads in ((1, 1), (3, 1), (2, 2)):
        folder = tmp_path / f"{ranks}x{threads}"
        folder.mkdir()
        found.append(trained(folder, ranks, threads, train__block=block))
    assert differences(found[0], found[1]) == []
    assert differences(found[0], found[2]) == []


def test_another_seed_gives_other_numbers(tmp_path, reference):
    differ = differences(trained(tmp_path, 2, run__seed=1), reference)
    assert {"printed", "parameters_hash", "train_loss", "test_loss", "psnr_db", "ssim", "output",
            "parameters/encoder.0.weight"} <= set(differ)


@pytest.mark.parametrize("options", [
    {"optimizer.name": "adamw", "optimizer.weight_decay": 0.01, "optimizer.clip_norm": 0.05,
     "schedule.name": "cosine", "schedule.warmup_steps": 20},
    {"optimizer.name": "sgd", "optimizer.lr": 0.5, "optimizer.momentum": 0.9, "train.loss": "l1",
     "schedule.name": "step", "schedule.step_epochs": 1},
    {"model.layers": "conv 5 3 relu, conv 4 3 none, tconv 6 3 sigmoid, tconv 3 3 none"}],
    ids=["adamw", "sgd", "layers"])
def test_other_options(tmp_path, options):
    """Layouts and restarts again, with the other optimisers, schedules, losses and networks."""
    found = []
    for ranks, stops in ((1, False), (3, True)):
        folder = tmp_path / str(ranks)
        folder.mkdir()
        config = support.write_config(folder, options)
        if stops:
            run(folder, config, ranks=2)
            checkpoints(folder / "run")[-1].unlink()  # so that the second epoch is done again
        run(folder, config, ranks=ranks)
        found.append(numbers(folder / "run"))
    assert differences(*found) == []


# ---- stops and restarts ----


def stop_in_mid_epoch(folder, epoch, **how):
    """Stops a run between two steps of an epoch (from 0); tries again where it was too quick."""
    said = "workers" if epoch == 0 else f"epoch  {epoch}/2"
    for attempt in range(8):
        config = support.write_config(folder, {**OPTIONS, "run.dir": f"run{attempt}"})
        delay_s = 0.02 * attempt if "kernels" not in how else 1.5
        stopped = stop_at(folder, [config], said, delay_s, **how)
        assert stopped.code in (support.STOPPED, support.DONE), stopped.text
        position = checkpoint_position(checkpoints(folder / f"run{attempt}")[-1])
        if position[0] == epoch and 0 < position[1] < STEPS:
            assert stopped.code == support.STOPPED
            assert f"{position[0]} whole epochs and {position[1]} steps" in stopped.stdout
            return config, folder / f"run{attempt}", position
    raise AssertionError("no stop came in mid-epoch")


def starts(run_dir):
    """Rows of provenance: ranks, kernels, position they went on from."""
    with h5py.File(run_dir / "results.h5", "r") as file:
        rows = file["provenance"]
        return list(zip(rows["ranks"][()].tolist(), support.text_column(rows["kernel_path"]),
                        zip(rows["from_epoch"][()].tolist(), rows["from_step"][()].tolist())))


@pytest.mark.parametrize("ranks, restart_ranks", [(2, 3), (3, 1)])
def test_stop_in_the_second_epoch(tmp_path, reference, ranks, restart_ranks):
    config, run_dir, position = stop_in_mid_epoch(tmp_path, epoch=1, ranks=ranks)
    done = run(tmp_path, config, ranks=restart_ranks)
    assert "goes on" in done.stdout
    assert differences({"printed": done.hash, **numbers(run_dir)}, reference) == []
    rows = starts(run_dir)
    assert [(row[0], row[2]) for row in rows] == [(ranks, (0, 0)), (restart_ranks, position)]


def test_stop_in_the_first_epoch_and_go_on_with_other_kernels(tmp_path, reference):
    """The reference kernels' steps take long, so that the stop falls among the first of them."""
    config, run_dir, position = stop_in_mid_epoch(tmp_path, epoch=0, ranks=2, kernels="ref")
    done = run(tmp_path, config, ranks=4, threads=2)
    assert differences({"printed": done.hash, **numbers(run_dir)}, reference) == []
    rows = starts(run_dir)
    assert len(rows) == 2 and rows[0][1] == "ref" and rows[1][2] == position
