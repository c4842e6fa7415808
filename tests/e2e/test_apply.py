"""ae_dist apply, on files of every kind: what comes out, restarts."""
import csv
import signal
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from applying import REFERENCE, apply, assert_left_out, files, make_model, numbers
from picture_files import png_chunks, read_png, read_tiff, tiff_pages, write_png, write_tiff
from support import (DATA, DONE, ROOT, STOPPED, USAGE, Run, assert_explains_itself,
                     assert_refused)

STRIDED = ("conv 6 3 relu same stride2 as a, conv 6 3 relu same, add a, tconv 6 2 relu stride2, "
           "conv 3 3 none same")
WIDE = "unshuffle, conv 16 3 relu same, conv 17 3 relu same, conv 12 3 none same, shuffle"


# ---- what is kept ----


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_png_stays_as_it_is(tmp_path, kind, samples):
    make_model(tmp_path)
    pixels = numbers((19, 23, samples), kind)
    resolution = b"\0\0\x0b\x13\0\0\x0b\x14\1"
    write_png(tmp_path / "a.png", pixels, [(b"gAMA", b"\0\0\xb1\x8f"), (b"pHYs", resolution)])
    apply(tmp_path, "model.h5", "a.png", "-o", "out")
    np.testing.assert_array_equal(read_png(tmp_path / "out" / "a.png"), pixels)
    chunks = dict(png_chunks(tmp_path / "out" / "a.png"))
    assert chunks[b"pHYs"] == resolution and chunks[b"gAMA"] == b"\0\0\xb1\x8f"


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("samples", [1, 3, 4])
def test_tiff_stays_as_it_is(tmp_path, kind, samples):
    make_model(tmp_path)
    pages = [numbers((19, 23, samples), kind), numbers((20, 11, samples), kind, seed=2)]
    write_tiff(tmp_path / "a.tif", pages, [(270, 2, "cells"), (274, 3, [6]), (282, 5, [3000, 10]),
                                           (283, 5, [2000, 10]), (296, 3, [3])])
    apply(tmp_path, "model.h5", "a.tif", "-o", "out", "--range",
          "0,1" if kind == "float32" else f"0,{np.iinfo(kind).max}")
    found = read_tiff(tmp_path / "out" / "a.tif")
    assert len(found) == len(pages)
    for page, there, tags in zip(pages, found, tiff_pages(tmp_path / "out" / "a.tif")[0]):
        np.testing.assert_array_equal(there, page)
        assert tags[274] == (6,) and bytes(tags[270]).startswith(b"cells")
        assert tags[282][0] / tags[282][1] == 300 and tags[283][0] / tags[283][1] == 200


@pytest.mark.parametrize("kind", ["u1", "u2", ">u2", "f4", "f8"])
@pytest.mark.parametrize("shape, channels", [((21, 17), 1), ((3, 21, 17), 1), ((2, 3, 21, 17), 3),
                                             ((2, 21, 17, 3), 3), ((2, 1, 21, 17), 3)])
def test_hdf5_stays_as_it_is(tmp_path, kind, shape, channels):
    make_model(tmp_path, layers=f"conv {channels} 1 none", channels=channels)
    stack = numbers(shape, np.dtype(kind).newbyteorder("=")).astype(kind)
    chunks = tuple(min(extent, 8) for extent in shape)
    if kind == "f8":
        stack = stack.astype("f4").astype("f8")
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.attrs["title"] = "scan"
        data = file.create_dataset("entry/data", data=stack, chunks=chunks, compression="gzip",
                                   shuffle=True)
        data.attrs["units"] = "counts"
        data.attrs["names"] = ["a", "b"]
        file["entry/t"] = np.arange(shape[0], dtype=float)
        file["entry/t"].attrs["units"] = "s"
        file["entry/t"].make_scale("t")
        data.dims[0].attach_scale(file["entry/t"])
        data.dims[0].label = "time"
    apply(tmp_path, "model.h5", "in.h5:/entry/data", "-o", "out",
          *(["--range", "0,1"] if "f" in kind else []))
    with h5py.File(tmp_path / "out" / "in.h5") as file:
        data = file["entry/data"]
        np.testing.assert_array_equal(data[()], stack)
        assert data.dtype == stack.dtype and data.compression == "gzip" and data.shuffle
        assert data.chunks == chunks
        assert data.attrs["units"] == "counts" and list(data.attrs["names"]) == ["a", "b"]
        assert data.dims[0].label == "time" and file.attrs["title"] == "scan"
        np.testing.assert_array_equal(data.dims[0]["t"][()], np.arange(shape[0]))
        assert data.dims[0]["t"].attrs["units"] == "s"


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_hdf5_channels_by_planes(tmp_path, kind):
    """More rows than are moved at a time."""
    make_model(tmp_path)
    stack = numbers((2, 3, 525, 1001), kind)
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["x"] = stack
    apply(tmp_path, "model.h5", "in.h5:/x", "-o", "out",
          *(["--range", "0,1"] if kind == "float32" else []))
    with h5py.File(tmp_path / "out" / "in.h5") as file:
        np.testing.assert_array_equal(file["x"][()], stack)


@pytest.mark.parametrize("shape, channels, said", [
    ((64, 48, 3), 3, "64 grey pictures of 48 x 3 (NHW)"),
    ((1, 64, 48, 3), 3, "1 3-channel picture of 64 x 48 (NHWC)"),
    ((64, 48), 1, "1 grey picture of 64 x 48 (HW)"),
])
def test_how_a_dataset_is_taken_is_said(tmp_path, shape, channels, said):
    """Once, with a warning where a side may be the channels."""
    make_model(tmp_path, layers=f"conv {channels} 1 none", channels=channels)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a"] = numbers(shape, "uint8")
    done = apply(tmp_path, "model.h5", "x.h5:/a", "-o", "out", ranks=2)
    assert done.stdout.count(f"x.h5:/a: {said}") == 1, done.tail
    assert done.stderr.count("x.h5:/a has pictures of 48 x 3 (NHW)") == (shape == (64, 48, 3))
    assert "x.h5:/a" not in apply(tmp_path, "model.h5", "x.h5:/a", "-o", "out").text


def test_hdf5_files_hold_no_time(tmp_path):
    """The same command makes the same files, in another second too."""
    make_model(tmp_path)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("of/a", data=numbers((3, 20, 30), "uint8"), track_times=True)
        file.create_dataset("of/t", data=np.arange(3.0)).make_scale("t")
        data.dims[0].attach_scale(file["of/t"])
    for out in ("one", "other"):
        apply(tmp_path, "model.h5", "x.h5:/of/a", "-o", out, "--sigma", "0.1")
        time.sleep(1.1)
    assert files(tmp_path / "one") == files(tmp_path / "other")
    assert len(files(tmp_path / "one")) == 3


def test_formats(tmp_path):
    make_model(tmp_path)
    pixels = np.full((16, 24, 3), 128, np.uint8)
    write_png(tmp_path / "a.png", pixels)
    apply(tmp_path, "model.h5", "a.png", "-o", "jpeg", "--format", "jpeg")
    assert (tmp_path / "jpeg" / "a.jpg").read_bytes().startswith(b"\xff\xd8")
    apply(tmp_path, "model.h5", "jpeg/a.jpg", "-o", "auto")
    np.testing.assert_array_equal(read_png(tmp_path / "auto" / "a.png"), pixels)
    apply(tmp_path, "model.h5", "jpeg/a.jpg", "-o", "same", "--format", "same", "--quality", 100)
    assert (tmp_path / "same" / "a.jpg").read_bytes().startswith(b"\xff\xd8")
    apply(tmp_path, "model.h5", "a.png", "-o", "tiff", "--format", "tiff")
    assert tiff_pages(tmp_path / "tiff" / "a.tif")[0][0][256] == (24,)
    write_png(tmp_path / "deep.png", pixels.astype(np.uint16))
    assert_left_out(apply(tmp_path, "model.h5", "deep.png", "-o", "no", "--format", "jpeg",
                          expect=DATA), "16")
    assert files(tmp_path / "no") == {}


# ---- channels and ranges ----


def test_grey_and_colour(tmp_path):
    """Colour channel by channel, grey as many equal ones."""
    grey = numbers((20, 31, 1), "uint8")
    colour = numbers((20, 31, 3), "uint8", seed=3)
    write_png(tmp_path / "grey.png", grey)
    write_png(tmp_path / "colour.png", colour)
    for c in range(3):
        write_png(tmp_path / f"c{c}.png", colour[:, :, c : c + 1])
    make_model(tmp_path, "conv 4 3 relu same, conv 1 3 none same", channels=1, weights=5)
    done = apply(tmp_path, "model.h5", "colour.png", "c0.png", "c1.png", "c2.png", "-o", "out",
                 "--range", "-200,300")
    assert done.stdout.count("channel by channel") == 1
    found = read_png(tmp_path / "out" / "colour.png")
    for c in range(3):
        np.testing.assert_array_equal(found[:, :, c : c + 1],
                                      read_png(tmp_path / "out" / f"c{c}.png"))
    make_model(tmp_path)
    done = apply(tmp_path, "model.h5", "grey.png", "-o", "out")
    assert done.stdout.count("mean was taken") == 1
    np.testing.assert_array_equal(read_png(tmp_path / "out" / "grey.png"), grey)


def test_range_of_twelve_bits(tmp_path):
    """Residual of weight 1: nothing is left but the value that stands for 0."""
    make_model(tmp_path, layers="conv 1 1 none", output="residual", channels=1)
    write_png(tmp_path / "a.png", numbers((9, 9, 1), "uint16") // 16)
    apply(tmp_path, "model.h5", "a.png", "-o", "out", "--range", "100,4095")
    assert (read_png(tmp_path / "out" / "a.png") == 100).all()


def test_values_are_rounded_and_kept_in_range(tmp_path):
    """Twice the value, of 8 bits: the upper half is white."""
    make_model(tmp_path, layers="conv 1 1 none as a, add a", channels=1)
    write_png(tmp_path / "a.png", np.arange(256, dtype=np.uint8).reshape(16, 16, 1))
    apply(tmp_path, "model.h5", "a.png", "-o", "out")
    np.testing.assert_array_equal(read_png(tmp_path / "out" / "a.png").ravel(),
                                  np.minimum(2 * np.arange(256), 255))


# ---- the same whatever the layout ----


def make_mixed(folder):
    """Pictures of odd sizes, in folders, one of them with most of the bytes."""
    (folder / "in" / "deep").mkdir(parents=True)
    for name, shape, kind in [("a.png", (64, 61, 3), "uint8"), ("b.png", (37, 53, 1), "uint16"),
                              ("deep/c.png", (5, 90, 3), "uint8"),
                              ("deep/large.png", (301, 203, 3), "uint16")]:
        write_png(folder / "in" / name, numbers(shape, kind))
    write_tiff(folder / "in" / "d.tif", [numbers((50 + n, 41, 3), "uint8", n) for n in range(3)])


@pytest.mark.parametrize("layers, output", [(REFERENCE, "direct"), (STRIDED, "residual"),
                                            (WIDE, "residual")])
def test_same_files_on_any_layout(tmp_path, layers, output):
    make_mixed(tmp_path)
    make_model(tmp_path, layers, output, weights=7)
    apply(tmp_path, "model.h5", "in", "-o", "whole", "--tile", 4096)
    whole = files(tmp_path / "whole")
    assert len(whole) == 5 and "deep/large.png" in whole
    layouts = [(1, 2, ["--tile", 1]), (2, 1, ["--tile", 17]), (3, 2, ["--tile", 40]),
               (4, 1, ["--memory", "4M"])]
    for number, (ranks, threads, options) in enumerate(layouts):
        apply(tmp_path, "model.h5", "in", "-o", f"out{number}", *options, ranks=ranks,
              threads=threads)
        assert files(tmp_path / f"out{number}") == whole


def test_against_pytorch(tmp_path):
    """float32 on both sides: a chain of at most 8 * 9 products a value, in five layers."""
    torch = pytest.importorskip("torch")
    sys.path.insert(0, str(ROOT / "analysis"))
    import network

    pixels = numbers((2, 3, 45, 38), "float32")
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["x"] = pixels
    for layers, output in [(REFERENCE, "direct"), (STRIDED, "residual")]:
        make_model(tmp_path, layers, output, weights=9)
        apply(tmp_path, "model.h5", "in.h5:/x", "-o", "out", "--range", "0,1", "--force")
        with torch.no_grad():
            want = network.load(tmp_path / "model.h5")(torch.from_numpy(pixels)).numpy()
        with h5py.File(tmp_path / "out" / "in.h5") as file:
            found = file["x"][()]
        assert np.abs(found - want).max() < 5 * 72 * 2.0 ** -24
        assert np.abs(found - pixels).max() > 0.01


# ---- comparing ----


def psnr(a, b):
    return -10 * np.log10(np.mean((a.astype(float) - b.astype(float)) ** 2))


def figures(path):
    with h5py.File(path) as file:
        assert_explains_itself(file)
        return ({name.decode(): n for n, name in enumerate(file["pictures/name"][()])},
                {name: file["pictures"][name][()]
                 for name in ("psnr_db", "ssim", "input_psnr_db", "input_ssim")})


def read_tiff_of_any(folder, name):
    """By way of a PNG: it may be compressed."""
    identity = make_model(folder, layers="conv 1 1 none", channels=1, name="identity.h5")
    apply(folder, identity.name, name, "-o", "as_png", "--format", "png")
    return read_png(folder / "as_png" / (Path(name).stem + ".png"))


def test_sigma(tmp_path):
    """The noise is what an identity leaves of the input; it depends on the name alone."""
    make_model(tmp_path, layers="conv 1 1 none", channels=1)
    clean = numbers((2, 67, 81), "float32")
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["x"] = clean
    (tmp_path / "in").mkdir()
    pictures = {name: numbers((33, 35, 1), "uint8", seed) for seed, name in enumerate("abc")}
    for name, pixels in pictures.items():
        write_png(tmp_path / "in" / f"{name}.png", pixels)
    how = ["--sigma", "0.2"]
    apply(tmp_path, "model.h5", "in.h5:/x", "-o", "out", "--range", "0,1", *how)
    with h5py.File(tmp_path / "out" / "in.h5") as file:
        noise = file["x"][()].astype(float) - clean
    assert abs(noise.std() - 0.2) < 5 * 0.2 / np.sqrt(2 * noise.size)
    assert abs(noise.mean()) < 5 * 0.2 / np.sqrt(noise.size)
    assert np.abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 5 / np.sqrt(noise[0].size)
    names, found = figures(tmp_path / "out" / "apply.h5")
    assert set(names) == {"in.h5:/x[0]", "in.h5:/x[1]"}
    for n in range(2):
        assert abs(found["psnr_db"][n] + 10 * np.log10(np.mean(noise[n] ** 2))) < 1e-5
    np.testing.assert_array_equal(found["psnr_db"], found["input_psnr_db"])

    apply(tmp_path, "model.h5", "in", "-o", "all", *how, ranks=2)
    apply(tmp_path, "model.h5", "in/b.png", "-o", "one", *how)
    assert files(tmp_path / "all")["b.png"] == files(tmp_path / "one")["b.png"]
    apply(tmp_path, "model.h5", "in/b.png", "-o", "other", "--format", "tiff", *how)
    np.testing.assert_array_equal(read_png(tmp_path / "one" / "b.png").ravel(),
                                  np.ravel(read_tiff_of_any(tmp_path, "other/b.tif")))
    names, found = figures(tmp_path / "all" / "apply.h5")
    _, alone = figures(tmp_path / "one" / "apply.h5")
    for name in found:
        assert found[name][names["b.png"]] == alone[name][0]


def test_reference(tmp_path):
    make_model(tmp_path, layers="conv 1 1 none as a, add a", channels=1)
    (tmp_path / "in").mkdir()
    (tmp_path / "clean").mkdir()
    clean = {name: numbers((33, 35, 1), "uint8", seed) for seed, name in enumerate("ab")}
    for seed, (name, pixels) in enumerate(clean.items()):
        write_png(tmp_path / "clean" / f"{name}.png", pixels)
        write_png(tmp_path / "in" / f"{name}.png", numbers(pixels.shape, "uint8", 10 + seed))
    done = apply(tmp_path, "model.h5", "in", "-o", "out", "--reference", "clean")
    names, found = figures(tmp_path / "out" / "apply.h5")
    with open(tmp_path / "out" / "apply.csv", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    for name, pixels in clean.items():
        given = read_png(tmp_path / "in" / f"{name}.png") / 255
        n = names[f"{name}.png"]
        want = {"psnr_db": psnr(2 * given, pixels / 255), "input_psnr_db": psnr(given, pixels / 255)}
        for figure, value in want.items():
            assert abs(found[figure][n] - value) < 1e-4
            assert abs(float(rows[f"{name}.png"][figure]) - value) < 1e-4
        assert f"PSNR {want['psnr_db']:6.2f} dB" in done.stdout
    assert "mean of 2" in done.stdout

    apply(tmp_path, "model.h5", "in", "-o", "out", "--reference", "clean", "--format", "tiff")
    assert figures(tmp_path / "out" / "apply.h5")[1]["psnr_db"].tolist() == found["psnr_db"].tolist()
    write_png(tmp_path / "clean" / "a.png", clean["a"][:-1])
    assert_left_out(apply(tmp_path, "model.h5", "in", "-o", "out", "--reference", "clean",
                          "--force", expect=DATA), "reference has 35 x 32")
    assert_refused(apply(tmp_path, "model.h5", "in", "-o", "no", "--reference", "in/a.png",
                         expect=USAGE), USAGE, "it is one for 2 inputs")
    assert_refused(apply(tmp_path, "model.h5", "in", "-o", "no", "--reference", "klean",
                         expect=USAGE), USAGE, "--reference klean: No such file")
    assert not (tmp_path / "no").exists()


# ---- restarts ----


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in Path(folder).glob("*.png")}


def test_what_is_done_is_left_alone(tmp_path):
    make_model(tmp_path)
    (tmp_path / "in").mkdir()
    for name in "abc":
        write_png(tmp_path / "in" / f"{name}.png", numbers((20, 20, 3), "uint8"))
    arguments = ["model.h5", "in", "-o", "out"]
    assert "of them 0 done" in apply(tmp_path, *arguments).stdout
    before = times(tmp_path / "out")
    assert "of them 3 done" in apply(tmp_path, *arguments, ranks=2).stdout
    assert times(tmp_path / "out") == before

    write_png(tmp_path / "in" / "b.png", numbers((20, 21, 3), "uint8"))
    (tmp_path / "out" / "c.png").unlink()
    with open(tmp_path / "out" / ".apply", "a") as journal:
        journal.write("0123456789abcdef")  # cut short
    assert "of them 1 done" in apply(tmp_path, *arguments).stdout
    after = times(tmp_path / "out")
    assert after["a.png"] == before["a.png"] and after["b.png"] != before["b.png"]
    assert "of them 3 done" in apply(tmp_path, *arguments).stdout

    assert "of them 0 done" in apply(tmp_path, *arguments, "--force").stdout
    assert "of them 0 done" in apply(tmp_path, *arguments, "--range", "0,100").stdout
    make_model(tmp_path, "conv 3 3 none same")
    assert "of them 0 done" in apply(tmp_path, *arguments).stdout


SLOW = "conv 64 7 relu same, conv 64 7 relu same, conv 3 7 none same"


def make_many(folder):
    make_model(folder, SLOW, weights=3)
    (folder / "in").mkdir()
    for n in range(12):
        write_png(folder / "in" / f"{n:02d}.png", numbers((90, 70, 3), "uint8", n))


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, STOPPED), (signal.SIGKILL, -9)])
def test_stopped_and_gone_on_with(tmp_path, number, code):
    make_many(tmp_path)
    arguments = ["apply", "model.h5", "in", "-o", "out"]
    out = tmp_path / "out"
    with Run(tmp_path, arguments, ranks=None) as started:
        end = time.monotonic() + 60
        while len(list(out.glob("*.png"))) < 3 and time.monotonic() < end:
            time.sleep(0.002)
        started.send(number)
        started.wait()
    assert started.code == code, started.tail
    stopped = files(out)
    for name in ("03.png.tmp.123", "others.tmp.123", "03.png.tmp.old"):
        (out / name).write_bytes(b"cut short")
    if number == signal.SIGTERM:
        assert 3 <= len(stopped) < 12 and all(name.endswith(".png") for name in stopped)
        assert started.stdout.count("the same command goes on") == 1
    apply(tmp_path, "model.h5", "in", "-o", "out")
    apply(tmp_path, "model.h5", "in", "-o", "undisturbed", ranks=2)
    whole = files(out)
    assert whole.pop("others.tmp.123") == whole.pop("03.png.tmp.old") == b"cut short"  # not its own
    assert whole == files(tmp_path / "undisturbed")
    for name in stopped:
        assert ".tmp." in name or stopped[name] == whole[name]


@pytest.mark.parametrize("given, out", [("in", "in/out"), ("link/", "in/out"), ("in", "./in/out/.")])
def test_out_is_no_input(tmp_path, given, out):
    """A folder for output in one of the inputs, by whatever name."""
    make_model(tmp_path)
    (tmp_path / "in" / "out").mkdir(parents=True)
    (tmp_path / "link").symlink_to("in")
    write_png(tmp_path / "in" / "a.png", numbers((20, 20, 3), "uint8"))
    for before in (0, 1):
        done = apply(tmp_path, "model.h5", given, "-o", out)
        assert f"files    1, of them {before} done before" in done.stdout, done.tail


def test_help(tmp_path):
    text = apply(tmp_path, "--help", expect=DONE).stdout
    for option in ("--format", "--quality", "--range", "--axes", "--sigma", "--reference",
                   "--tile", "--memory", "--force", "--quiet", "-o, --output"):
        assert option in text
