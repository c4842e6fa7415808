"""Each source of images is trained on: the same bits on any layout, and through a kill."""
import gzip
import struct
import zlib

import h5py
import numpy as np
import pytest
import support
from support import (DATA, USAGE, assert_refused, checkpoints, differences, epoch_line, numbers, run,
                     stop_at, write_config)

GREY = "conv 4 3 relu, tconv 1 3 sigmoid"
COLOUR = "conv 4 3 relu, tconv 3 3 sigmoid"
LAYOUTS = [(2, 1), (3, 2)]  # ranks, threads


def make_cifar100(folder):
    (folder / "cifar").mkdir()
    for name, count in (("train.bin", 50000), ("test.bin", 10000)):
        records = np.random.default_rng(count).integers(0, 256, (200, 3074), dtype=np.uint8)
        records[:, 0] %= 20
        records[:, 1] %= 100
        with open(folder / "cifar" / name, "wb") as file:
            file.write(records.tobytes())
            file.truncate(count * 3074)
    return {"data.dir": "cifar", "model.layers": COLOUR}


def make_idx(folder):
    support.write_idx(folder / "train-images-idx3-ubyte")
    plain = support.write_idx(folder / "plain", count=30).read_bytes()
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(plain))
    labels = np.arange(200, dtype=np.uint8)
    (folder / "train-labels-idx1-ubyte").write_bytes(
        bytes([0, 0, 8, 1]) + np.array([200], ">u4").tobytes() + labels.tobytes())
    return {"data.train": "train-images-idx3-ubyte", "data.test": "t10k-images-idx3-ubyte.gz",
            "model.layers": GREY}


def make_idx_fraction(folder):
    support.write_idx(folder / "images")
    return {"data.train": "images", "data.test_fraction": 0.2, "model.layers": GREY,
            "data.train_images": 130, "data.test_images": 20}


def make_hdf5(folder):
    pixels = np.random.default_rng(5).integers(0, 4096, (180, 9, 12, 3), dtype=np.uint16)
    with h5py.File(folder / "stack.h5", "w") as file:
        file.create_dataset("scan/train", data=pixels[:150], chunks=(16, 9, 6, 3),
                            compression="gzip", shuffle=True, fletcher32=True)
        file.create_dataset("scan/test", data=pixels[150:])
    return {"data.train": "stack.h5:/scan/train", "data.test": "stack.h5:/scan/test",
            "data.axes": "NHWC", "data.range": "0 4095", "model.layers": COLOUR}


def make_hdf5_floats(folder):
    pixels = np.random.default_rng(6).normal(100, 30, (200, 10, 10))
    with h5py.File(folder / "stack.h5", "w") as file:
        file.create_dataset("images", data=pixels.astype(np.float16), chunks=(7, 10, 10))
    return {"data.train": "stack.h5:/images", "data.test_fraction": 0.2, "data.axes": "NHW",
            "model.layers": GREY, "data.test_images": 20}


def make_hdf5_crops(folder):
    generator = np.random.default_rng(7)
    with h5py.File(folder / "stack.h5", "w") as file:
        file["train"] = generator.integers(0, 256, (70, 3, 13, 17), dtype=np.uint8)
        file["test"] = generator.integers(0, 256, (20, 3, 8, 8), dtype=np.uint8)
    return {"data.train": "stack.h5:/train", "data.test": "stack.h5:/test", "model.layers": COLOUR,
            "data.train_images": 70, "data.patch": 8, "data.crops": 3,
            "data.augment": "symmetries", "train.validation_images": 13}


def make_pictures(folder):
    generator = np.random.default_rng(8)
    for kind, count in (("train", 30), ("test", 20)):
        (folder / kind).mkdir()
        for index in range(count):
            sides = generator.integers(9, 40, 2) if kind == "train" else (9, 9)
            depth = np.uint16 if index % 3 == 0 else np.uint8
            pixels = generator.integers(0, np.iinfo(depth).max + 1, (*sides, 3 + index % 2))
            support.write_png(folder / kind / f"{index:03}.png", pixels.astype(depth))
    return {"data.train": "train", "data.test": "test", "model.layers": COLOUR, "data.patch": 9,
            "data.train_images": 30, "data.crops": 5, "data.augment": "symmetries",
            "train.validation_images": 3}


def make_pictures_of_any_size(folder):
    options = make_pictures(folder)
    for index in range(0, 20, 3):  # some of one tile, some of several, one too small for SSIM
        sides = (5, 40) if index == 3 else (10 + 30 * index, 150 - 3 * index)
        pixels = np.random.default_rng(index).integers(0, 256, (*sides, 3))
        support.write_png(folder / "test" / f"{index:03}.png", pixels.astype(np.uint8))
    return options


def make_deadleaves(folder):
    return {"data.size": "20 28", "data.channels": 1, "model.layers": GREY}


SOURCES = {"cifar100": make_cifar100, "idx": make_idx, "idx, fraction": make_idx_fraction,
           "hdf5": make_hdf5, "hdf5, floats": make_hdf5_floats,
           "hdf5, crops": make_hdf5_crops, "pictures": make_pictures, "pictures, any size": make_pictures_of_any_size,
           "deadleaves": make_deadleaves}


def begin(folder, case):
    """Makes the files; returns the configuration's name."""
    options = {"data.source": case.partition(",")[0], "train.epochs": 2, **SOURCES[case](folder)}
    return write_config(folder, options)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Gives the folder of a case with its finished run on one rank, in run/, and what that
    said; each is made once."""
    made = {}

    def folder_of(case):
        if case not in made:
            made[case] = tmp_path_factory.mktemp("undisturbed")
            done = run(made[case], begin(made[case], case), ranks=None)
            (made[case] / "said").write_text(done.stdout)
        return made[case]

    return folder_of


@pytest.mark.parametrize("case", SOURCES)
def test_same_bits(undisturbed, case):
    folder = undisturbed(case)
    for ranks, threads in LAYOUTS:
        run(folder, "small.ini", "--set", f"run.dir=run{ranks}{threads}", ranks=ranks,
            threads=threads)
        assert differences(numbers(folder / f"run{ranks}{threads}"), numbers(folder / "run")) == []


@pytest.mark.parametrize("case", SOURCES)
def test_killed_and_gone_on_with(undisturbed, case):
    folder = undisturbed(case)
    stop_at(folder, ["small.ini", "--set", "run.dir=stopped", "--set", "output.checkpoint_steps=1"],
            epoch_line(1, 3), ranks=2)
    run(folder, "small.ini", "--set", "run.dir=stopped", ranks=3)
    assert differences(numbers(folder / "stopped"), numbers(folder / "run")) == []


def test_labels_are_stored(tmp_path):
    run(tmp_path, begin(tmp_path, "cifar100"), ranks=2)
    with h5py.File(tmp_path / "run" / "results.h5", "r") as file:
        stored = file["test/label"][()]
    with open(tmp_path / "cifar" / "test.bin", "rb") as file:
        records = np.frombuffer(file.read(20 * 3074), np.uint8).reshape(20, 3074)
    assert stored.tolist() == records[:, 1].tolist()


@pytest.mark.parametrize("case", SOURCES)
def test_check_tells_what_there_is(tmp_path, case):
    done = run(tmp_path, "--check", begin(tmp_path, case), ranks=None)
    test = {"hdf5, crops": "3 x 8 x 8", "pictures": "3 x 9 x 9",
            "pictures, any size": "3 x different sizes"}
    shape = {"cifar100": "3 x 32 x 32", "deadleaves": "1 x 20 x 28", "hdf5": "3 x 9 x 12",
             "hdf5, floats": "1 x 10 x 10", "hdf5, crops": "3 x 13 x 17", "pictures": "3 x different sizes",
             "pictures, any size": "3 x different sizes"}.get(case, "1 x 8 x 8")
    kind = {"hdf5": "16 bits", "pictures": "16 bits", "pictures, any size": "16 bits", "hdf5, floats": "32-bit floats"}.get(case, "8 bits")
    labels = "; with labels" if case in ("cifar100", "deadleaves") else ""
    assert f"pixels   {shape} to train on, {test.get(case, shape)} to test on, of {kind}{labels}\n" in done.stdout
    assert not (tmp_path / "run").exists()


def train_once(folder, options):
    """The parameters' hash after an epoch on the hdf5 source with crops, and the steps in all."""
    config = write_config(folder, {"data.source": "hdf5", **make_hdf5_crops(folder),
                                   "train.pretrain_epochs": 0, **options})
    done = run(folder, config, "--set", f"run.dir=run{len(list(folder.iterdir()))}", ranks=None)
    return done.hash, done.stdout


def test_crops_and_symmetries_change_what_is_learnt(tmp_path):
    """Each of the options, and the seed by which they are drawn."""
    hashes = [train_once(tmp_path, options)[0] for options in (
        {}, {"data.crops": 2}, {"data.augment": "flip"}, {"data.augment": "none"},
        {"data.train_images": 60})]
    assert len(set(hashes)) == len(hashes)
    _, said = train_once(tmp_path, {})
    assert "9 steps each, 20 images a step" in said  # 57 pictures x 3


def test_whole_pictures_once_are_as_without_the_options(tmp_path):
    """A patch as large as the pictures: there is one place for it."""
    config = write_config(tmp_path, {"data.size": 16})
    plain = run(tmp_path, config, "--set", "run.dir=plain", ranks=None)
    patch = run(tmp_path, config, "--set", "run.dir=patch", "--set", "data.patch=16", ranks=None)
    assert plain.hash == patch.hash


def figures(run_dir):
    with h5py.File(run_dir / "results.h5", "r") as file:
        return {name: values[()] for name, values in file["test"].items()}, file["epochs/ssim"][-1]


def test_whole_pictures_have_the_figures_that_samples_have(tmp_path):
    """The same pictures, evaluated as samples are, and beside one of another size."""
    generator = np.random.default_rng(3)
    for name in ("train", "test", "mixed"):
        (tmp_path / name).mkdir()
    for index in range(6):
        for name in ("train", "test", "mixed"):
            if name != "mixed":
                pixels = generator.integers(0, 256, (40, 150), dtype=np.uint8)
            support.write_png(tmp_path / name / f"{index}.png", pixels)
    support.write_png(tmp_path / "mixed" / "9.png", pixels[:, :6])
    options = {"data.source": "pictures", "data.train": "train", "data.test": "test",
               "data.train_images": 0, "data.test_images": 0, "model.layers": GREY}
    config = write_config(tmp_path, options)
    for loss in ("mse", "l1"):
        run(tmp_path, config, "--set", f"run.dir=one{loss}", "--set", f"train.loss={loss}",
            ranks=None)
        done = run(tmp_path, config, "--set", f"run.dir=many{loss}", "--set",
                   f"train.loss={loss}", "--set", "data.test=mixed", threads=2)
        assert "side below 7 pixels have no SSIM" in done.stderr
        one, one_ssim = figures(tmp_path / f"one{loss}")
        many, many_ssim = figures(tmp_path / f"many{loss}")
        for name in ("psnr_db", "ssim", "input_psnr_db", "input_ssim"):
            assert np.array_equal(many[name][:6], one[name])
        assert np.isnan(many["ssim"][6]) and np.isfinite(many["psnr_db"][6])
        assert many_ssim == one_ssim


def test_test_pictures_of_one_other_size(tmp_path):
    """They are kept as pictures too, whole."""
    config = write_config(tmp_path, {"data.size": "20 24", "data.patch": 16,
                                     "output.reconstructions": 3})
    first = run(tmp_path, config)
    with h5py.File(tmp_path / "run" / "results.h5", "r") as file:
        assert file["reconstructions/output"].shape == (2, 3, 3, 20, 24)
        clean = file["reconstructions/clean"][()]
        assert 0 < clean.std() < 1 and abs(file["reconstructions/output"][-1] - clean).max() > 0
    again = run(tmp_path, config, "--set", "run.dir=again", ranks=3, threads=2)
    assert first.hash == again.hash
    assert differences(numbers(tmp_path / "run"), numbers(tmp_path / "again")) == []


def png(folder, name, sides, depth=np.uint8):
    folder.mkdir(exist_ok=True)
    support.write_png(folder / name, np.zeros(sides, depth))


def many_sizes(folder):
    png(folder / "in", "a.png", (9, 8))
    png(folder / "in", "b.png", (12, 20))


def a_broken_one(folder):
    many_sizes(folder)
    (folder / "in" / "c.png").write_bytes((folder / "in" / "b.png").read_bytes()[:60])


def colour_among_grey(folder):
    many_sizes(folder)
    png(folder / "in", "d.png", (10, 10, 3))


def a_bomb(folder):
    """A header that tells of 10^12 pixels."""
    many_sizes(folder)
    head = struct.pack(">IIBBBBB", 10 ** 6, 10 ** 6, 8, 0, 0, 0, 0)
    (folder / "in" / "e.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head
        + struct.pack(">I", zlib.crc32(b"IHDR" + head)))


PICTURE_FAULTS = {
    "different sizes": (many_sizes, {}, USAGE,
                        ["patch (default) = 0 takes whole images, and these are of different sizes",
                         "has 9 x 8 pixels: set it to at most 8"]),
    "broken": (a_broken_one, {"data.patch": 8}, DATA, ["in/c.png"]),
    "colour among grey": (colour_among_grey, {"data.patch": 8}, DATA, ["in/d.png' has 3 channels"]),
    "bomb": (a_bomb, {"data.patch": 8}, DATA, ["in/e.png"]),
    "nothing": (lambda folder: (folder / "in").mkdir(), {"data.patch": 8}, DATA, ["in"]),
}


@pytest.mark.parametrize("fault", PICTURE_FAULTS)
def test_picture_faults(tmp_path, fault):
    make, options, code, fragments = PICTURE_FAULTS[fault]
    make(tmp_path)
    png(tmp_path / "test", "t.png", (8, 8))
    config = write_config(tmp_path, {"data.source": "pictures", "data.train": "in",
                                     "data.test": "test", "model.layers": GREY, **options,
                                     "data.train_images": 0, "data.test_images": 0})
    done = run(tmp_path, config, expect=None, ranks=3)
    assert done.code == code and done.text.count("ae_dist: error:") == 1, done.tail
    for fragment in fragments:
        assert fragment in done.stderr, done.tail


ONE_SIDE = "maxpool, tconv 1 5 none"  # makes 4 + side / 2: 8 of 8 alone


def test_test_pictures_that_the_network_does_not_fit(tmp_path):
    """Before anything is made, and by --check too."""
    png(tmp_path / "in", "a.png", (9, 8))
    for name, sides in (("fits", (8, 7)), ("tall", (10, 8)), ("wide", (7, 9))):
        png(tmp_path / "test", f"{name}.png", sides)
    config = write_config(tmp_path, {"data.source": "pictures", "data.train": "in",
                                     "data.test": "test", "data.patch": 8, "data.train_images": 0,
                                     "data.test_images": 0, "model.layers": ONE_SIDE})
    for arguments in ((config,), ("--check", config)):
        done = run(tmp_path, *arguments, expect=None, ranks=3)
        assert_refused(done, DATA, "test/tall.png', to test on, has 10 x 8 pixels, which the "
                                   "network doesn't return to that size")
        assert not (tmp_path / "run").exists()
    (tmp_path / "test" / "tall.png").unlink()
    assert_refused(run(tmp_path, "--check", config, expect=None), DATA, "test/wide.png'", "7 x 9")
    (tmp_path / "test" / "wide.png").unlink()
    run(tmp_path, "--check", config)
    run(tmp_path, config)


def test_test_images_of_one_size_that_the_network_does_not_fit(tmp_path):
    config = write_config(tmp_path, {"data.size": "10 14", "data.patch": 8, "data.channels": 1,
                                     "data.source": "deadleaves", "model.layers": ONE_SIDE})
    done = run(tmp_path, "--check", config, expect=None)
    assert_refused(done, DATA, "test image 0 (from 0), to test on, has 10 x 14 pixels")


PATCH_FAULTS = {
    "larger than the images": ({"data.size": "32 20", "data.patch": 21},
                               ["[data] patch is larger than a training image; the smallest training"
                                " image has 32 x 20 pixels: set it to at most 20"]),
    "quarter turns": ({"data.size": "32 20", "data.augment": "symmetries"},
                      ["[data] augment = symmetries turns samples by quarter turns, and they have "
                       "32 x 20 pixels"]),
    "too many": ({"data.train_images": 50000, "data.crops": 1000000},
                 ["[data] crops = 1000000 of each of 50000 training images are more samples"]),
}


@pytest.mark.parametrize("fault", PATCH_FAULTS)
def test_patches_that_do_not_fit(tmp_path, fault):
    options, fragments = PATCH_FAULTS[fault]
    done = run(tmp_path, write_config(tmp_path, options), expect=None, ranks=3)
    assert_refused(done, USAGE, *fragments)
    assert not (tmp_path / "run").exists()


def test_pictures_of_any_size_are_kept(tmp_path):
    """Each whole, with the figures that /test tells."""
    run(tmp_path, begin(tmp_path, "pictures, any size"), "--set", "output.reconstructions=4")
    with h5py.File(tmp_path / "run" / "results.h5", "r") as file:
        psnr, sides = file["test/psnr_db"][()], {}
        assert "label" not in file["test"]
        for item in support.datasets(file):
            if not item.name.endswith("/output"):
                continue
            for place, index in enumerate(item.parent["index"][()]):
                clean = item.parent["clean"][place].astype(np.float64)
                error = np.mean((item[-1, place] - clean) ** 2)
                assert abs(-10 * np.log10(error) - psnr[index]) < 1e-6
                sides[int(index)] = clean.shape[1:]
    assert sides == {0: (10, 150), 1: (9, 9), 2: (9, 9), 3: (5, 40)}


def test_a_model_tells_the_range(undisturbed):
    folder = undisturbed("hdf5, floats")
    with h5py.File(folder / "run" / "model.h5", "r") as file:
        zero, one = file["images/zero"][()], file["images/one"][()]
    assert f"range    {zero:.9g} becomes 0 and {one:.9g} becomes 1" in (folder / "said").read_text()


def test_range_is_measured_over_the_training_images(tmp_path):
    """Not over those for testing, which are brighter."""
    pixels = np.linspace(-3, 5, 200 * 64, dtype=np.float32).reshape(200, 8, 8)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["train"], file["test"] = pixels[50:], 100 * pixels
    options = {"data.source": "hdf5", "data.train": "a.h5:/train", "data.test": "a.h5:/test",
               "data.axes": "NHW", "model.layers": GREY}
    done = run(tmp_path, write_config(tmp_path, {**options, "data.train_images": 0}), ranks=3)
    low, high = pixels[50:].min(), pixels.max()
    assert f"range    {low:.9g} becomes 0 and {high:.9g} becomes 1" in done.stdout
    with h5py.File(tmp_path / "run" / "results.h5", "r") as file:
        clean = file["reconstructions/clean"][()]
    wanted = ((100 * pixels[:10]).astype(np.float64) - low) / (np.float64(high) - low)
    assert np.array_equal(clean[:, 0], wanted.astype(np.float32))


HDF5_FAULTS = {
    "nan": (np.full((3, 8, 8), np.nan), {},
            ["image 0 (from 0) of 'a.h5:/images' holds a NaN or an infinity"]),
    "beyond float": (np.full((3, 8, 8), 1e60), {}, ["holds a NaN or an infinity"]),
    "all alike": (np.full((3, 8, 8), 2.5), {},
                  ["every value of the training images is 2.5; set data.range"]),
    "complex": (np.zeros((3, 8, 8), complex), {}, ["holds neither integers nor floating point"]),
    "no filter": (np.zeros((3, 8, 8), np.uint8), {"compression": "lzf"},
                  ["with the filter 32000 (lzf), which this HDF5 library lacks"]),
    "too many": (None, {"shape": (10 ** 9, 1000, 1000), "dtype": "u1", "chunks": (1, 100, 100)},
                 ["the images take 2000000.0 GB", "of memory; take fewer"]),
    "no room": (None, {"shape": (1, 10 ** 6, 10 ** 6), "dtype": "u1", "chunks": (1, 100, 100)},
                ["which is more than any can have"]),
}


@pytest.mark.parametrize("fault", HDF5_FAULTS)
def test_hdf5_faults(tmp_path, fault):
    values, how, fragments = HDF5_FAULTS[fault]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("images", data=values, **how)
    config = write_config(tmp_path, {
        "data.source": "hdf5", "data.train": "a.h5:/images", "data.test": "a.h5:/images",
        "data.axes": "NHW", "model.layers": GREY, "data.train_images": 0, "data.test_images": 0})
    assert_refused(run(tmp_path, config, expect=None, ranks=3), DATA, *fragments)


def test_other_images_are_noticed(tmp_path):
    """A changed pixel of a test image, when the run goes on."""
    config = begin(tmp_path, "idx, fraction")
    run(tmp_path, config)
    checkpoints(tmp_path / "run")[-1].unlink()
    with open(tmp_path / "images", "r+b") as file:
        file.seek(16 + 5)
        file.write(bytes([255 - file.read(1)[0]]))
    assert_refused(run(tmp_path, config, expect=None), DATA, "the images (hash ",
                   "are not those the run in run was begun with")


OPTION_FAULTS = {
    "no files": ({"data.source": "idx"}, ["data.train is empty"]),
    "no test images": ({"data.source": "idx", "data.train": "images"},
                       ["there are no test images: set data.test"]),
    "all test images": ({"data.source": "idx", "data.train": "images",
                         "data.test_fraction": 0.9999999},
                        ["data.test_fraction = 1 leaves 0 of 200 images to train on"]),
    "two sets of test images": ({"data.source": "deadleaves", "data.test_fraction": 0.1},
                                ["data.test_fraction = 0.1 keeps training images"]),
    "too many": ({"data.source": "idx", "data.train": "images", "data.test_fraction": 0.5,
                  "data.train_images": 201}, ["data.train_images = 201, but there are "]),
}


@pytest.mark.parametrize("fault", OPTION_FAULTS)
def test_options_that_do_not_fit(tmp_path, fault):
    support.write_idx(tmp_path / "images")
    options, fragments = OPTION_FAULTS[fault]
    done = run(tmp_path, write_config(tmp_path, options), expect=None, ranks=3)
    assert_refused(done, USAGE, *fragments)
    assert not (tmp_path / "run").exists()
