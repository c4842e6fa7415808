#!/usr/bin/env python3
"""Noisy copies of clean pictures, made once: stacks to train on without clean ones.

usage: noisy_pairs.py PICTURES... -o FILE.h5 [--sigma 25/255] [--copies 2] [--side N] [--grey] [--seed N]

PICTURES are files of 8 bits that Pillow reads, or folders of them. FILE.h5 gets them as /clean, and as
/noisy1, /noisy2 and so on with Gaussian noise of their own, which isn't clipped: floats of shape (image,
channel, row, column), where 0 is black and 1 white, in the order of the files' names. With --side each picture is
cut into squares of that side, from its upper left; else all must be of one size. A copy's noise depends
on the seed, its number and the picture alone. To train on them (configs/noise2noise.ini):

    source = hdf5
    train = FILE.h5:/noisy1
    other = FILE.h5:/noisy2
    range = 0 1
"""

import argparse
import math
import pathlib
import sys

import h5py
import numpy as np
from PIL import Image, UnidentifiedImageError


def sigma_of(text):
    """0.1, or 25/255."""
    number, _, divisor = text.partition("/")
    try:
        sigma = float(number) / float(divisor or 1)
    except (ValueError, ZeroDivisionError):
        sigma = math.nan
    if not 0 <= sigma < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is no number from 0, such as 0.1 or 25/255")
    return sigma


def files_of(paths):
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.iterdir() if file.is_file())
        else:
            yield path


def read(path, is_grey):
    """Channel, row, column, in [0, 1]."""
    with Image.open(path) as image:
        if image.mode[0] in "IF":  # Pillow would clip these to 0 and 255
            raise OSError("its values have more than 8 bits: convert it to 8")
        pixels = np.asarray(image.convert("L" if is_grey else "RGB"), np.float32) / 255
    return pixels[None] if is_grey else pixels.transpose(2, 0, 1)


def squares(picture, side):
    """The picture's squares, by rows; without a side, the picture itself."""
    _, height, width = picture.shape
    if not side:
        return picture[None]
    return np.array([picture[:, y:y + side, x:x + side]
                     for y in range(0, height - side + 1, side)
                     for x in range(0, width - side + 1, side)])


def append(file, name, images, long_name):
    """Adds images to a dataset, which the first ones make."""
    if name not in file:
        dataset = file.create_dataset(name, data=images, maxshape=(None, *images.shape[1:]),
                                      chunks=(1, *images.shape[1:]))
        dataset.attrs.update({"units": "1", "long_name": long_name, "description":
                              f"{long_name}: image, channel, row, column; 0 is black, 1 white"})
        return
    dataset = file[name]
    dataset.resize(len(dataset) + len(images), axis=0)
    dataset[-len(images):] = images


def add_picture(file, index, images, given):
    append(file, "clean", images, "Clean images")
    for copy in range(1, given.copies + 1):
        generator = np.random.default_rng((given.seed, copy, index))
        noisy = images + given.sigma * generator.standard_normal(images.shape, np.float32)
        append(file, f"noisy{copy}", noisy.astype(np.float32), f"Images with noise {given.sigma:.6g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pictures", nargs="+", type=pathlib.Path)
    parser.add_argument("-o", "--output", required=True, type=pathlib.Path)
    parser.add_argument("--sigma", type=sigma_of, default=25 / 255, help="default: 25/255")
    parser.add_argument("--copies", type=int, default=2, help="default: 2")
    parser.add_argument("--side", type=int, default=0, help="of squares; default: whole pictures")
    parser.add_argument("--grey", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with h5py.File(given.output, "w") as file:
        for index, path in enumerate(files_of(given.pictures)):
            try:
                images = squares(read(path, given.grey), given.side)
            except (OSError, UnidentifiedImageError) as error:
                sys.exit(f"noisy_pairs.py: {path}: {error}")
            if len(images) == 0:
                sys.exit(f"noisy_pairs.py: {path} has no square of {given.side} pixels: leave it out")
            if index > 0 and images.shape[1:] != file["clean"].shape[1:]:
                sys.exit(f"noisy_pairs.py: {path} is of another size than those before it: set --side")
            add_picture(file, index, images, given)
        if "clean" not in file:
            sys.exit("noisy_pairs.py: there are no pictures")
        print(f"{given.output}: {len(file['clean'])} images of {file['clean'].shape[1:]}, and "
              f"{given.copies} noisy copies of each")


if __name__ == "__main__":
    main()
