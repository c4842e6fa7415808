#!/usr/bin/env python3
"""What BM3D makes of a run's noisy test images: the line that a trained network has to pass.

usage: bm3d_psnr.py RESULTS.h5 [--images N]

RESULTS.h5 has the images and the very noisy inputs in /reconstructions, as many as the run's
output.reconstructions. Needs bm3d (pip install bm3d; versions below 4 also libopenblas0). Each image's PSNR
goes into bm3d-VERSION.csv beside RESULTS.h5, with which an interrupted search goes on. At the end:
the means over the images of BM3D's PSNR, and of the noisy input's.
"""

import argparse
import csv
import importlib.metadata
import pathlib
import sys

import h5py
import numpy as np

try:
    import bm3d
except ImportError as error:
    sys.exit(f"bm3d_psnr.py: {error}: pip install bm3d")


def psnr_db(image, clean):
    return 10 * np.log10(1 / np.mean((image.astype(np.float64) - clean.astype(np.float64)) ** 2))


def denoised(noisy, sigma):
    """A picture of one or three channels, of shape (channels, height, width)."""
    if len(noisy) == 1:
        return bm3d.bm3d(noisy[0].astype(np.float64), sigma)[None]
    return bm3d.bm3d_rgb(noisy.transpose(1, 2, 0).astype(np.float64), sigma).transpose(2, 0, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("--images", type=int, help="the first so many; default: all there are")
    given = parser.parse_args()
    version = importlib.metadata.version("bm3d")
    with h5py.File(given.results, "r") as file:
        sigma = float(file["epochs/test_noise_sigma"][-1])
        clean, noisy = (file["reconstructions"][name][: given.images] for name in ("clean", "noisy"))
    path = given.results.with_name(f"bm3d-{version}.csv")
    done = path.read_text(encoding="utf-8").splitlines()[1:] if path.exists() else []
    with open(path, "a", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        if not done:
            table.writerow(["image", "psnr_db", "input_psnr_db"])
        for i in range(len(done), len(clean)):
            row = [psnr_db(denoised(noisy[i], sigma), clean[i]), psnr_db(noisy[i], clean[i])]
            table.writerow([i, *(f"{value:.4f}" for value in row)])
            file.flush()
    figures = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)[: len(clean), 1:].mean(axis=0)
    print(f"bm3d {version}, sigma {sigma:g}, {len(clean)} images: {figures[0]:.3f} dB, "
          f"input {figures[1]:.3f} dB")


if __name__ == "__main__":
    main()
