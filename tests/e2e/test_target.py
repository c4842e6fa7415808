"""What outputs are compared with (train.target): others of a second data set, the image with noise of
its own, or masked values of the input."""
import shutil

import h5py
import numpy as np
import pytest
import support
from support import (DATA, USAGE, assert_refused, checkpoints, differences, epoch_line, numbers, run,
                     stop_at, write_config)

GREY = "conv 4 3 relu, tconv 1 3 sigmoid"
COUNT, TESTS, SIDE = 70, 20, 12
# Updates too small to change a weight, so that losses differ by what the network is shown alone.
FROZEN = {"optimizer.name": "sgd", "optimizer.lr": 1e-30, "train.epochs": 3}
STACK = {"data.source": "hdf5", "data.axes": "NHW", "data.train": "stack.h5:/train",
         "data.test": "stack.h5:/test", "data.train_images": COUNT, "model.layers": GREY,
         "train.pretrain_epochs": 0, "train.epochs": 2, "noise.sigma": 0}
OTHER = {"train.target": "other", "data.other": "stack.h5:/second", "data.other_test": "stack.h5:/clean"}
SELF = {"train.target": "other", "data.other": "stack.h5:/train", "data.other_test": "stack.h5:/test"}
CROPS = {"data.patch": 8, "data.crops": 3, "data.augment": "symmetries"}


def write_stack(folder, **change):
    """Clean pictures of values from 100 to 200, two noisy acquisitions of each, and pairs to test on."""
    generator = np.random.default_rng(3)

    def pictures(count):
        return generator.uniform(100, 200, (count, 2, 2)).repeat(SIDE // 2, 1).repeat(SIDE // 2, 2)

    def noisy(clean):
        return (clean + generator.normal(0, 10, clean.shape)).astype(np.float32)
    clean, test = pictures(COUNT), pictures(TESTS).astype(np.float32)
    arrays = {"train": noisy(clean), "second": noisy(clean), "test": noisy(test), "clean": test}
    with h5py.File(folder / "stack.h5", "w") as file:
        for name, values in {**arrays, **change}.items():
            file[name] = values
    return arrays


def column(folder, name):
    with h5py.File(folder / "results.h5", "r") as file:
        return file["epochs"][name][()].tolist()


def trained(folder, options, **how):
    """The numbers of a run in a folder of its own."""
    name = f"run{len(list(folder.glob('run*')))}"
    how = {"ranks": None, **how}
    done = run(folder, write_config(folder, {**STACK, **options, "run.dir": name}), **how)
    return done, folder / name


TARGETS = {
    "others": {**STACK, **OTHER, **CROPS, "train.validation_images": 9},
    "others, noise": {**STACK, **OTHER, "noise.sigma": 0.05, "train.loss": "l1"},
    "noise of its own": {"train.target": "other", "train.pretrain_epochs": 0, "train.epochs": 2,
                         "noise.sigma": "0 .. 0.2", "noise.test_sigma": 0.1, "data.crops": 2},
    "masked": {**STACK, **CROPS, "train.target": "masked", "mask.percent": 3,
               "train.validation_images": 9, "train.block": 3},
    "masked, median": {"train.target": "masked", "train.pretrain_epochs": 0, "train.epochs": 2,
                       "noise.sigma": 0.1, "mask.fill": "median", "train.loss": "l1"},
}


@pytest.mark.parametrize("case", TARGETS)
def test_same_bits(tmp_path, case):
    """On any ranks, threads and kernels, and through a stop."""
    write_stack(tmp_path)
    config = write_config(tmp_path, TARGETS[case])
    run(tmp_path, config, ranks=None)
    for ranks, threads, kernels in ((2, 1, support.VECTORS), (3, 2, "ref")):
        run(tmp_path, config, "--set", "run.dir=other", ranks=ranks, threads=threads, kernels=kernels)
        assert differences(numbers(tmp_path / "other"), numbers(tmp_path / "run")) == []
        shutil.rmtree(tmp_path / "other")
    stop_at(tmp_path, [config, "--set", "run.dir=stopped", "--set", "output.checkpoint_steps=1"],
            epoch_line(1, 2), ranks=2)
    run(tmp_path, config, "--set", "run.dir=stopped", ranks=3)
    assert differences(numbers(tmp_path / "stopped"), numbers(tmp_path / "run")) == []
    assert len(set(column(tmp_path / "run", "parameters_hash"))) == 2


# ---- others ----


@pytest.mark.parametrize("options", [
    {}, {**CROPS, "train.validation_images": 9, "noise.sigma": 0.1}, {"data.train_images": 50},
    {"data.test": "", "data.other_test": "", "data.test_fraction": 0.2, "data.test_images": 9,
     "data.train_images": 40}])
def test_others_that_are_the_images_themselves(tmp_path, options):
    """They train as clean images do: each goes with its own, cut and turned as it is. Another order
    would be seen."""
    write_stack(tmp_path)
    plain = {key: value for key, value in options.items() if "other" not in key}
    _, clean = trained(tmp_path, plain)
    _, same = trained(tmp_path, {**SELF, **options})
    assert differences(numbers(same), numbers(clean)) == []
    with h5py.File(tmp_path / "stack.h5", "r+") as file:
        file["train2"] = file["train"][()][::-1]
    _, turned = trained(tmp_path, {**SELF, **options, "data.other": "stack.h5:/train2"})
    assert "train_loss" in differences(numbers(turned), numbers(clean))


def test_outputs_are_compared_with_the_others(tmp_path):
    """Of test images too: what is input is the noisy one."""
    arrays = write_stack(tmp_path)
    done, folder = trained(tmp_path, {**OTHER, "output.reconstructions": TESTS})
    assert ("target   the images of stack.h5:/second, one by one; of test images those of "
            f"stack.h5:/clean\n{AGAINST_THESE}") in done.stdout
    low, high = arrays["train"].min(), arrays["train"].max()  # the range of the images themselves
    with h5py.File(folder / "results.h5", "r") as file:
        shown = {name: file["reconstructions"][name][:, 0] for name in ("clean", "noisy")}
        stored = file["test/input_psnr_db"][()]
    for name, array in (("clean", "clean"), ("noisy", "test")):
        assert np.abs(shown[name] - (arrays[array] - low) / (high - low)).max() < 1e-6
    errors = ((shown["noisy"].astype(float) - shown["clean"]) ** 2).mean(axis=(1, 2))
    assert np.abs(stored + 10 * np.log10(errors)).max() < 1e-5
    explicit = {**OTHER, "data.range": f"{float(low)!r} {float(high)!r}",
                "output.reconstructions": TESTS}
    assert differences(numbers(trained(tmp_path, explicit)[1]), numbers(folder)) == []


def test_a_clean_network_comes_of_noisy_pairs(tmp_path):
    """Not better on its noisy targets than their noise, but nearer to clean images than the input."""
    write_stack(tmp_path)
    _, folder = trained(tmp_path, {**OTHER, "train.epochs": 60, "train.batch": 7,
                                   "model.layers": "conv 8 5 relu same, conv 1 5 none same",
                                   "optimizer.lr": 0.005})
    with h5py.File(folder / "results.h5", "r") as file:
        assert file["epochs/psnr_db"][-1] > file["test/input_psnr_db"][()].mean() + 3


def test_other_images_are_another_run(tmp_path):
    """The hash of the images is of both sets; the same ones elsewhere go on."""
    arrays = write_stack(tmp_path)
    _, plain = trained(tmp_path, {})
    _, folder = trained(tmp_path, OTHER)
    with h5py.File(plain / "results.h5") as one, h5py.File(folder / "results.h5") as both:
        assert one["provenance/data_hash"][0] != both["provenance/data_hash"][0]
    checkpoints(folder)[-1].unlink()
    config = write_config(tmp_path, {**STACK, **OTHER, "run.dir": folder.name})
    for name in ("second", "clean"):
        changed = arrays[name].copy()
        changed[7, 3, 3] += 1
        write_stack(tmp_path, **{name: changed})
        assert_refused(run(tmp_path, config, expect=None), DATA, "the images (hash ",
                       f"are not those the run in {folder.name} was begun with")
    write_stack(tmp_path)
    (tmp_path / "stack.h5").rename(tmp_path / "moved.h5")
    moved = {key: value.replace("stack", "moved")
             for key, value in {**STACK, **OTHER}.items() if "stack" in str(value)}
    run(tmp_path, config, *[word for key in moved for word in ("--set", f"{key}={moved[key]}")])
    write_stack(tmp_path)
    assert differences(numbers(folder), numbers(trained(tmp_path, OTHER)[1])) == []


def test_others_in_a_cache(tmp_path):
    write_stack(tmp_path)
    _, plain = trained(tmp_path, OTHER)
    for ranks in (2, 3):
        _, cached = trained(tmp_path, {**OTHER, "data.cache": "cache"}, ranks=ranks)
        assert differences(numbers(cached), numbers(plain)) == []
        assert len(list((tmp_path / "cache").iterdir())) == 2


def refuse_others(folder, *fragments, options=None, code=DATA, **change):
    write_stack(folder, **change)
    done = run(folder, write_config(folder, {**STACK, **OTHER, **(options or {})}), expect=None)
    assert_refused(done, code, *fragments)


def test_others_that_do_not_match(tmp_path):
    second = np.zeros((COUNT, SIDE, SIDE), np.float32)
    refuse_others(tmp_path, "'stack.h5:/second' has 69 images, and 'stack.h5:/train', whose others "
                  "they are (data.other), 70: they go together in their order, one by one",
                  second=second[1:])
    refuse_others(tmp_path, "'stack.h5:/clean' has 21 images, and 'stack.h5:/test', whose others they "
                  "are (data.other_test), 20", clean=second[:21])
    refuse_others(tmp_path, "image 0 (from 0) of 'stack.h5:/second' has 11 x 12 pixels, and image 0 "
                  "(from 0) of 'stack.h5:/train', whose other it is (data.other), 12 x 12",
                  second=second[:, 1:], clean=second[:TESTS])
    refuse_others(tmp_path, "the images of 'stack.h5:/second' have 1 channel of 8 bits, and those of "
                  "'stack.h5:/train', whose others they are (data.other), 1 of 32-bit floats",
                  second=second.astype(np.uint8), clean=second[:TESTS].astype(np.uint8))
    refuse_others(tmp_path, "data.other or data.other_test: ",
                  "'nothing.h5'", options={"data.other": "nothing.h5:/a"})
    assert not (tmp_path / "run").exists()
    second[3, 4, 5] = np.nan
    refuse_others(tmp_path, "image 3 (from 0) of 'stack.h5:/second' holds a NaN", second=second)


def test_pictures_go_with_their_others(tmp_path):
    """In the order of names, of any sizes; one of another size is told with its own."""
    generator = np.random.default_rng(5)
    options = {**STACK, "data.source": "pictures", "data.train": "a", "data.test": "a",
               "data.train_images": 0, "data.test_images": 0, "data.patch": 9, "data.crops": 3}
    pairs = {"train.target": "other", "data.other": "b", "data.other_test": "b"}
    for folder, name in (("a", "picture"), ("b", "other")):
        (tmp_path / folder).mkdir()
        for index in range(12):
            pixels = np.random.default_rng(index).integers(0, 256, (10 + index, 20 - index), np.uint8)
            support.write_png(tmp_path / folder / f"{name}{index:02}.png", pixels)
    _, clean = trained(tmp_path, options)
    _, same = trained(tmp_path, {**options, **pairs})
    assert differences(numbers(same), numbers(clean)) == []
    support.write_png(tmp_path / "b" / "other07.png", generator.integers(0, 256, (17, 14), np.uint8))
    done = run(tmp_path, write_config(tmp_path, {**options, **pairs}), expect=None)
    assert_refused(done, DATA, "'b/other07.png' has 17 x 14 pixels, and 'a/picture07.png', whose other "
                   "it is (data.other), 17 x 13")
    (tmp_path / "b" / "other07.png").unlink()
    assert_refused(run(tmp_path, "small.ini", expect=None), DATA, "'b' has 11 images, and 'a', whose "
                   "others they are (data.other), 12")


def test_pictures_that_may_not_belong_together(tmp_path):
    """In the order of names 10 is before 2; and an image has nothing to learn from itself."""
    options = {**STACK, "data.source": "pictures", "data.train": "a", "data.test": "a",
               "data.train_images": 0, "data.test_images": 0, "train.target": "other",
               "train.batch": 4, "data.other_test": "a"}
    for folder, form in (("a", "{:02}.png"), ("b", "p{}.png")):
        (tmp_path / folder).mkdir()
        for index in range(12):
            pixels = np.random.default_rng(index).integers(0, 256, (12, 12), np.uint8)
            support.write_png(tmp_path / folder / form.format(index), pixels)
    unlike, _ = trained(tmp_path, {**options, "data.other": "b"})
    assert unlike.text.count("ae_dist: warning: ") == 1
    assert "'b/p10.png' is taken for the other (data.other) to 'a/02.png'" in unlike.text
    alike, _ = trained(tmp_path, {**options, "data.other": "a"})
    assert alike.text.count("ae_dist: warning: ") == 1
    assert "data.other is data.train, 'a': without noise" in alike.text
    noisy, _ = trained(tmp_path, {**options, "data.other": "a", "noise.sigma": 0.1})
    assert "warning" not in noisy.text


# ---- noise of its own, and masks ----


def test_targets_have_noise_of_their_own(tmp_path):
    """They add its variance to the loss, and a sum of products with what is there already that nears 0
    as N values' mean does; anew each epoch but for validation."""
    options = {**STACK, "data.train_images": COUNT, **FROZEN, "noise.sigma": 0.5, "noise.clamp_min": "none",
               "noise.clamp_max": "none", "model.layers": "conv 1 1 none", "train.validation_images": 20}
    write_stack(tmp_path)
    _, clean = trained(tmp_path, options)
    done, other = trained(tmp_path, {**options, "train.target": "other"})
    assert "target   the same images with noise of their own\n" in done.stdout
    for name, count in (("train_loss", 50), ("validation_loss", 20)):
        loss, more = column(clean, name)[0], np.subtract(column(other, name), column(clean, name))
        deviation = (2 * loss ** 0.5 * 0.5 + 0.25 * 2 ** 0.5) / (count * SIDE * SIDE) ** 0.5
        assert np.abs(more - 0.25).max() < 5 * deviation < 0.25
    assert len(set(column(other, "train_loss"))) == 3 and len(set(column(other, "validation_loss"))) == 1
    assert column(other, "test_loss") == column(clean, "test_loss")


MASKED = {"train.target": "masked", "mask.percent": 2}
CANT_TELL = "validate against noisy pixels at fixed masks"
AS_THEY_ARE = "test     against the test images as they are"
AGAINST_THESE = "test     against these: where they are noisy"


def test_masks_are_of_the_sample(tmp_path):
    """Anew each epoch; validation's are fixed, and test images have none."""
    write_stack(tmp_path)
    options = {**FROZEN, "train.validation_images": 20}
    _, clean = trained(tmp_path, options)
    done, masked = trained(tmp_path, {**options, **MASKED})
    assert ("target   the noisy images themselves, at 4 masked values of each, filled in from 11 x 11 "
            "pixels around\n") in done.stdout
    assert CANT_TELL in done.stdout and AS_THEY_ARE in done.stdout
    losses = column(masked, "train_loss")
    assert len(set(losses)) == 3 and len(set(column(clean, "train_loss"))) == 1
    assert len(set(column(masked, "validation_loss"))) == 1
    assert column(masked, "validation_loss") != column(clean, "validation_loss")
    assert column(masked, "test_loss") == column(clean, "test_loss")
    for change in ({"mask.percent": 3}, {"mask.window": 5}, {"mask.fill": "median"}):
        assert column(trained(tmp_path, {**options, **MASKED, **change})[1], "train_loss") != losses


def test_what_figures_tell_is_said_where_it_is_so(tmp_path):
    write_stack(tmp_path)
    said = trained(tmp_path, {**MASKED, "noise.test_sigma": 0.1})[0].stdout
    assert CANT_TELL not in said and AS_THEY_ARE not in said
    assert AGAINST_THESE not in trained(tmp_path, {**OTHER, "data.other_test": "stack.h5:/test"})[0].stdout
    assert AGAINST_THESE in trained(tmp_path, {**OTHER, "data.test": "", "data.other_test": "",
                                               "data.test_fraction": 0.2, "data.train_images": 40,
                                               "data.test_images": 9})[0].stdout
    assert "at 1 masked value of each" in trained(tmp_path, {**MASKED, "mask.percent": 0.2})[0].stdout
    assert "target " not in trained(tmp_path, {})[0].stdout


def test_a_denoiser_comes_of_masks(tmp_path):
    """Of pictures of four squares, with nothing but noisy ones to train on. The masked values'
    own noise stays out of the output, which a network trained on the noisy images themselves returns."""
    write_stack(tmp_path)
    options = {"train.epochs": 60, "train.batch": 7, "optimizer.lr": 0.005, "noise.sigma": 0,
               "data.test": "stack.h5:/clean", "noise.test_sigma": 0.08, "noise.clamp_max": "none",
               "model.layers": "conv 8 5 relu same, conv 1 5 none same"}
    gains = []
    for target in ({}, {"train.target": "masked", "mask.percent": 20}):
        _, folder = trained(tmp_path, {**options, **target})
        with h5py.File(folder / "results.h5", "r") as file:
            gains.append(file["epochs/psnr_db"][-1] - file["test/input_psnr_db"][()].mean())
    assert gains[0] < 1 < 2 < gains[1]


def test_a_picture_of_one_pixel_has_nothing_to_fill_in(tmp_path):
    config = write_config(tmp_path, {**MASKED, "train.pretrain_epochs": 0, "data.size": 1,
                                     "model.layers": "conv 3 1 none"})
    assert_refused(run(tmp_path, config, expect=None), USAGE, "train] target = masked fills in a pixel "
                   "from those around it, and samples have one each")
