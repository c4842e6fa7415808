"""Bad options and bad images: one message that names the file or key, the fault and the cure.

Starts under mpirun take a second where they fail, so some faults of a kind are tried alone.
"""
import gzip

import pytest
import support
from support import DATA, FILES, NUMERIC, USAGE, assert_refused, run, write_config

RANKS = 4  # nothing is printed four times
CIFAR_CURE = "fetch CIFAR-10 with 'cmake --build build --target cifar10', or point data.dir at"


def refuse(folder, code, *fragments, options=None, arguments=(), ranks=RANKS, **how):
    """Runs it with the options; it must be refused, and leave no run folder."""
    config = write_config(folder, options)
    done = run(folder, *arguments, config, expect=None, ranks=ranks, **how)
    assert_refused(done, code, *fragments)
    assert not (folder / "run").exists()


# ---- images ----


def change(path, offset, value):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(bytes([value]))


def cut(path, size):
    with open(path, "r+b") as file:
        file.truncate(size)


def record(number):
    """Offset of a record in its file, where its label lies."""
    return number * support.RECORD_SIZE


IMAGE_FAULTS = {
    "no folder": (lambda folder: folder.rename(folder.parent / "elsewhere"),
                  ["the data folder 'cifar' does not exist"]),
    "a file for a folder": (lambda folder: (folder.rename(folder.parent / "elsewhere"),
                                            folder.write_text("")),
                            ["data.dir 'cifar' is not a folder"]),
    "missing batch": (lambda folder: (folder / "data_batch_3.bin").unlink(),
                      ["the batch 'cifar/data_batch_3.bin' is missing"]),
    "missing test batch": (lambda folder: (folder / "test_batch.bin").unlink(),
                           ["the batch 'cifar/test_batch.bin' is missing"]),
    "truncated": (lambda folder: cut(folder / "data_batch_2.bin", 30000000),
                  ["'cifar/data_batch_2.bin' has 30000000 bytes where 30730000 were expected",
                   "cut short"]),
    "too long": (lambda folder: cut(folder / "data_batch_5.bin", 30730001),
                 ["'cifar/data_batch_5.bin' has 30730001 bytes", "not a CIFAR-10 binary file"]),
    "empty": (lambda folder: cut(folder / "data_batch_1.bin", 0),
              ["'cifar/data_batch_1.bin' is empty, 30730000 bytes were expected"]),
    "a folder for a file": (lambda folder: ((folder / "data_batch_4.bin").unlink(),
                                            (folder / "data_batch_4.bin").mkdir()),
                            ["'cifar/data_batch_4.bin' is not a regular file"]),
}
LABEL_FAULTS = {
    # The first rank reads the first records, the last one those for testing.
    "label 10": (lambda folder: change(folder / "data_batch_1.bin", record(5), 10),
                 ["record 5 (from 0) of 'cifar/data_batch_1.bin' has label 10",
                  "labels are 0 to 9"]),
    "label 10 elsewhere": (lambda folder: change(folder / "test_batch.bin", record(19), 10),
                           ["rank 3 on ", "record 19 (from 0) of 'cifar/test_batch.bin'"]),
}


CIFAR = {"data.source": "cifar10", "data.dir": "cifar"}


@pytest.mark.parametrize("fault", IMAGE_FAULTS)
def test_images(tmp_path, fault):
    damage, fragments = IMAGE_FAULTS[fault]
    damage(support.write_cifar10(tmp_path / "cifar"))
    refuse(tmp_path, DATA, CIFAR_CURE, *fragments, options=CIFAR)


@pytest.mark.parametrize("fault", LABEL_FAULTS)
def test_labels(tmp_path, fault):
    """These are found as the images are read, in a run folder that is open by then."""
    damage, fragments = LABEL_FAULTS[fault]
    damage(support.write_cifar10(tmp_path / "cifar"))
    done = run(tmp_path, write_config(tmp_path, CIFAR), expect=None, ranks=RANKS)
    assert_refused(done, DATA, CIFAR_CURE, *fragments)
    assert support.checkpoints(tmp_path / "run") == []


def test_check_finds_bad_images(tmp_path):
    damage, fragments = LABEL_FAULTS["label 10"]
    damage(support.write_cifar10(tmp_path / "cifar"))
    refuse(tmp_path, DATA, CIFAR_CURE, *fragments, options=CIFAR, arguments=["--check"])


def test_whole_images_are_taken(tmp_path):
    """The files the faults above are made of have none."""
    support.write_cifar10(tmp_path / "cifar")
    run(tmp_path, write_config(tmp_path, CIFAR), ranks=RANKS)


NOT_PUBLISHED = "are not CIFAR-10 as published: "


def check_warnings(folder, *arguments):
    """Warnings of --check about the images in cifar/, which it takes."""
    config = write_config(folder, {**CIFAR, "data.train_images": 0, "data.test_images": 0})
    done = run(folder, "--check", config, *arguments, ranks=RANKS)
    return [line for line in done.stderr.splitlines() if "data.dir 'cifar'" in line]


def test_one_batch_six_times(tmp_path):
    """Each file has the right size and labels, and is trained on; but it is said."""
    folder = support.write_cifar10(tmp_path / "cifar", images=support.FILE_RECORDS)
    for name in support.BATCH_NAMES[1:]:
        (folder / name).unlink()
        (folder / name).hardlink_to(folder / support.BATCH_NAMES[0])
    warning, = check_warnings(tmp_path)
    repeated = ", ".join(f"{name} (the same as data_batch_1.bin)"
                         for name in support.BATCH_NAMES[1:])
    assert f"'cifar' {NOT_PUBLISHED}data_batch_1.bin, {repeated}. " in warning
    assert CIFAR_CURE in warning


def test_holes(tmp_path):
    """Zeros where something was not copied: half a file, and a whole one."""
    folder = support.write_cifar10(tmp_path / "cifar", images=support.FILE_RECORDS)
    cut(folder / "data_batch_2.bin", record(6000))
    cut(folder / "data_batch_4.bin", 0)
    for name in ("data_batch_2.bin", "data_batch_4.bin"):
        cut(folder / name, record(support.FILE_RECORDS))
    published, blank = check_warnings(tmp_path)
    assert f"{NOT_PUBLISHED}{', '.join(support.BATCH_NAMES)}. " in published
    assert "in every pixel: 4000 of data_batch_2.bin, 10000 of data_batch_4.bin. " in blank


def test_parts_of_files_are_taken_as_they_are(tmp_path):
    """Only whole files can be told from those published; pictures that are made never are."""
    support.write_cifar10(tmp_path / "cifar")
    assert check_warnings(tmp_path, "--set", "data.train_images=150", "--set",
                          "data.test_images=150") == []
    assert check_warnings(tmp_path, "--set", "data.source=deadleaves", "--set",
                          "data.train_images=50", "--set", "data.test_images=20") == []


def test_the_published_images(tmp_path):
    """Where they are: no warning."""
    published = support.ROOT / "data" / "cifar-10-batches-bin"
    if not published.is_dir():
        pytest.skip("CIFAR-10 isn't in data/")
    (tmp_path / "cifar").symlink_to(published)
    assert check_warnings(tmp_path) == []


def test_python_version(tmp_path):
    """What is there in place of the batches is told, once for all ranks."""
    (tmp_path / "cifar").mkdir()
    for name in ("batches.meta", "data_batch_1", "test_batch"):
        (tmp_path / "cifar" / name).touch()
    refuse(tmp_path, DATA, "there is a folder with batches.meta, data_batch_1, test_batch; ",
           "'cifar' holds CIFAR-10's Python version, where the binary one is read", CIFAR_CURE,
           options=CIFAR)


def test_labels_of_images_not_asked_for_are_not_read(tmp_path):
    folder = support.write_cifar10(tmp_path / "cifar")
    change(folder / "data_batch_1.bin", record(130), 10)
    run(tmp_path, write_config(tmp_path, CIFAR))


@pytest.mark.parametrize("source, key, number, limit", [
    ("cifar10", "train_images", 50001, 50000), ("cifar10", "test_images", 10001, 10000),
    ("deadleaves", "train_images", 50001, 50000), ("deadleaves", "test_images", 10001, 10000)])
def test_more_images_than_there_are(tmp_path, source, key, number, limit):
    support.write_cifar10(tmp_path / "cifar")
    options = {"data.source": source, "data.dir": "cifar", f"data.{key}": number}
    refuse(tmp_path, USAGE, f"data.{key} = {number}", f"there are {limit} such images",
           "ask for at most that many, or for 0 (all)", options=options,
           ranks=RANKS if key == "train_images" else None)


# ---- options ----

FILE_FAULTS = {
    "unknown key": ("[train]\nbatchsize = 3\n",
                    ["x.ini:2", "unknown key batchsize in [train]", "the nearest is [train] batch;",
                     "allowed in [train]: pretrain_epochs, epochs, batch, block, target, loss"]),
    "key of another section": ("[train]\nlr = 0.1\n", ["x.ini:2", "the nearest is [optimizer] lr"]),
    "unknown section": ("\n[optimiser]\nlr = 0.1\n",
                        ["x.ini:2", "unknown section [optimiser]", "the nearest is [optimizer]"]),
    "duplicate key": ("[train]\nbatch = 3\n# again\nbatch = 3\n",
                      ["x.ini:4", "[train] batch is a duplicate of line 2", "each key once"]),
    "duplicate key, section again": ("[train]\nbatch = 3\n[train]\nbatch = 3\n",
                                     ["x.ini:4", "[train] batch is a duplicate of line 2"]),
    "batch 0": ("[train]\nbatch = 0\n",
                ["x.ini:2: [train] batch: '0' is out of range", "a whole number from 1 to"]),
    "sigma negative": ("[noise]\nsigma = -0.1\n",
                       ["x.ini:2: [noise] sigma: '-0.1' is out of range", "from 0 to 10"]),
    "lr nan": ("[optimizer]\nlr = nan\n",
               ["x.ini:2: [optimizer] lr: 'nan' is not a number", "a number above 0"]),
    "lr infinite": ("[optimizer]\nlr = 1e999\n", ["x.ini:2: [optimizer] lr: '1e999'"]),
    "lr 0": ("[optimizer]\nlr = 0\n", ["x.ini:2: [optimizer] lr: '0' is out of range"]),
    "trailing junk": ("[train]\nbatch = 20 images\n",
                      ["x.ini:2: [train] batch: '20 images' has text after the whole number"]),
    "wrong type": ("[train]\nbatch = 1.5\n", ["x.ini:2: [train] batch: '1.5'", "a whole number"]),
    "no value": ("[train]\nbatch =\n", ["x.ini:2: [train] batch: '' is no value"]),
    "no choice": ("[train]\nloss = huber\n",
                  ["x.ini:2: [train] loss: 'huber' is not one of the choices", "mse or l1"]),
    "no equals sign": ("[train]\nbatch 20\n", ["x.ini:2: 'batch 20' has no ="]),
    "no section": ("batch = 20\n", ["x.ini:1"]),
    "section not closed": ("[train\nbatch = 20\n", ["x.ini:1: '[train' has no closing ]"]),
    "block above batch": ("[train]\nbatch = 5\nblock = 6\n",
                          ["x.ini:3: [train] block: is 6", "at most train.batch, which is 5"]),
    "no epochs": ("[train]\nepochs = 0\n", ["there is no epoch to train", "at least 1"]),
    "binary": ("\0\1\2", ["x.ini:1"]),
    "a web page": ("<!DOCTYPE html>\n", ["x.ini: is a web page, where the ini file of a"]),
}
UNDER_MPIRUN = ("unknown key", "unknown section", "duplicate key", "batch 0", "sigma negative",
                "lr nan", "trailing junk", "missing file", "no file", "unknown option")


@pytest.mark.parametrize("fault", FILE_FAULTS)
def test_configuration_file(tmp_path, fault):
    text, fragments = FILE_FAULTS[fault]
    (tmp_path / "x.ini").write_text(text)
    ranks = RANKS if fault in UNDER_MPIRUN else None
    assert_refused(run(tmp_path, "x.ini", expect=None, ranks=ranks), USAGE, *fragments)
    assert [path.name for path in tmp_path.iterdir()] == ["x.ini"]


COMMAND_FAULTS = {
    "missing file": (["none.ini"], ["can't read the configuration file none.ini: No such file",
                                    "there is only '.', a folder with small.ini"]),
    "a folder": (["."], ["can't read the configuration file .: Is a directory",
                         "there is a folder with small.ini"]),
    "no file": ([], ["no configuration file given", "usage: ae_dist [options] CONFIG"]),
    "two files": (["small.ini", "more.ini"], ["more.ini: one configuration file is enough"]),
    "unknown option": (["--fast", "small.ini"], ["unknown option --fast", "see ae_dist --help"]),
    "unknown short option": (["-x", "small.ini"], ["unknown option -x", "see ae_dist --help"]),
    "set without value": (["small.ini", "--set"], ["--set needs a value", "see ae_dist --help"]),
    "set unknown": (["--set", "train.bacth=3", "small.ini"],
                    ["--set", "unknown key bacth", "the nearest is [train] batch;"]),
    "set not understood": (["--set", "batch", "small.ini"],
                           ["--set 'batch' is not understood; allowed: section.key=value"]),
    "set out of range": (["--set", "train.batch=0", "small.ini"],
                         ["--set train.batch: '0' is out of range"]),
}


def test_results_for_a_configuration(tmp_path):
    run(tmp_path, write_config(tmp_path))
    assert_refused(run(tmp_path, "run/results.h5", expect=None, ranks=RANKS), USAGE,
                   "run/results.h5: is an HDF5 file, where the ini file of a configuration was",
                   "in its results.h5, as /config/ini")


def test_archive_for_a_checkpoint(tmp_path):
    """What stands under a checkpoint's name is told for what it is, and set aside."""
    config = write_config(tmp_path)
    run(tmp_path, config)
    newest = support.checkpoints(tmp_path / "run")[-1]
    newest.write_bytes(gzip.compress(newest.read_bytes()))
    done = run(tmp_path, config)
    assert done.stderr.count(f"{newest.name} is not an HDF5 file, but a gzip archive") == 1, done.tail


@pytest.mark.parametrize("fault", COMMAND_FAULTS)
def test_command_line(tmp_path, fault):
    arguments, fragments = COMMAND_FAULTS[fault]
    write_config(tmp_path)
    ranks = RANKS if fault in UNDER_MPIRUN else None
    assert_refused(run(tmp_path, *arguments, expect=None, ranks=ranks), USAGE, *fragments)
    assert not (tmp_path / "run").exists()


def test_unknown_kernels(tmp_path):
    refuse(tmp_path, USAGE, "AE_KERNELS=sse9", "this processor and build have", "unset it",
           kernels="sse9")


LAYER_FAULTS = {
    "too small": ("conv 8 3 relu, tconv 8 3 relu, conv 3 3 sigmoid",
                  ["conv 3 3 sigmoid", "3 x 32 x 32", "3 x 30 x 30"]),
    "channels": ("conv 8 3 relu, tconv 4 3 sigmoid", ["8 x 30 x 30", "4 x 32 x 32"]),
    "kind": ("conv 8 3 relu, deconv 3 3 sigmoid",
             ["the kind is conv, tconv, add, concat, unshuffle, shuffle or maxpool (or",
              "dncnn 64 17, unet 32, unshuffle 48 7), not \"deconv\""]),
    "activation": ("conv 8 3 relu, tconv 3 3 tanh",
                   ["relu, leaky:SLOPE (0 < SLOPE < 1), sigmoid or none, not \"tanh\""]),
    "name": ("conv 8 3 relu as a, tconv 8 3 relu, add b, tconv 3 3 none",
             ["layer 3, \"add b\"", "it names a layer before it", "not \"b\""]),
}


@pytest.mark.parametrize("fault", LAYER_FAULTS)
def test_layers(tmp_path, fault):
    layers, fragments = LAYER_FAULTS[fault]
    config = write_config(tmp_path, {"model.layers": layers})
    done = run(tmp_path, config, expect=None, ranks=RANKS if fault == "too small" else None)
    assert_refused(done, USAGE, "[model] layers")
    assert all(fragment in done.stderr for fragment in fragments), done.stderr
    assert not (tmp_path / "run").exists()


# ---- the run folder, and the numbers ----


@pytest.mark.parametrize("run_dir", ["file/run", "file"])
def test_run_folder_that_cannot_be_made(tmp_path, run_dir):
    (tmp_path / "file").write_text("of someone")
    config = write_config(tmp_path, {"run.dir": run_dir})
    done = run(tmp_path, config, expect=None, ranks=RANKS)
    assert_refused(done, FILES, f"can't make the folder {run_dir}/checkpoints: Not a directory",
                   "there is only 'file', a file of 10 bytes",
                   "move it, or choose another run.dir")
    assert (tmp_path / "file").read_text() == "of someone"


def test_divergence(tmp_path):
    """Without a sigmoid at the end, nothing holds the outputs where the learning rate is huge."""
    options = {"optimizer.name": "sgd", "optimizer.lr": 1000,
               "model.layers": "conv 8 3 relu, tconv 3 3 none"}
    config = write_config(tmp_path, options)
    done = run(tmp_path, config, expect=None, ranks=RANKS)
    assert_refused(done, NUMERIC, "epoch 1, step ", "training diverges",
                   "Lower optimizer.lr (now 1000), or set optimizer.clip_norm or train.skip_steps, in a "
                   "new run.dir")
    assert support.checkpoints(tmp_path / "run") == []
