#!/usr/bin/env python3
"""Draws a picture with noise, and what a trained network makes of it.

usage: photo_figure.py PICTURE MODEL.h5 OUT.png [--sigma S] [--part ROW COLUMN SIDE]

The noise is Gaussian, of standard deviation S of the pixel range (default: 25/255), added once and
rounded to the picture's 8 bits; `ae_dist apply` then knows the noisy picture alone. PSNR is over the
whole picture; --part shows that square of it.
"""

import argparse
import pathlib
import subprocess
import tempfile

import matplotlib
import matplotlib.pyplot as plt
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]


def read(path):
    """[row][column][3], from 0 to 1, of an 8-bit picture, grey or colour; a PNG may have 16 bits."""
    pixels = plt.imread(path)
    if pixels.ndim == 2:
        pixels = np.dstack([pixels] * 3)
    highest = 255 if pixels.dtype == np.uint8 else 1  # of PNG it makes floats
    return pixels[..., :3].astype(np.float64) / highest


def psnr_db(image, clean):
    return 10 * np.log10(1 / np.mean((image - clean) ** 2))


def denoise(noisy, model):
    """What the program makes of the noisy picture, [row][column][3] from 0 to 1."""
    with tempfile.TemporaryDirectory() as folder:
        plt.imsave(f"{folder}/noisy.png", noisy)
        subprocess.run([ROOT / "build" / "ae_dist", "apply", model, f"{folder}/noisy.png", "-o",
                        f"{folder}/clean"], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)
        return read(f"{folder}/clean/noisy.png")


def draw(path, pictures, clean, part):
    row, column, side = part
    figure, axes = plt.subplots(1, len(pictures), figsize=(4.2 * len(pictures), 4.5),
                                constrained_layout=True)
    for axis, (name, picture) in zip(axes, pictures.items()):
        axis.imshow(picture[row:row + side, column:column + side], interpolation="nearest")
        axis.set_title(f"{name}, {psnr_db(picture, clean):.1f} dB")
        axis.set_axis_off()
    figure.savefig(path, dpi=100, bbox_inches="tight")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("picture", type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--sigma", type=float, default=25 / 255)
    parser.add_argument("--part", type=int, nargs=3, metavar=("ROW", "COLUMN", "SIDE"))
    given = parser.parse_args()
    matplotlib.use("agg")
    clean = read(given.picture)
    noise = np.random.default_rng(0).normal(0, given.sigma, clean.shape)
    noisy = np.round(np.clip(clean + noise, 0, 1) * 255).astype(np.uint8)
    pictures = {"noisy": noisy / 255, "ae_dist apply": denoise(noisy, given.model)}
    draw(given.out, pictures, clean, given.part or (0, 0, max(clean.shape[:2])))


if __name__ == "__main__":
    main()
