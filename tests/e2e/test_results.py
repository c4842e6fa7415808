"""results.h5 and checkpoints: what is in them, that it explains itself, and that it is right."""
import math
import re
import time

import h5py
import numpy as np
import pytest
import support
from support import Run, assert_explains_itself, datasets, run, write_config

TRAIN, TEST, PICTURES = 130, 20, 20
EPOCHS = 3  # the first on clean images
STORED = [1, 2, 3]  # epochs with reconstructions

EPOCH_COLUMNS = ["epoch", "train_loss", "test_loss", "psnr_db", "psnr_infinite", "psnr_pooled_db",
                 "ssim", "psnr_first10_db", "ssim_first10_range2", "validation_loss",
                 "skipped_steps", "learning_rate", "noise_sigma",
                 "test_noise_sigma", "images_per_s", "seconds", "parameters_hash"]
TIMES = [f"seconds_{part}"
         for part in ("data", "compute", "allreduce", "optimizer", "evaluate", "io")]
START_COLUMNS = ["start", "time", "hosts", "ranks", "threads", "version", "revision", "mpi", "hdf5",
                 "compiler", "flags", "kernel_path", "job_id", "data_hash", "from_epoch",
                 "from_step"]
PATHS = {
    "config/ini": (),
    **{f"provenance/{name}": (1,) for name in START_COLUMNS},
    **{f"epochs/{name}": (EPOCHS,) for name in EPOCH_COLUMNS},
    **{f"epochs/{name}": (EPOCHS, 3) for name in TIMES},
    "epochs/statistic": (3,),
    "levels/epoch": (EPOCHS - 1,),
    "levels/level": (1,),
    "levels/sigma": (1,),
    **{f"levels/{name}": (EPOCHS - 1, 1) for name in ("psnr_db", "ssim")},
    **{f"test/{name}": (TEST,)
       for name in ("index", "label", "psnr_db", "ssim", "input_psnr_db", "input_ssim")},
    **{f"reconstructions/{name}": (PICTURES,) for name in ("index", "label")},
    **{f"reconstructions/{name}": (PICTURES, 3, 32, 32) for name in ("clean", "noisy")},
    "reconstructions/output": (len(STORED), PICTURES, 3, 32, 32),
    "reconstructions/epoch": (len(STORED),),
    "reconstructions/channel": (3,),
    "reconstructions/row": (32,),
    "reconstructions/column": (32,),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a finished run whose pictures are all of the test images."""
    folder = tmp_path_factory.mktemp("results")
    options = {"train.epochs": EPOCHS - 1, "output.reconstructions": PICTURES, "output.keep": 2,
               "output.reconstruction_epochs": 1, "data.source": "cifar10", "data.dir": "cifar",
               "optimizer.lr": 0.01}
    support.write_cifar10(folder / "cifar")
    run(folder, write_config(folder, options), ranks=2, threads=2)
    return folder


@pytest.fixture(scope="module")
def results(folder):
    with h5py.File(folder / "run" / "results.h5", "r") as file:
        yield file


# ---- the shape of the file ----


def test_paths_and_shapes(results):
    found = {item.name[1:]: item.shape for item in datasets(results)}
    assert {path: found.get(path) for path in PATHS} == PATHS
    assert found.keys() == PATHS.keys()


def test_every_dataset_explains_itself(folder):
    for path in (folder / "run" / "results.h5", *support.checkpoints(folder / "run")):
        with h5py.File(path, "r") as file:
            assert len(datasets(file)) > 10
            assert_explains_itself(file)


@pytest.mark.parametrize("fault", ["units", "scale", "name"])
def test_a_dataset_that_does_not_is_found(tmp_path, fault):
    """The check above can fail."""
    with h5py.File(tmp_path / "bad.h5", "w") as file:
        for name in ("x", "values"):
            file[name] = np.arange(3)
            file[name].attrs.update({"units": "1", "long_name": "A", "description": "B"})
            file[name].dims[0].label = "x"
        file["x"].make_scale("x")
        if fault != "scale":
            file["values"].dims[0].attach_scale(file["x"])
        assert fault == "scale" or not assert_explains_itself(file)
        if fault == "units":
            del file["values"].attrs["units"]
        if fault == "name":
            file["values"].dims[0].label = "y"
        with pytest.raises(AssertionError):
            assert_explains_itself(file)


def test_storage(results):
    """Text is of variable length and UTF-8; what is large is in chunks, shuffled and deflated."""
    assert results["epochs/train_loss"].dtype == np.float64
    assert results["reconstructions/output"].dtype == np.float32
    for item in datasets(results):
        kind = h5py.check_string_dtype(item.dtype)
        assert kind is None or (kind.encoding, kind.length) == ("utf-8", None), item.name
    for path in ("reconstructions/output", "reconstructions/clean", "epochs/psnr_db"):
        item = results[path]
        assert item.chunks and item.shuffle and item.compression == "gzip", path
    for path in ("epochs/psnr_db", "reconstructions/output", "provenance/start"):
        assert results[path].maxshape[0] is None
    assert list(results["epochs"])[:3] == ["statistic", "epoch", "train_loss"]  # as created
    assert list(results["config"].attrs)[1:3] == ["run.dir", "run.seed"]


@pytest.mark.parametrize("group", ["epochs", "provenance", "test", "reconstructions", "config"])
def test_xarray_opens_every_group(folder, group):
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    pytest.importorskip("h5netcdf", reason="h5netcdf is not installed")
    path = folder / "run" / "results.h5"
    with xarray.open_dataset(path, group=group, engine="h5netcdf") as data:
        expected = {name.partition("/")[2] for name in PATHS if name.startswith(group + "/")}
        assert set(data.variables) == expected
        assert not any(str(dimension).startswith("phony_dim") for dimension in data.sizes)
        if group == "epochs":
            assert data["psnr_db"].sel(epoch=2).item() == data["psnr_db"].values[1]
            assert data["seconds_io"].dims == ("epoch", "statistic")
            assert data["seconds_io"].attrs["units"] == "s"
        if group == "reconstructions":
            assert data["output"].dims == ("epoch", "index", "channel", "row", "column")
            assert list(data["channel"].values) == ["red", "green", "blue"]


# ---- what it says ----


def test_configuration_is_that_printed(folder, results):
    printed, section = {}, None
    for line in run(folder, "--print-config", "small.ini", ranks=None).stdout.splitlines():
        if line.startswith("["):
            section = line[1:-1]
        elif line and not line.startswith("#"):
            key, _, value = line.partition(" = ")
            printed[f"{section}.{key}"] = value
    stored = dict(results["config"].attrs)
    assert stored.pop("description")
    assert stored == printed and len(printed) > 30
    assert results["config/ini"][()].decode() == (folder / "small.ini").read_text()


def test_provenance(folder, results):
    rows = {name: item[0] for name, item in results["provenance"].items()}
    assert (rows["start"], rows["ranks"], rows["threads"]) == (0, 2, 4)
    assert (rows["from_epoch"], rows["from_step"]) == (0, 0)
    version = run(folder, "--version", ranks=None).stdout
    for name in ("version", "revision", "mpi", "hdf5", "compiler", "flags", "kernel_path"):
        assert rows[name].decode() in version, name
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:?\d\d", rows["time"].decode())
    assert re.fullmatch(r"[^:]+:2", rows["hosts"].decode())
    assert re.fullmatch(r"[0-9a-f]{32}", rows["data_hash"].decode())


def test_clean_images_are_the_files(folder, results):
    records = np.fromfile(folder / "cifar" / "test_batch.bin", np.uint8, TEST * support.RECORD_SIZE)
    records = records.reshape(TEST, support.RECORD_SIZE)
    pixels = records[:, 1:].reshape(TEST, 3, 32, 32)
    assert np.abs(results["reconstructions/clean"][()] - pixels / 255).max() < 1e-7
    for group in ("test", "reconstructions"):
        assert results[group]["label"][()].tolist() == records[:, 0].tolist()
        assert results[group]["index"][()].tolist() == list(range(TEST))


def test_noise(results):
    clean, noisy = (results["reconstructions"][name][()] for name in ("clean", "noisy"))
    noise = (noisy - clean)[(clean > 0.3) & (clean < 0.6)]  # far from the clamp at 1
    assert abs(noise.std() - 0.1) < 0.002 and abs(noise.mean()) < 0.002
    assert noisy.min() < -0.1 and noisy.max() == 1


def mse(left, right):
    return np.mean((left.astype(float) - right.astype(float)) ** 2, axis=(-3, -2, -1))


def psnr_db(left, right):
    return 10 * np.log10(1 / mse(left, right))


def ssim(left, right, data_range=1.0):
    """Mean over 7 x 7 windows inside the image, then over channels; sample covariance."""
    windows = [np.lib.stride_tricks.sliding_window_view(image.astype(float), (7, 7), (-2, -1))
               for image in (left, right)]
    x, y = (window.reshape(*window.shape[:-2], 49) for window in windows)
    mean_x, mean_y = x.mean(-1), y.mean(-1)
    covariance = ((x - mean_x[..., None]) * (y - mean_y[..., None])).sum(-1) / 48
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    values = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)
              / ((mean_x ** 2 + mean_y ** 2 + c1) * (x.var(-1, ddof=1) + y.var(-1, ddof=1) + c2)))
    return values.mean((-3, -2, -1))


def close(found, expected):
    return np.abs(np.asarray(found) - expected).max() < 1e-9


def test_figures_of_each_epoch(results):
    """All test images' outputs are there, so that every figure can be had again from them."""
    epochs, pictures = results["epochs"], results["reconstructions"]
    clean, output = pictures["clean"][()], pictures["output"][()]
    assert pictures["epoch"][()].tolist() == STORED
    assert close(epochs["psnr_db"][()], psnr_db(output, clean).mean(1))
    assert close(epochs["psnr_pooled_db"][()], -10 * np.log10(mse(output, clean).mean(1)))
    assert close(epochs["test_loss"][()], mse(output, clean).mean(1))
    assert close(epochs["ssim"][()], ssim(output, clean).mean(1))
    assert close(epochs["psnr_first10_db"][()], psnr_db(output, clean)[:, :10].mean(1))
    assert close(epochs["ssim_first10_range2"][()], ssim(output, clean, 2)[:, :10].mean(1))
    assert not close(epochs["psnr_db"][()], psnr_db(output, pictures["noisy"][()]).mean(1))
    assert not close(epochs["ssim"][()], ssim(output, clean, 2).mean(1))


def test_figures_of_each_image(results):
    test, pictures = results["test"], results["reconstructions"]
    clean, noisy, output = (pictures[name][()] for name in ("clean", "noisy", "output"))
    assert close(test["psnr_db"][()], psnr_db(output[-1], clean))
    assert close(test["ssim"][()], ssim(output[-1], clean))
    assert close(test["input_psnr_db"][()], psnr_db(noisy, clean))
    assert close(test["input_ssim"][()], ssim(noisy, clean))
    assert not close(test["psnr_db"][()], psnr_db(output[-2], clean))


def test_other_columns(results):
    epochs = results["epochs"]
    assert epochs["epoch"][()].tolist() == [1, 2, 3]
    assert epochs["learning_rate"][()].tolist() == [0.01] * 3
    assert epochs["noise_sigma"][()].tolist() == [0, 0.1, 0.1]
    assert epochs["test_noise_sigma"][()].tolist() == [0, 0.1, 0.1]
    assert epochs["psnr_infinite"][()].tolist() == [0, 0, 0]
    assert (epochs["images_per_s"][()] > 0).all() and (epochs["seconds"][()] > 0).all()
    for name in TIMES:
        low, mean, high = epochs[name][()].T
        assert (0 <= low).all() and (low <= mean).all() and (mean <= high).all(), name
        assert (high <= epochs["seconds"][()] * 1.05 + 0.01).all() or name == "seconds_io", name


# ---- checkpoints ----


def test_checkpoint_as_pytorch_has_it(folder):
    paths = support.checkpoints(folder / "run")
    assert [path.name for path in paths] == ["epoch-0002.h5", "epoch-0003.h5"]  # output.keep = 2
    shapes = {"encoder.0.weight": (8, 3, 3, 3), "encoder.0.bias": (8,),
              "encoder.2.weight": (8, 8, 3, 3), "encoder.2.bias": (8,),
              "decoder.0.weight": (8, 8, 3, 3), "decoder.0.bias": (8,),
              "decoder.2.weight": (8, 3, 3, 3), "decoder.2.bias": (3,)}
    for group in ("parameters", "optimizer/exp_avg", "optimizer/exp_avg_sq"):
        tensors = support.arrays(paths[-1], group)
        assert {name: value.shape for name, value in tensors.items()} == shapes
        assert all(value.dtype == np.float32 and np.isfinite(value).all()
                   for value in tensors.values())
    assert support.arrays(paths[0], "parameters")["encoder.0.bias"].tolist() != \
        support.arrays(paths[1], "parameters")["encoder.0.bias"].tolist()


def correlate(planes, weight):
    """The valid convolution of [image][in][row][column] with [out][in][row][column]."""
    windows = np.lib.stride_tricks.sliding_window_view(planes, weight.shape[2:], (2, 3))
    return np.einsum("nihwab,oiab->nohw", windows, weight, optimize=True)


def test_checkpoint_makes_the_stored_output(folder, results):
    """The network, written down in numpy, gives what results.h5 holds."""
    tensors = {name: value.astype(float) for name, value in
               support.arrays(support.checkpoints(folder / "run")[-1], "parameters").items()}
    planes = results["reconstructions/noisy"][()].astype(float)
    for layer in ("encoder.0", "encoder.2", "decoder.0", "decoder.2"):
        weight, bias = tensors[layer + ".weight"], tensors[layer + ".bias"]
        if layer.startswith("decoder"):  # transposed: the adjoint
            planes = np.pad(planes, ((0, 0), (0, 0), (2, 2), (2, 2)))
            weight = weight.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
        planes = correlate(planes, weight) + bias[:, None, None]
        planes = 1 / (1 + np.exp(-planes)) if layer == "decoder.2" else np.maximum(planes, 0)
    assert np.abs(planes - results["reconstructions/output"][-1]).max() < 1e-5


def test_position_and_contract(folder):
    with h5py.File(support.checkpoints(folder / "run")[-1], "r") as file:
        position = dict(file["position"].attrs)
        assert (position["epoch"], position["step"]) == (EPOCHS, 0)
        assert position["updates"] == EPOCHS * math.ceil(TRAIN / 20)
        contract = dict(file["contract"].attrs)
        assert contract["block"] == 1 and contract["fraction_bits"] == 40
        assert file.attrs["content_hash"]


# ---- while a run is under way ----


def test_results_open_at_any_moment(tmp_path):
    """From the moment it is there, results.h5 opens, and only grows."""
    path, lengths = tmp_path / "run" / "results.h5", []
    with Run(tmp_path, [write_config(tmp_path, {"train.epochs": 60})]) as started:
        while started.is_running():
            time.sleep(0.002)
            if not path.exists() and not lengths:
                continue
            with h5py.File(path, "r") as file:
                rows = {len(item) for name, item in file["epochs"].items() if name != "statistic"}
                assert len(rows) == 1
                lengths.append(rows.pop())
                assert set(file["test"]) >= {"index", "label"}
        assert started.wait().code == support.DONE, started.tail
    assert len(lengths) > 20 and lengths == sorted(lengths) and len(set(lengths)) > 5
    with h5py.File(path, "r") as file:
        assert len(file["epochs/epoch"]) == 61
