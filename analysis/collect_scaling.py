#!/usr/bin/env python3
"""Gathers what jobs/scaling.sh measured into one HDF5 file that explains itself.

usage: collect_scaling.py FOLDER FILE --batch N [--launch TEXT] [--job ID]

FOLDER holds the JSON files of ae_bench, each named ROUND-RANKSxTHREADS-BATCH.json. A measurement
whose batch is N belongs to strong scaling, and one whose batch is N times its workers to weak
scaling; that of one worker is both, and tells of the kernels.

The file holds

    /              attributes: title, description, program, format "ae_dist scaling", format_version
    /provenance    what ran, where, when, and built from what
    /strong, /weak [layout][round] and [layout][round][rank]: rates, speed-ups, efficiencies
    /kernels       [kernel][round]: each kernel on one core, against the core's peak
    /elementwise   [work][round]: the other work of a step on one core
    /memory        [array][round]: how fast one core's memory is

Every dataset has units, long_name and description, and every dimension a scale of its name in the
same group.
"""

import argparse
import json
import os
import pathlib
import re
import sys

try:
    import h5py
    import numpy as np
except ImportError as error:
    sys.exit(f"collect_scaling.py: {error.name} is missing: apt install python3-h5py "
             "python3-numpy, or pip install h5py numpy")

FORMAT, FORMAT_VERSION = "ae_dist scaling", 1
NAME = re.compile(r"(\d+)-(\d+)x(\d+)-(\d+)\.json")


class Measurements:
    """The JSON files, by (round, ranks, threads of a rank, batch)."""

    def __init__(self, folder):
        self.found = {}
        for path in sorted(folder.iterdir()):
            name = NAME.fullmatch(path.name)
            if name:
                self.found[tuple(map(int, name.groups()))] = json.loads(path.read_text())
        self.rounds = sorted({key[0] for key in self.found})
        alone = [key for key in self.found if key[1:3] == (1, 1)]
        if not alone or len(alone) != len(self.rounds):
            raise ValueError(f"{folder} hasn't one measurement of one worker in each round")
        self.alone = [self.found[key] for key in sorted(alone)]

    def layouts(self):
        """(ranks, threads), the fewest workers first."""
        return sorted({key[1:3] for key in self.found}, key=lambda pair: (pair[0] * pair[1], pair))


# ---- writing ----


def add(group, name, values, units, long_name, description, scales=()):
    """A dataset along the named scales of its group; its own name among them makes it one."""
    values = np.asarray(values)
    if values.dtype.kind in "UO":
        values = values.astype(object)
        dataset = group.create_dataset(name, data=values, dtype=h5py.string_dtype())
    else:
        dataset = group.create_dataset(name, data=values, track_order=True)
    dataset.attrs["units"] = units
    dataset.attrs["long_name"] = long_name
    dataset.attrs["description"] = description
    if list(scales) == [name]:
        dataset.make_scale(name)
        return
    for dimension, scale in zip(dataset.dims, scales):
        dimension.attach_scale(group[scale])
        dimension.label = scale


def add_group(file, name, description):
    group = file.create_group(name, track_order=True)
    group.attrs["description"] = description
    return group


def add_rounds(group, measurements):
    add(group, "round", measurements.rounds, "1", "Round",
        "All was measured once in each round, in an order that changes; counted from 1", ["round"])


# ---- groups ----


def add_provenance(file, measurements, arguments):
    group = add_group(file, "provenance", "What ran, where, when, and built from what")
    runs = list(measurements.found.values())
    first = min(runs, key=lambda run: run["time"])
    last = max(runs, key=lambda run: run["time"])
    widest = max(runs, key=lambda run: run["ranks"])

    def text(name, value, long_name, description, units="text"):
        add(group, name, value, units, long_name, description)

    text("time_begin", first["time"], "First measurement", "Local time with offset from UTC, at "
         "its end", "ISO 8601")
    text("time_end", last["time"], "Last measurement", "Local time with offset from UTC, at its "
         "end", "ISO 8601")
    text("hosts", widest["hosts"], "Hosts", "Host names with their ranks, where those were most")
    text("processor", first["processor"], "Processor", "As the first rank's host names it")
    add(group, "cores", max(run["cores"] for run in runs), "1", "Cores",
        "That the ranks could use, over all hosts")
    text("version", first["version"], "Version", "Of ae_bench")
    text("revision", first["revision"], "Git revision",
         "Of ae_bench's source; -dirty where it had changes")
    text("mpi", first["mpi"], "MPI library", "Name and version")
    text("compiler", first["compiler"], "Compiler", "Name and version")
    text("flags", first["flags"], "Compiler flags", "As given to the compiler")
    text("kernel_path", first["kernels"], "Kernel path", "Which of the equal kernels ran")
    text("network", first["network"], "Network",
         "Layers: kind, output channels, kernel, activation")
    add(group, "multiply_adds_per_image", first["multiply_adds_per_image"], "1",
        "Multiply-adds of an image", "Useful ones of the convolutions, in a training step")
    add(group, "message_bytes", first["message_bytes"], "byte", "Message of a step",
        "What MPI_Allreduce adds up over the ranks in each step")
    text("launch", arguments.launch, "Launcher",
         "Its arguments; $ranks and $threads stand for their numbers")
    text("job_id", arguments.job, "Job", "The batch system's number, or empty")
    add(group, "batch", arguments.batch, "1", "Batch",
        "Images in a step; weak scaling: for each worker")


# name, units, long_name, description, of one measurement and that of one worker in the same round
FIGURES = [
    ("images_per_s", "s-1", "Images a second", "Of the training step; median within a measurement",
     lambda run, alone: run["images_per_s"]),
    ("speedup", "1", "Speed-up", "images_per_s over that of one worker in the same round",
     lambda run, alone: run["images_per_s"] / alone["images_per_s"]),
    ("efficiency", "1", "Efficiency", "speedup over the number of workers",
     lambda run, alone: run["images_per_s"] / alone["images_per_s"] / run["threads"]),
    ("own_images_per_s", "s-1", "Images a second by themselves",
     "The work of a step on all workers at once, without the step: none waits for another; sum",
     lambda run, alone: sum(run["rank_images_per_s"])),
    ("own_efficiency", "1", "Efficiency against own rates",
     "images_per_s over own_images_per_s, the median of ratios each taken within a quarter of a "
     "second",
     lambda run, alone: run["efficiency"]),
    ("peak_multiply_adds_per_s", "s-1", "Peak of multiply-adds",
     "Of all workers at once, measured in the same run; sum",
     lambda run, alone: sum(run["rank_peak_multiply_adds_per_s"])),
    ("peak_speedup", "1", "Speed-up of the peak",
     "peak_multiply_adds_per_s over that of one worker in the same round: what the cores gave. "
     "Below the number of workers where cores at work together are slower, or not all ours",
     lambda run, alone: sum(run["rank_peak_multiply_adds_per_s"])
     / sum(alone["rank_peak_multiply_adds_per_s"])),
    ("fraction_of_peak", "1", "Fraction of the peak",
     "The step's useful multiply-adds over peak_multiply_adds_per_s, the median of ratios each "
     "taken within a quarter of a second", lambda run, alone: run["fraction_of_peak"]),
    ("peak_efficiency", "1", "Efficiency against the peak",
     "fraction_of_peak over that of one worker in the same round: the efficiency, but for what "
     "peak_speedup tells", lambda run, alone: run["fraction_of_peak"] / alone["fraction_of_peak"]),
    ("allreduce_s", "s", "Time of an Allreduce", "Of a step's message, median within a measurement",
     lambda run, alone: run["allreduce_s"]),
]
RANK_FIGURES = [
    ("rank_own_images_per_s", "s-1", "Images a second of a rank by itself",
     "As own_images_per_s, of each rank's threads; NaN where there is no such rank",
     "rank_images_per_s"),
    ("rank_peak_multiply_adds_per_s", "s-1", "Peak of multiply-adds of a rank",
     "As peak_multiply_adds_per_s, of each rank's threads; NaN where there is no such rank",
     "rank_peak_multiply_adds_per_s"),
]


def add_scaling(file, name, description, measurements, batch_of):
    """One kind of scaling; batch_of tells the batch for a number of workers."""
    layouts = [pair for pair in measurements.layouts()
               if (measurements.rounds[0], *pair, batch_of(pair[0] * pair[1]))
               in measurements.found]
    workers = [ranks * threads for ranks, threads in layouts]
    group = add_group(file, name, description)
    add(group, "layout", [f"{ranks}x{threads}" for ranks, threads in layouts], "text", "Layout",
        "MPI ranks x threads of each", ["layout"])
    add_rounds(group, measurements)
    most = max(ranks for ranks, _ in layouts)
    add(group, "rank", range(most), "1", "Rank", "MPI process, counted from 0", ["rank"])
    for column, values, long_name, text in [
            ("ranks", [pair[0] for pair in layouts], "Ranks", "MPI processes"),
            ("threads", [pair[1] for pair in layouts], "Threads", "Of each rank"),
            ("workers", workers, "Workers", "Ranks times threads"),
            ("batch", list(map(batch_of, workers)), "Batch", "Images in a step, over all workers")]:
        add(group, column, values, "1", long_name, text, ["layout"])

    table = [[measurements.found[number, *pair, batch_of(count)] for number in measurements.rounds]
             for pair, count in zip(layouts, workers)]
    for column, units, long_name, text, value in FIGURES:
        values = [[value(run, alone) for run, alone in zip(row, measurements.alone)]
                  for row in table]
        add(group, column, values, units, long_name, text, ["layout", "round"])
    for column, units, long_name, text, key in RANK_FIGURES:
        values = np.full((len(layouts), len(measurements.rounds), most), np.nan)
        for place in np.ndindex(values.shape[:2]):
            own = table[place[0]][place[1]][key]
            values[place][:len(own)] = own
        add(group, column, values, units, long_name, text, ["layout", "round", "rank"])


def core_table(measurements, section, names):
    """[name][round] of the dictionaries that the measurements of one worker list in `section`."""
    tables = [{item["name"]: item for item in run[section]} for run in measurements.alone]
    return [[table[name] for table in tables] for name in names]


def add_kernels(file, measurements):
    names = [item["name"] for item in measurements.alone[0]["figures"] if "multiply_adds" in item]
    table = core_table(measurements, "figures", names)
    peaks = np.array([run["peak_multiply_adds_per_s"] for run in measurements.alone])
    seconds = np.array([[item["seconds"] for item in row] for row in table])
    work = np.array([row[0]["multiply_adds"] for row in table], float)
    moved = np.array([row[0].get("bytes", np.nan) for row in table], float)
    rates = work[:, None] / seconds
    group = add_group(file, "kernels", "The convolutions on one core, others being idle")
    add(group, "kernel", names, "text", "Kernel", "Layer, channels in and out, pass; then what an "
        "image takes in a step: all kernels, and all its work", ["kernel"])
    add_rounds(group, measurements)
    add(group, "multiply_adds", work, "1", "Multiply-adds", "Useful ones of a call", ["kernel"])
    add(group, "bytes", moved, "byte", "Bytes moved at least", "Activations or their gradients, in "
        "and out, each once, and the weights; NaN where it isn't known", ["kernel"])
    add(group, "intensity", work / moved, "byte-1", "Arithmetic intensity",
        "multiply_adds over bytes", ["kernel"])
    pair = ["kernel", "round"]
    add(group, "seconds", seconds, "s", "Time", "Of a call, median within a measurement", pair)
    add(group, "multiply_adds_per_s", rates, "s-1", "Rate", "multiply_adds over seconds", pair)
    add(group, "percent_of_peak", 100 * rates / peaks, "percent", "Percent of the peak",
        "multiply_adds_per_s over peak_multiply_adds_per_s of the same round, which is measured "
        "before: above 100 where others slowed that alone", pair)
    add(group, "peak_multiply_adds_per_s", peaks, "s-1", "Peak of multiply-adds",
        "Of one core: independent fused multiply-adds in registers", ["round"])


def add_elementwise(file, measurements):
    names = [item["name"] for item in measurements.alone[0]["figures"] if "values" in item]
    table = core_table(measurements, "figures", names)
    seconds = np.array([[item["seconds"] for item in row] for row in table])
    values = np.array([row[0]["values"] for row in table], float)
    group = add_group(file, "elementwise", "The other work of a step, and SSIM, on one core")
    add(group, "work", names, "text", "Work", "What is done to each value", ["work"])
    add_rounds(group, measurements)
    add(group, "values", values, "1", "Values", "Of a call", ["work"])
    pair = ["work", "round"]
    add(group, "seconds", seconds, "s", "Time", "Of a call, median within a measurement", pair)
    add(group, "seconds_per_value", seconds / values[:, None], "s", "Time of a value",
        "seconds over values", pair)


def add_memory(file, measurements):
    names = [item["name"] for item in measurements.alone[0]["streams"]]
    table = core_table(measurements, "streams", names)
    group = add_group(file, "memory", "a[i] = b[i] + s c[i] on one core, over three arrays")
    add(group, "array", names, "text", "Arrays", "What is as large as the three arrays together: "
        "what a thread works in, or more than the caches hold", ["array"])
    add_rounds(group, measurements)
    add(group, "bytes", [row[0]["bytes"] for row in table], "byte", "Size",
        "Of the three arrays together", ["array"])
    add(group, "bytes_per_s", [[item["bytes_per_s"] for item in row] for row in table], "byte s-1",
        "Bandwidth", "Bytes read and written, each counted once; median within a measurement",
        ["array", "round"])


def write(path, measurements, arguments):
    first = measurements.alone[0]
    batch = arguments.batch
    with h5py.File(path, "w", track_order=True) as file:
        file.attrs["title"] = "Scaling of a convolutional autoencoder's training step"
        file.attrs["description"] = (
            "Each group opens as a dataset of its own: xarray.open_dataset(path, group='strong', "
            "engine='h5netcdf'). Every dataset tells its units, long_name and description.")
        file.attrs["program"] = f"ae_bench {first['version']} ({first['revision']})"
        file.attrs["format"] = FORMAT
        file.attrs["format_version"] = FORMAT_VERSION
        add_provenance(file, measurements, arguments)
        add_scaling(file, "strong", "The same batch for any number of workers", measurements,
                    lambda workers: batch)
        add_scaling(file, "weak", "The same number of images for each worker", measurements,
                    lambda workers: batch * workers)
        add_kernels(file, measurements)
        add_elementwise(file, measurements)
        add_memory(file, measurements)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", metavar="FOLDER", type=pathlib.Path,
                        help="where the JSON files of ae_bench are")
    parser.add_argument("file", metavar="FILE", type=pathlib.Path, help="the HDF5 file to write")
    parser.add_argument("--batch", metavar="N", type=int, required=True,
                        help="images in a step; weak scaling: for each worker")
    parser.add_argument("--launch", metavar="TEXT", default="", help="how the ranks were started")
    parser.add_argument("--job", metavar="ID", default="", help="the batch system's number")
    arguments = parser.parse_args()
    beside = arguments.file.with_name(arguments.file.name + ".new")
    try:
        write(beside, Measurements(arguments.folder), arguments)
        os.replace(beside, arguments.file)
    except (OSError, KeyError, ValueError) as error:
        sys.exit(f"collect_scaling.py: can't make {arguments.file} of {arguments.folder}: "
                 f"{type(error).__name__} {error}")
    print(arguments.file)


if __name__ == "__main__":
    main()
