"""ae_dist apply: what is refused, left out, or too large."""
import re

import h5py
import numpy as np
import pytest
from applying import REFERENCE, apply, assert_left_out, files, make_model, numbers
from picture_files import write_png, write_tiff
from support import DATA, FILES, USAGE, assert_refused


def test_broken_pictures_are_named_and_passed_over(tmp_path):
    make_model(tmp_path, REFERENCE, weights=3)
    (tmp_path / "in").mkdir()
    for name in ("a", "cut", "z"):
        write_png(tmp_path / "in" / f"{name}.png", numbers((40, 40, 3), "uint8"))
    whole = (tmp_path / "in" / "cut.png").read_bytes()
    (tmp_path / "in" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "in" / "empty.png").write_bytes(b"")
    (tmp_path / "in" / "text.png").write_text("not a picture")
    write_png(tmp_path / "in" / "tiny.png", numbers((4, 40, 3), "uint8"))
    (tmp_path / "in" / "notes.txt").write_text("left out by its name")
    for ranks in (None, 3):
        done = apply(tmp_path, "model.h5", "in", "-o", f"out{ranks}", ranks=ranks, expect=DATA)
        assert_left_out(done, "cut.png", "empty.png", "text.png", "tiny.png")
        assert "4 of 6 files were left out" in done.text and "notes.txt" in done.stdout
        assert sorted(files(tmp_path / f"out{ranks}")) == ["a.png", "z.png"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_named(tmp_path, value):
    """One of a stack's floats; nothing of the stack is left."""
    make_model(tmp_path, "conv 1 1 none", channels=1)
    pixels = numbers((2, 20, 30), "float32")
    pixels[1, 7, 3] = value
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = pixels
    done = apply(tmp_path, "model.h5", "a.h5:/x", "--range", "0,1", "-o", "out", expect=DATA)
    assert_left_out(done, "a.h5:/x[1]: in rows", "a NaN or an infinity")
    assert not any("a.h5" in name for name in files(tmp_path / "out"))
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["x"] = np.nan_to_num(pixels, posinf=0)
    done = apply(tmp_path, "model.h5", "b.h5:/x", "--range", "0,1", "--reference", "a.h5:/x", "-o",
                 "out", expect=DATA)
    assert_left_out(done, "b.h5:/x[1]: in its reference is a NaN or an infinity")


@pytest.mark.parametrize("arguments, fragment", [
    (["--tile", "0"], "--tile 0"), (["--quality", "101"], "--quality 101"),
    (["--range", "1,1"], "--range 1,1"), (["--memory", "3X"], "--memory 3X"),
    (["--format", "gif"], "--format gif"), (["--sigma", "-1"], "--sigma -1"),
    (["--axes", "HWN"], "--axes HWN"), (["--sgima", "1"], "--sgima"),
])
def test_options_are_refused(tmp_path, arguments, fragment):
    assert_refused(apply(tmp_path, "model.h5", "a.png", "-o", "out", *arguments, expect=USAGE),
                   USAGE, fragment)


def test_commands_are_refused(tmp_path):
    make_model(tmp_path)
    write_png(tmp_path / "a.png", numbers((8, 8, 3), "uint8"))
    (tmp_path / "x.h5").touch()
    (tmp_path / "b").mkdir()
    write_png(tmp_path / "b" / "a.png", numbers((8, 8, 3), "uint8"))
    assert_refused(apply(tmp_path, "model.h5", "-o", "out", expect=USAGE), USAGE, "the pictures")
    assert_refused(apply(tmp_path, "model.h5", "a.png", expect=USAGE), USAGE, "-o and the folder")
    assert_refused(apply(tmp_path, "none.h5", "a.png", "-o", "out", expect=USAGE), USAGE, "none.h5")
    assert_refused(apply(tmp_path, "model.h5", "none.png", "-o", "out", expect=None), DATA,
                   "none.png")
    assert_refused(apply(tmp_path, "model.h5", "a.png", "b", "-o", "out", expect=USAGE), USAGE,
                   "a.png and b/a.png would both go to a.png")
    assert_refused(apply(tmp_path, "model.h5", "b", "b/a.png", "-o", "out", expect=USAGE), USAGE,
                   "b/a.png is given twice")
    assert_refused(apply(tmp_path, "model.h5", "x.h5:/a", "x.h5:/b", "-o", "out", expect=USAGE),
                   USAGE, "x.h5:/a and x.h5:/b would both go to x.h5")
    assert_refused(apply(tmp_path, "model.h5", "a.png", "-o", ".", expect=USAGE), USAGE,
                   "in its own place")
    for out, fragment in [("a.png", "move it, or choose another OUT (-o)"),
                          ("no/out", "put the missing file or folder back, or choose another OUT")]:
        done = apply(tmp_path, "model.h5", "a.png", "-o", out, expect=FILES)
        assert_refused(done, FILES, f"can't make the folder {out}: ", fragment)
    assert not (tmp_path / "out").exists()


def test_what_is_no_model_is_refused(tmp_path):
    """Files of other kinds are, as usage; a model that was damaged is told to be so."""
    model = make_model(tmp_path).read_bytes()
    write_png(tmp_path / "a.png", numbers((8, 8, 3), "uint8"))
    (tmp_path / "text.h5").write_text("no HDF5 file")
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["weights"] = np.zeros(3)
    apply(tmp_path, "model.h5", "a.png", "-o", "out", "--sigma", "0.1")
    for name, kind in [("a.png", " bytes;"), ("text.h5", " bytes;"), ("foreign.h5", "another kind"),
                       ("out/apply.h5", "another kind")]:
        done = apply(tmp_path, name, "a.png", "-o", "no", expect=USAGE)
        assert_refused(done, USAGE, f"{name} is no model of ae_dist, but ", kind, "its model.h5")
    for damaged in (model[:999], b"?" + model[1:], model[:-99] + b"?" + model[-98:]):
        (tmp_path / "damaged.h5").write_bytes(damaged)
        assert_refused(apply(tmp_path, "damaged.h5", "a.png", "-o", "no", expect=FILES), FILES,
                       "damaged.h5 is damaged: ")


def test_datasets_are_refused(tmp_path):
    make_model(tmp_path)
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["signed"] = np.zeros((2, 9, 9), np.int16)
        file["line"] = np.zeros(9, np.uint8)
        file["none"] = np.zeros((0, 9, 9), np.uint8)
        file["five"] = np.zeros((2, 5, 9, 9), np.uint8)
        file.create_dataset("elsewhere", (9, 9), np.uint8, external=[("a.bin", 0, 81)])
        damaged = file.create_dataset("damaged", (2, 99, 99), np.uint8, compression="gzip",
                                      data=numbers((2, 99, 99), "uint8"))
        place = damaged.id.get_chunk_info(0).byte_offset
    with open(tmp_path / "in.h5", "r+b") as file:
        file.seek(place)
        file.write(bytes(99))
    (tmp_path / "text.h5").write_text("no HDF5")
    for name, fragment in [("signed", "unsigned"), ("line", "1 dimensions"), ("none", "0 pictures"),
                           ("five", "--axes"), ("missing", "exist; h5ls -r tells what there is"),
                           ("elsewhere", "aren't HDF5's"), ("damaged", "failed; get the file anew")]:
        done = apply(tmp_path, "model.h5", f"in.h5:/{name}", "-o", "out", expect=DATA)
        assert_left_out(done, fragment)
    for name in ("in.h5", "in.h5:five", "im.h5:/five"):
        done = apply(tmp_path, "model.h5", name, "-o", "out", expect=DATA)
        assert_refused(done, DATA, f"'{name}'", "name a dataset, as FILE.h5:/dataset")
    assert_left_out(apply(tmp_path, "model.h5", "text.h5:/x", "-o", "out", expect=DATA), "text.h5")


def test_memory(tmp_path):
    """In strips little is enough; what is compared is held whole."""
    make_model(tmp_path, REFERENCE, weights=3)
    write_png(tmp_path / "a.png", numbers((900, 300, 3), "uint8"))
    apply(tmp_path, "model.h5", "a.png", "-o", "out")
    apply(tmp_path, "model.h5", "a.png", "-o", "little", "--memory", "2M")
    assert files(tmp_path / "out") == files(tmp_path / "little")
    assert_left_out(apply(tmp_path, "model.h5", "a.png", "-o", "no", "--memory", "2M", "--sigma",
                          "0.1", expect=DATA), "whole as they are compared")


def test_what_is_needed_is_more_than_there_is(tmp_path):
    """In a message too, of numbers that are near to each other."""
    make_model(tmp_path, REFERENCE, weights=3)
    for height in range(40, 2000, 40):
        write_png(tmp_path / f"{height}.png", numbers((height, 40, 3), "uint8"))
    done = apply(tmp_path, "model.h5", *(f"{h}.png" for h in range(40, 2000, 40)), "-o", "out",
                 "--memory", "2M", "--sigma", "0.1", expect=DATA)
    found = re.findall(r"pixels need (\d+) MB.*lets a rank use (\d+) MB", done.text)
    assert found and all(int(needed) > int(there) for needed, there in found)


@pytest.mark.parametrize("name, fragment", [("a.tif", "'out/a.tif': File too large; raise the limit"),
                                            ("a.h5:/x", "out/a.h5: can't write /x")])
def test_a_disk_that_is_full(tmp_path, name, fragment):
    """Files may have 8 MiB: what can't be written ends it, with nothing under a final name."""
    make_model(tmp_path)
    pixels = np.zeros((1600, 2400, 3), np.uint8)
    write_tiff(tmp_path / "a.tif", [pixels])
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = pixels[None]
    done = apply(tmp_path, "model.h5", name, "-o", "out", expect=FILES,
                 before=["sh", "-c", 'ulimit -f 16384; exec "$@"', "sh"])
    assert_refused(done, FILES, fragment)
    assert files(tmp_path / "out") == {}
