#!/usr/bin/env python3
"""Trains the shipped recipes again, and makes the table of configs/models/README.md.

usage: models.py FOLDER [NAME...] [--set SECTION.KEY=VALUE]... [--ranks N] [--ship]

Each recipe NAME (configs/NAME.ini; default: all that have a row) is trained in FOLDER/NAME, or goes
on there; one that is done isn't trained again. Its row tells what the test images gave at each level
of noise after the last epoch, the seed, the hash of model.h5's parameters, which are those of the
epoch with the lowest validation loss, and the minutes that training took. Where configs/models has
NAME.h5, its parameters must be those of FOLDER/NAME/model.h5 to the bit, or this ends with code 1.
--ship puts the trained networks there, and the table into configs/models/README.md.
"""

import argparse
import os
import pathlib
import platform
import shutil
import sys

import h5py

from recipes import ROOT, parameter_count, parameters, train

SHIPPED = ROOT / "configs" / "models"
README = SHIPPED / "README.md"
HEADER = ["recipe", "parameters", "test images", "sigma", "PSNR, dB", "SSIM", "seed", "epochs",
          "minutes", "hash"]
BYTES_MAX, PARAMETERS_MAX = 300_000, 60_000  # of a network that is shipped
BEGIN, END = "<!-- the table of models.py -->", "<!-- its end -->"


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def same(path, other):
    mine, its = parameters(path), parameters(other)
    return mine.keys() == its.keys() and all(
        mine[name].tobytes() == its[name].tobytes() for name in mine)


def row(name, folder):
    with h5py.File(folder / "model.h5", "r") as file:
        digest = file["parameters"].attrs["hash"]
    with h5py.File(folder / "results.h5", "r") as file:
        epochs, levels, config = file["epochs"], file["levels"], file["config"].attrs
        sigmas, psnr, ssim = levels["sigma"][()], levels["psnr_db"][-1], levels["ssim"][-1]
        is_of_files = config["data.source"] == "pictures"
        images = pathlib.Path(config["data.test"]).name if is_of_files else config["data.source"]
        return [f"`{name}.ini`", str(parameter_count(folder / "model.h5")), images,
                " / ".join(f"{sigma:.3g}" for sigma in sigmas),
                " / ".join(f"{value:.2f}" for value in psnr),
                " / ".join(f"{value:.4f}" for value in ssim),
                str(config["run.seed"]), str(len(epochs["epoch"])),
                f"{epochs['seconds'][()].sum() / 60:.1f}",
                f"`{digest}`"]


def rows_of(text):
    """The rows of the table in the README, by recipe."""
    lines = text.partition(BEGIN)[2].partition(END)[0].strip().splitlines()[2:]
    return {cells[0]: cells for cells in
            ([cell.strip() for cell in line.strip("| \n").split("|")] for line in lines)}


def table_of(rows):
    lines = [HEADER, ["---"] * len(HEADER), *rows.values()]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--ranks", type=int, default=os.cpu_count())
    parser.add_argument("--ship", action="store_true")
    given = parser.parse_args()
    text = README.read_text(encoding="utf-8")
    rows = rows_of(text)
    names = given.names or [name.strip("`").removesuffix(".ini") for name in rows]
    differ = []
    for name in names:
        folder = given.folder.resolve() / name
        code = train(folder, f"configs/{name}.ini", given.set, given.ranks)
        if code != 0:
            sys.exit(f"models.py: {name} ended with code {code}")
        made, shipped = folder / "model.h5", SHIPPED / f"{name}.h5"
        rows[f"`{name}.ini`"] = row(name, folder)
        small = made.stat().st_size <= BYTES_MAX and parameter_count(made) <= PARAMETERS_MAX
        if given.ship and small:
            shutil.copyfile(made, shipped)
        elif shipped.exists() and not same(made, shipped):
            differ.append(shipped)
    print(table_of(rows), f"\n\n{given.ranks} ranks on {processor()}")
    if given.ship:
        head, tail = text.partition(BEGIN)[0], text.partition(END)[2]
        README.write_text(f"{head}{BEGIN}\n\n{table_of(rows)}\n\n{END}{tail}", encoding="utf-8")
    for path in differ:
        print(f"models.py: {path} has other parameters than the network that was trained just now",
              file=sys.stderr)
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
