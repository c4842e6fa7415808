#!/usr/bin/env python3
"""How fast ae_dist trains, against PyTorch: the same network, batch, noise, loss and optimiser.

usage: bench_pytorch.py [--data DIR] [--rounds N] [--seconds S] [--cores N] [--json FILE] ...

ae_dist, with one rank for each core, and each variant of PyTorch train in turn on the same cores,
for several rounds. What is timed is training steps alone, on images that lie in memory: taking a
batch, noise, forward and backward pass, the mean over processes, the update. Starting, compiling,
evaluation and files are not.

Variants of PyTorch: eager and compiled (torch.compile) are one process with a thread for each core;
ddp and ddp-compiled (DistributedDataParallel, gloo) a process with one thread for each core. Each
has contiguous or channels_last tensors, whichever is faster.
"""

import argparse
import contextlib
import json
import math
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

# These would have OpenMP bind this process to one core as torch is loaded, and all ranks to the same.
for variable in ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY",
                 "OMP_THREAD_LIMIT"):
    os.environ.pop(variable, None)

try:
    import h5py
    import numpy as np
    import torch
    from torch import nn
except ImportError as error:
    sys.exit(f"bench_pytorch.py: {error}: pip install torch h5py numpy, or apt install "
             "python3-torch python3-h5py python3-numpy")

ROOT = pathlib.Path(__file__).resolve().parents[1]
CONFIG = ROOT / "configs" / "denoise50.ini"
PARAMETERS, BATCH, LEARNING_RATE, SIGMA = 1611, 100, 0.001, 0.1
VARIANTS = {name: {"ddp": "ddp" in name, "compile": "compiled" in name}
            for name in ("eager", "compiled", "ddp", "ddp-compiled")}
# CIFAR-10's binary files, which both read; a record is a label and an image.
RECORD_BYTES, FILE_RECORDS, IMAGES_MAX = 3073, 10000, 50000
FILE_NAMES = [f"data_batch_{i}.bin" for i in range(1, 6)]


class Failure(Exception):
    """What stops the benchmark, or a variant, as a person should read it."""


def write_images(folder, count):
    """CIFAR-10's files, with random squares of 4 x 4 pixels in the first `count` images."""
    colours = np.random.default_rng(0).integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)
    records = np.zeros((count, RECORD_BYTES), np.uint8)
    records[:, 1:] = colours.repeat(4, axis=2).repeat(4, axis=3).reshape(count, -1)
    folder.mkdir()
    for i, name in enumerate([*FILE_NAMES, "test_batch.bin"]):
        with open(folder / name, "wb") as file:
            file.write(records[i * FILE_RECORDS:(i + 1) * FILE_RECORDS].tobytes())
            file.truncate(FILE_RECORDS * RECORD_BYTES)


def read_images(folder, count):
    """The first `count` training images, as floats between 0 and 1."""
    records = [np.fromfile(pathlib.Path(folder, name), np.uint8).reshape(-1, RECORD_BYTES)
               for name in FILE_NAMES[:math.ceil(count / FILE_RECORDS)]]
    pixels = np.concatenate(records)[:count, 1:].reshape(count, 3, 32, 32)
    return torch.from_numpy(pixels).float().div_(255)


# ---- PyTorch, in a process of its own ----


class Loss(nn.Module):
    """The network of configs/denoise50.ini and its loss."""

    def __init__(self):
        super().__init__()
        self.network = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(),
            nn.ConvTranspose2d(8, 8, 3), nn.ReLU(), nn.ConvTranspose2d(8, 3, 3), nn.Sigmoid())

    def forward(self, noisy, clean):
        return nn.functional.mse_loss(self.network(noisy), clean)


def make_optimizer(parameters):
    """Adam in the fastest form that this version has for CPUs, and the form's name."""
    for form in "fused", "foreach":
        with contextlib.suppress(RuntimeError, TypeError):
            return torch.optim.Adam(parameters, lr=LEARNING_RATE, **{form: True}), form
    return torch.optim.Adam(parameters, lr=LEARNING_RATE), "plain"


def add_noise(clean):
    if clean.is_contiguous():
        noise = torch.randn(clean.shape)
    else:  # drawn in the order of memory, which is several times faster
        noise = torch.randn(clean.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2)
    return torch.add(clean, noise, alpha=SIGMA).clamp_(-1, 1)


class Trainer:
    """A process's part of a variant."""

    def __init__(self, setup):
        self.setup = setup
        torch.set_flush_denormal(True)
        torch.manual_seed(setup["rank"])
        self.shuffler = torch.Generator().manual_seed(0)  # the same order in every process
        layout = getattr(torch, setup["layout"])
        self.images = read_images(setup["data"], setup["images"]).contiguous(memory_format=layout)
        self.loss = Loss().to(memory_format=layout)
        parameters = list(self.loss.parameters())
        if sum(parameter.numel() for parameter in parameters) != PARAMETERS:
            raise Failure(f"PyTorch's network hasn't {PARAMETERS} parameters")
        if setup["compile"]:
            if not hasattr(torch, "compile"):
                raise Failure(f"PyTorch {torch.__version__} has no torch.compile")
            self.loss = torch.compile(self.loss)
        if setup["ddp"]:
            torch.distributed.init_process_group("gloo", init_method=setup["meeting"],
                                                 rank=setup["rank"], world_size=setup["ranks"])
            self.loss = nn.parallel.DistributedDataParallel(self.loss, gradient_as_bucket_view=True)
        self.optimizer, self.form = make_optimizer(parameters)

    def train(self, steps):
        """The time of so many steps, and the last one's loss."""
        setup = self.setup
        order = torch.cat([torch.randperm(setup["images"], generator=self.shuffler)
                           for _ in range(math.ceil(steps * BATCH / setup["images"]))])
        if setup["ddp"]:
            torch.distributed.barrier()
        begin_s = time.perf_counter()
        for step in range(steps):
            batch = order[step * BATCH:(step + 1) * BATCH]
            clean = self.images[batch[setup["rank"]::setup["ranks"]]]
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(add_noise(clean), clean)
            loss.backward()
            self.optimizer.step()
        return {"seconds": time.perf_counter() - begin_s, "loss": loss.item(), "adam": self.form}


def serve(setup):
    """Answers each line with a number of steps by one of JSON; ends with the input."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print isn't an answer
    try:
        trainer = Trainer(setup)
        for line in sys.stdin:
            print(json.dumps(trainer.train(int(line))), file=answers, flush=True)
    except Exception as error:  # of any library
        lines = str(error).strip().splitlines() or [type(error).__name__]
        print(json.dumps({"error": lines[0]}), file=answers, flush=True)


# ---- what is compared ----


class PyTorch:
    """A variant's processes with one layout of the tensors."""

    def __init__(self, name, layout, folder, cores, setup):
        self.name = name
        ranks = cores if VARIANTS[name]["ddp"] else 1
        self.form = f"{ranks} x {cores // ranks}, {layout}"
        setup = {**setup, **VARIANTS[name], "layout": layout, "ranks": ranks,
                 "meeting": f"file://{folder}/{name}-{layout}"}
        variables = {**os.environ, "OMP_NUM_THREADS": str(cores // ranks), "TMPDIR": str(folder),
                     "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo"}
        self.processes = [
            subprocess.Popen(
                [sys.executable, __file__, "--serve", json.dumps({**setup, "rank": rank})],
                env=variables, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL)
            for rank in range(ranks)]

    def warm_up(self):
        self.train(1)
        self.first_loss = self.last_loss
        self.form += f", Adam {self.adam}"
        self.train(10)
        self.rate = self.train(10)

    def measure(self, seconds):
        """A turn of about so long; returns images a second."""
        self.rate = self.train(max(1, round(self.rate * seconds / BATCH)))
        check_loss(self.name, self.first_loss, self.last_loss)
        return self.rate

    def train(self, steps):
        for process in self.processes:
            with contextlib.suppress(BrokenPipeError):  # its answer tells why
                print(steps, file=process.stdin, flush=True)
        answers = [self.answer(process) for process in self.processes]
        self.last_loss, self.adam = answers[0]["loss"], answers[0]["adam"]
        return steps * BATCH / max(answer["seconds"] for answer in answers)

    def answer(self, process):
        line = process.stdout.readline()
        answer = json.loads(line) if line else {"error": "a process ended without a word"}
        if "error" in answer:
            self.close()
            raise Failure(f"{self.name}: {answer['error']}")
        return answer

    def close(self):
        for process in self.processes:
            process.kill()
            process.communicate()


def start_variant(name, folder, cores, setup, stack):
    """The variant with the layout that is the faster in the best of three short turns."""
    best = {}
    for layout in "contiguous_format", "channels_last":
        candidate = PyTorch(name, layout, folder, cores, setup)
        stack.callback(candidate.close)
        candidate.warm_up()
        best[candidate] = 0
    for _ in range(3):
        for candidate in best:
            best[candidate] = max(best[candidate], candidate.measure(0.5))
    slower, faster = sorted(best, key=best.get)
    slower.close()
    return faster


def as_it_stands(path):
    """A path as a value of --set, in which nothing is expanded."""
    return "'" + str(path).replace("'", "''") + "'"


class AeDist:
    """Each measurement is a run of its own with the reference configuration."""

    def __init__(self, program, folder, cores, setup):
        self.program, self.folder, self.cores, self.setup = program, folder, cores, setup
        self.form, self.runs = f"{cores} x 1", 0
        self.rate = self.run(3)

    def measure(self, seconds):
        """A turn of about so long, after an epoch to warm up; returns images a second."""
        self.rate = self.run(1 + math.ceil(self.rate * seconds / self.setup["images"]))
        return self.rate

    def run(self, epochs):
        self.runs += 1
        path = self.folder / f"run-{self.runs}"
        options = {
            "run.dir": as_it_stands(path), "data.dir": as_it_stands(self.setup["data"]),
            "data.train_images": self.setup["images"], "data.test_images": 10,
            "train.pretrain_epochs": 0, "train.epochs": epochs, "train.batch": BATCH,
            "noise.sigma": SIGMA, "optimizer.lr": LEARNING_RATE, "output.checkpoint_epochs": epochs}
        command = ["mpirun", "-np", str(self.cores), "--bind-to", "none", self.program, CONFIG,
                   *(f"--set={key}={value}" for key, value in options.items())]
        variables = {**os.environ, "OMP_NUM_THREADS": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1",
                     "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        done = subprocess.run(command, env=variables, text=True, stdin=subprocess.DEVNULL,
                              capture_output=True)
        if done.returncode != 0:
            told = re.search("ae_dist: error: .*", done.stderr)
            raise Failure(told[0] if told else "mpirun: " + " ".join(done.stderr.split()))
        if f" {PARAMETERS} parameters" not in done.stdout:
            raise Failure(f"ae_dist's network hasn't {PARAMETERS} parameters")
        with h5py.File(path / "results.h5", "r") as file:
            rates, losses = file["epochs/images_per_s"][1:], file["epochs/train_loss"][()]
            version, revision, kernels, mpi = (
                file["provenance"][name].asstr()[-1]
                for name in ("version", "revision", "kernel_path", "mpi"))
        self.version = f"{version} ({revision}), kernels {kernels}, {mpi.split(',')[0]}"
        check_loss("ae_dist", losses[0], losses[-1])
        return float(len(rates) / np.sum(1 / rates))  # the epochs have as many images each


def check_loss(name, first, last):
    if not last < first:
        raise Failure(f"{name} doesn't learn: its loss was {first:.5f} and is {last:.5f}")


# ---- the comparison ----


def one_cpu_a_core():
    """Of the processors this process may use, the first of each core's."""
    cores = {}
    for cpu in sorted(os.sched_getaffinity(0)):
        siblings = pathlib.Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        cores.setdefault(siblings.read_text() if siblings.exists() else cpu, cpu)
    return list(cores.values())


def find(pattern, text):
    found = re.search(pattern, text)
    return found[1] if found else "unknown"


def pytorch_version():
    build = torch.__config__.show()
    return (f"{torch.__version__}, kernels {find('CPU capability usage: (.*)', build)}, oneDNN "
            f"{find(r'(?:MKL-DNN|oneDNN) v([0-9.]+)', build)}, Python {platform.python_version()}")


def compare(options, folder, stack):
    """Measures everything; returns what there is to report."""
    if not options.data:
        write_images(folder / "images", options.images)
    setup = {"data": str(options.data or folder / "images"), "images": options.images}
    ae_dist = AeDist(options.ae_dist, folder, options.cores, setup)
    contenders, skipped = {"ae_dist": ae_dist}, {}
    for name in options.variants:
        print(f"warming up {name}", file=sys.stderr)
        try:
            contenders[name] = start_variant(name, folder, options.cores, setup, stack)
        except Failure as failure:
            if not VARIANTS[name]["compile"]:
                raise
            skipped[name] = str(failure)
            print(f"skipped {failure}", file=sys.stderr)
    if len(contenders) == 1:
        raise Failure("no variant of PyTorch is left to compare with")
    rates = {name: [] for name in contenders}
    for turn in range(options.rounds):
        for name, contender in contenders.items():
            rates[name].append(contender.measure(options.seconds))
        line = ", ".join(f"{name} {values[-1]:.0f}" for name, values in rates.items())
        print(f"round {turn + 1}: {line} images/s", file=sys.stderr)
    results = {name: {"form": contender.form, "images_per_s": rates[name],
                      "ratio": [ours / its for ours, its in zip(rates["ae_dist"], rates[name])]}
               for name, contender in contenders.items()}
    processor = find(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return {"processor": f"{processor}, cores used: {options.cores}", "ae_dist": ae_dist.version,
            "PyTorch": pytorch_version(), "results": results, "skipped": skipped}


def print_report(report):
    for name in "processor", "ae_dist", "PyTorch":
        print(f"{name:14}{report[name]}")
    print(f"\n{'':14}{'images/s':>8}  {'lowest..highest':18}{'ae_dist / it':25}processes x threads")
    for name, result in report["results"].items():
        ratio = "" if name == "ae_dist" else spread(result["ratio"], 9, 2)
        print(f"{name:14}{spread(result['images_per_s'], 8, 0):28}{ratio:25}{result['form']}")
    for reason in report["skipped"].values():
        print(f"skipped {reason}")


def spread(values, width, digits):
    return (f"{statistics.median(values):{width}.{digits}f}  "
            f"{min(values):.{digits}f}..{max(values):.{digits}f}")


def parse_options(cpus):
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description=__doc__[:__doc__.index("usage")],
                                     epilog=__doc__[__doc__.index("ae_dist, with"):])
    add = parser.add_argument
    add("--data", metavar="DIR", type=pathlib.Path,
        help="CIFAR-10's binary files (default: random images, the same for both)")
    add("--images", metavar="N", type=int, default=10000, help="default: %(default)s")
    add("--rounds", metavar="N", type=int, default=5, help="default: %(default)s")
    add("--seconds", metavar="S", type=float, default=5, help="a turn's (default: %(default)s)")
    add("--cores", metavar="N", type=int, default=len(cpus), help="default: all, %(default)s")
    add("--variants", metavar="A,B", default=",".join(VARIANTS), help="default: %(default)s")
    add("--ae-dist", metavar="PATH", default=ROOT / "build/ae_dist", help="default: build/ae_dist")
    add("--json", metavar="FILE", type=pathlib.Path, help="write each round's rates here")
    options = parser.parse_args()
    options.variants = options.variants.split(",")
    if options.images not in range(BATCH, IMAGES_MAX + 1, BATCH):
        parser.error(f"--images must be a multiple of {BATCH}, up to {IMAGES_MAX}")
    if options.rounds < 1 or not options.seconds > 0:
        parser.error("--rounds and --seconds must be above 0")
    if options.cores not in range(1, len(cpus) + 1):
        parser.error(f"--cores must be from 1 to {len(cpus)}, as many as may be used here")
    if not set(options.variants) <= set(VARIANTS):
        parser.error(f"--variants must be of {', '.join(VARIANTS)}")
    return options


def main():
    if sys.argv[1:2] == ["--serve"]:
        return serve(json.loads(sys.argv[2]))
    cpus = one_cpu_a_core()
    options = parse_options(cpus)
    if not shutil.which(options.ae_dist):
        sys.exit(f"bench_pytorch.py: no program {options.ae_dist}; build it, or give --ae-dist")
    if not shutil.which("mpirun"):
        sys.exit("bench_pytorch.py: no mpirun on the PATH; install Open MPI, or load its module")
    os.sched_setaffinity(0, cpus[:options.cores])  # all processes inherit it
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        try:
            report = compare(options, pathlib.Path(folder), stack)
            print_report(report)
            if options.json:
                options.json.write_text(json.dumps(report, indent=1) + "\n")
        except (Failure, OSError) as failure:
            sys.exit(f"bench_pytorch.py: {failure}")


if __name__ == "__main__":
    main()
