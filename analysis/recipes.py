#!/usr/bin/env python3
"""Searches for recipes: trains each line of a list of candidates, and tells them by validation.

usage: recipes.py LIST FOLDER [NAME...] [--ranks N] [--tell]

LIST has candidates, one a line: NAME CONFIG [SECTION.KEY=VALUE...], with quotes as in a shell; a #
begins a comment. Each that isn't finished is trained in FOLDER/NAME, and one that was interrupted
goes on; --tell starts nothing. FOLDER lies best outside the checkout.

The table, on the standard output, is of comma-separated values, the best first: PSNR of the
validation images' mean squared error (the best epoch's; train.validation_images says how many
there are), parameters, epochs, images/s (the median of the epochs) and minutes of training, which
depend on what else the machine did, and the options. No figure of the test set is read, so that it
can't choose.
"""

import argparse
import csv
import math
import os
import pathlib
import shlex
import statistics
import subprocess
import sys

import h5py

ROOT = pathlib.Path(__file__).resolve().parents[1]
COLUMNS = "name validation_psnr_db parameters epochs images_per_s minutes options".split()


def candidates(path):
    """By name, the configuration and the options of each line of the file."""
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if len(words) < 2 or words[0] in found:
            sys.exit(f"{path}:{number}: a line is a name of its own, a configuration and options, "
                     f"not {line!r}")
        found[words[0]] = words[1:]
    return found


def train(folder, config, options, ranks, log=None):
    """Trains in the folder, or goes on there; returns the program's exit code. What it says goes
    into the file `log`, or to the terminal."""
    command = ["mpirun", "-np", str(ranks), ROOT / "build" / "ae_dist", ROOT / config, "--set",
               f"run.dir={folder}", *(word for option in options for word in ("--set", option))]
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False,
                          env={"OMP_NUM_THREADS": "1", **os.environ}).returncode


def train_candidate(folder, words, ranks):
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.log", "a", encoding="utf-8") as log:
        code = train(folder, words[0], words[1:], ranks, log)
    if code != 0:
        print(f"recipes.py: {folder.name} ended with code {code}: {folder}.log tells why",
              file=sys.stderr)


def parameters(path):
    """Of a model.h5, by name."""
    with h5py.File(path, "r") as file:
        return {name: tensor[()] for name, tensor in file["parameters"].items()}


def parameter_count(path):
    return sum(tensor.size for tensor in parameters(path).values())


def row(name, folder, words):
    """What the run came to, or None before its end."""
    try:
        with h5py.File(folder / "results.h5", "r") as file:
            losses = file["epochs/validation_loss"][()]
            rates, seconds = file["epochs/images_per_s"][()], file["epochs/seconds_compute"][:, 1]
        count = parameter_count(folder / "model.h5")
    except OSError:
        return None
    return {"name": name, "validation_psnr_db": f"{-10 * math.log10(min(losses)):.3f}",
            "parameters": count, "epochs": len(losses),
            "images_per_s": f"{statistics.median(rates):.0f}",
            "minutes": f"{sum(seconds) / 60:.1f}", "options": shlex.join(words)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("list", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help="the list's candidates; default: all")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--tell", action="store_true", help="start nothing")
    given = parser.parse_args()
    found = candidates(given.list)
    unknown = [name for name in given.names if name not in found]
    if unknown:
        sys.exit(f"{given.list}: it has no candidate {unknown[0]}: {', '.join(found)}")
    rows = []
    for name in given.names or found:
        folder = given.folder.resolve() / name
        if not given.tell and row(name, folder, found[name]) is None:
            train_candidate(folder, found[name], given.ranks)
        rows.append(row(name, folder, found[name]))
    table = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(sorted(filter(None, rows), key=lambda r: -float(r["validation_psnr_db"])))


if __name__ == "__main__":
    main()
