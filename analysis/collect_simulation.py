#!/usr/bin/env python3
"""Gathers what jobs/simulate.sh simulated into one HDF5 file that explains itself, and prints it.

usage: collect_simulation.py --block MEASURED
       collect_simulation.py --seconds MEASURED
       collect_simulation.py FOLDER FILE --measured MEASURED

MEASURED holds JSON files of ae_bench on one rank and thread, with --batch 100 and with a batch of
one block. The first form prints how many images that is, of which 100 alone tells. The second
prints what is to be simulated: seconds of an image, seconds of the rest of a step, images of a
block, bytes of a step's message. FOLDER holds the run folders of ae_simulate, named
simulated-RANKS-LATENCY-BANDWIDTH-BATCH (in us and Gbit/s). Those with the same batch must have come
to the same parameters.

The file holds

    /              attributes: title, description, program, format "ae_dist simulation",
                   format_version
    /provenance    what was measured, where, when
    /strong_100, /strong_4096, /weak_40
                   [network][ranks]: a step's time and its parts, speed-up, efficiency
"""

import argparse
import json
import os
import pathlib
import re
import sys

try:
    import h5py

    from collect_scaling import add, add_group
except ImportError as error:
    sys.exit(f"collect_simulation.py: {error.name} is missing: apt install python3-h5py "
             "python3-numpy, or pip install h5py numpy")

FORMAT, FORMAT_VERSION = "ae_dist simulation", 2
NAME = re.compile(r"simulated-(\d+)-([\d.]+)-(\d+)-(\d+)")

# name, title, batch of a number of ranks, batch of the one core it is compared with
KINDS = [
    ("strong_100", "strong scaling: 100 images in a step", lambda ranks: 100, 100),
    ("strong_4096", "strong scaling: 4,096 images in a step", lambda ranks: 4096, 4096),
    ("weak_40", "weak scaling: 40 images a rank", lambda ranks: 40 * ranks, 40),
]


def read_fastest(folder):
    """The fastest measurement of each batch, and the images of a block."""
    fastest = {}
    for path in sorted(folder.glob("*.json")):
        run = json.loads(path.read_text())
        if run["threads"] != 1:
            raise ValueError(f"{path} isn't of one rank and thread")
        best = fastest.setdefault(run["batch"], run)
        if run["network"] != best["network"]:
            raise ValueError(f"{path} is of another network than those before it")
        if run["images_per_s"] > best["images_per_s"]:
            fastest[run["batch"]] = run
    if 100 not in fastest:
        raise ValueError(f"{folder} hasn't measurements of batch 100")
    return fastest, fastest[100]["block"]


class Measured:
    """What one core takes."""

    def __init__(self, folder):
        fastest, self.block = read_fastest(folder)
        if self.block not in fastest:
            raise ValueError(f"{folder} hasn't measurements of batches {self.block} and 100")
        self.run = fastest[100]
        # Of an image, its share of the rest included.
        small_s, large_s = 1 / fastest[self.block]["images_per_s"], 1 / self.run["images_per_s"]
        self.update_s = (small_s - large_s) / (1 / self.block - 1 / 100)
        self.image_s = small_s - self.update_s / self.block
        if self.update_s < 0:
            raise ValueError("a step on one block took less than its share of one on 100 images: "
                             "measure while the machine has nothing else to do")

    def images_per_s(self, batch):
        """Of one core."""
        return batch / (batch * self.image_s + self.update_s)


def read_step(path):
    """A step of the last epoch: its times as rank 0 took them, and of computing and updating those
    of the rank that took most; and the parameters' hash."""
    with h5py.File(path, "r") as file:
        batch = int(file["config"].attrs["train.batch"])
        steps = int(file["config"].attrs["data.train_images"]) // batch
        epoch = {name: file["epochs"][name][-1] for name in
                 ("images_per_s", "seconds_compute", "seconds_optimizer", "parameters_hash")}
        ranks = int(file["provenance/ranks"][-1])
    most = 2  # behind lowest and mean
    return {"ranks": ranks, "batch": batch, "step_s": batch / epoch["images_per_s"],
            "compute_s": epoch["seconds_compute"][most] / steps,
            "update_s": epoch["seconds_optimizer"][most] / steps,
            "hash": epoch["parameters_hash"].decode()}


def read_simulations(folder):
    """The steps by (latency in us, Gbit/s, ranks, batch)."""
    found, hashes = {}, {}
    for path in sorted(folder.iterdir()):
        name = NAME.fullmatch(path.name)
        if not name:
            continue
        step = read_step(path / "results.h5")
        if (step["ranks"], step["batch"]) != (int(name[1]), int(name[4])):
            raise ValueError(f"{path} is of {step['ranks']} ranks and a batch of {step['batch']}")
        first, expected = hashes.setdefault(step["batch"], (path, step["hash"]))
        if step["hash"] != expected:
            raise ValueError(f"{path} came to other parameters than {first}: {step['hash']}, not "
                             f"{expected}")
        found[float(name[2]), int(name[3]), step["ranks"], step["batch"]] = step
    if not found:
        raise ValueError(f"{folder} holds no simulations")
    return found


# name, units, long_name, description, of a step and the rate of one core
FIGURES = [
    ("step_s", "s", "Time of a step", "Simulated", lambda step, alone: step["step_s"]),
    ("compute_s", "s", "Computing", "Images of the rank that has most, at the measured time of one",
     lambda step, alone: step["compute_s"]),
    ("reduce_s", "s", "Reduction", "What is left of the step: MPI_Allreduce, and waiting for others",
     lambda step, alone: step["step_s"] - step["compute_s"] - step["update_s"]),
    ("update_s", "s", "Update", "The rest of a step, which all ranks do alike; measured",
     lambda step, alone: step["update_s"]),
    ("images_per_s", "s-1", "Images a second", "Batch over step_s",
     lambda step, alone: step["batch"] / step["step_s"]),
    ("speedup", "1", "Speed-up", "images_per_s over that of one core",
     lambda step, alone: step["batch"] / step["step_s"] / alone),
    ("efficiency", "1", "Efficiency", "speedup over ranks",
     lambda step, alone: step["batch"] / step["step_s"] / alone / step["ranks"]),
]


def add_provenance(file, measured):
    run = measured.run
    group = add_group(file, "provenance", "What was measured, on what, when")
    for name, value, units, long_name, text in [
            ("time", run["time"], "ISO 8601", "Time", "Of the measurement of one core"),
            ("processor", run["processor"], "text", "Processor", "Whose core was measured"),
            ("version", run["version"], "text", "Version", "Of ae_bench"),
            ("revision", run["revision"], "text", "Git revision", "Of ae_bench's source"),
            ("kernel_path", run["kernels"], "text", "Kernel path",
             "Which of the equal kernels ran"),
            ("network_layers", run["network"], "text", "Layers",
             "Kind, output channels, kernel, activation of each"),
            ("block", measured.block, "1", "Images a block", "Of which a gradient is computed"),
            ("message_bytes", run["message_bytes"], "byte", "Message of a step",
             "What MPI_Allreduce adds up"),
            ("image_s", measured.image_s, "s", "Time of an image", "On one core, measured"),
            ("update_s", measured.update_s, "s", "Time of the rest of a step",
             "On one core, measured: a step on one block without that of its images")]:
        add(group, name, value, units, long_name, text)


def add_kind(file, measured, found, kind):
    """One kind of scaling."""
    name, title, batch_of, alone = kind
    networks = sorted({key[:2] for key in found}, key=lambda pair: pair[1])
    ranks = sorted({key[2] for key in found})
    group = add_group(file, name, title.capitalize())
    add(group, "network", [f"{gbit} Gbit/s" for _, gbit in networks], "text", "Network",
        "Its bandwidth between nodes", ["network"])
    add(group, "ranks", ranks, "1", "Ranks", "MPI processes, a core each", ["ranks"])
    add(group, "latency_s", [latency / 1e6 for latency, _ in networks], "s", "Latency",
        "Of a message from one node to another", ["network"])
    add(group, "batch", list(map(batch_of, ranks)), "1", "Batch", "Images in a step", ["ranks"])
    add(group, "parameters_hash",
        [found[*networks[0], number, batch_of(number)]["hash"] for number in ranks], "text",
        "Hash of the parameters", "After the two epochs, on either network", ["ranks"])
    for column, units, long_name, text, value in FIGURES:
        values = [[value(found[*network, number, batch_of(number)], measured.images_per_s(alone))
                   for number in ranks] for network in networks]
        add(group, column, values, units, long_name, text, ["network", "ranks"])


def write(path, measured, found):
    with h5py.File(path, "w", track_order=True) as file:
        file.attrs["title"] = "Simulated scaling of a convolutional autoencoder's training step"
        file.attrs["description"] = (
            "Each group opens as a dataset of its own: xarray.open_dataset(path, "
            "group='weak_40', engine='h5netcdf'). Simulated with SimGrid: only image_s and "
            "update_s in provenance were measured.")
        file.attrs["program"] = f"ae_bench {measured.run['version']} ({measured.run['revision']})"
        file.attrs["format"] = FORMAT
        file.attrs["format_version"] = FORMAT_VERSION
        add_provenance(file, measured)
        for kind in KINDS:
            add_kind(file, measured, found, kind)


def print_table(path):
    with h5py.File(path, "r") as file:
        for name, title, _, _ in KINDS:
            group = file[name]
            ranks = group["ranks"][()]
            for place, network in enumerate(group["network"].asstr()[()]):
                print(f"\n{title}, {network}, {1e6 * group['latency_s'][place]:g} us\n"
                      f"{'ranks':>6} {'step us':>10} {'compute us':>11} {'reduce us':>10} "
                      f"{'images/s':>12} {'speed-up':>9} {'efficiency':>11}")
                columns = {key: group[key][place] for key, *_ in FIGURES}
                for i, number in enumerate(ranks):
                    print(f"{number:6d} {1e6 * columns['step_s'][i]:10.1f} "
                          f"{1e6 * columns['compute_s'][i]:11.1f} "
                          f"{1e6 * columns['reduce_s'][i]:10.1f} "
                          f"{columns['images_per_s'][i]:12,.0f} {columns['speedup'][i]:9.1f} "
                          f"{100 * columns['efficiency'][i]:9.1f} %")
                below = ranks[columns["efficiency"] < 0.5]
                print(f"efficiency below 50 %: from {below[0]} ranks" if len(below) else
                      f"efficiency of 50 % and more up to {ranks[-1]} ranks")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", metavar="FOLDER", type=pathlib.Path, nargs="?",
                        help="where the run folders of ae_simulate are")
    parser.add_argument("file", metavar="FILE", type=pathlib.Path, nargs="?",
                        help="the HDF5 file to write")
    parser.add_argument("--block", metavar="MEASURED", type=pathlib.Path,
                        help="print the images of a block in a folder of ae_bench's JSON files")
    parser.add_argument("--seconds", metavar="MEASURED", type=pathlib.Path,
                        help="print what is to be simulated by such a folder")
    parser.add_argument("--measured", metavar="MEASURED", type=pathlib.Path,
                        help="the folder that --seconds was given")
    arguments = parser.parse_args()
    writes = bool(arguments.file and arguments.measured)
    if writes + bool(arguments.seconds) + bool(arguments.block) != 1:
        parser.error("give --block or --seconds MEASURED, or FOLDER FILE --measured MEASURED")
    try:
        if arguments.block:
            print(read_fastest(arguments.block)[1])
            return
        measured = Measured(arguments.seconds or arguments.measured)
        if arguments.seconds:
            print(f"{measured.image_s:.9g} {measured.update_s:.9g} {measured.block} "
                  f"{measured.run['message_bytes']}")
            return
        beside = arguments.file.with_name(arguments.file.name + ".new")
        write(beside, measured, read_simulations(arguments.folder))
        os.replace(beside, arguments.file)
    except (OSError, KeyError, ValueError) as error:
        sys.exit(f"collect_simulation.py: {type(error).__name__} {error}")
    print_table(arguments.file)
    print(f"\n{arguments.file}")


if __name__ == "__main__":
    main()
