#!/usr/bin/env python3
"""How fast ae_dist trains, against PyTorch: the same network, batch, noise, loss and optimiser.

usage: bench_pytorch.py [CONFIG] [--set SECTION.KEY=VALUE] [--all] [--compile] [--rounds N] ...

ae_dist (as ae_bench runs it, with one rank for each core) and each variant of PyTorch train in turn
on the same cores, for several rounds, a network of ae_dist's configuration CONFIG; default: the
reference network. What is timed is training steps alone, on images that lie in memory: taking a
batch, noise, forward and backward pass, the mean over processes, the update. Starting, compiling,
evaluation and files are not.

Variants of PyTorch: eager and compiled (torch.compile) are one process with a thread for each core;
ddp and ddp-compiled (DistributedDataParallel, gloo) a process with one thread for each core. Each
has contiguous or channels_last tensors, whichever is faster. tensorflow and jax compile their steps
and have a thread for each core; where they aren't installed that is told.

Without a CONFIG all variants of PyTorch are taken; with one eager, and compiled with --compile;
with --all, which takes each network of configs/bench, tensorflow and jax as well.
"""

import argparse
import contextlib
import importlib.util
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

# These would have OpenMP bind this process to one core as torch is loaded, and all ranks to the same.
for variable in ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY",
                 "OMP_THREAD_LIMIT"):
    os.environ.pop(variable, None)

try:
    import numpy  # which the trainers need
    import torch
except ImportError as error:
    sys.exit(f"bench_pytorch.py: {error}: pip install torch numpy, or apt install "
             "python3-torch python3-numpy")

from trainers import FILE_RECORDS, Failure

ROOT = pathlib.Path(__file__).resolve().parents[1]
NETWORKS = ROOT / "configs" / "bench"
REFERENCE = NETWORKS / "reference.ini"
BATCH, IMAGES_MAX = 100, 5 * FILE_RECORDS  # of the reference network
TRAINERS = ROOT / "analysis" / "trainers.py"
LAYOUTS = {"torch": ["contiguous_format", "channels_last"], "tensorflow": ["channels_last"],
           "jax": ["channels_last"]}
PYTORCH = ["eager", "compiled", "ddp", "ddp-compiled"]
VARIANTS = {name: {"framework": "torch" if name in PYTORCH else name, "ddp": "ddp" in name,
                   "compile": "compiled" in name} for name in [*PYTORCH, "tensorflow", "jax"]}


# ---- what is compared ----


class Variant:
    """A variant's processes with one layout of the tensors."""

    def __init__(self, name, layout, folder, cores, setup):
        self.name, self.batch = name, setup["batch"]
        ranks = cores if VARIANTS[name]["ddp"] else 1
        self.form = f"{ranks} x {cores // ranks}, {layout}"
        setup = {**setup, **VARIANTS[name], "layout": layout, "ranks": ranks,
                 "threads": cores // ranks, "meeting": f"file://{folder}/{name}-{layout}"}
        variables = {**os.environ, "OMP_NUM_THREADS": str(cores // ranks), "TMPDIR": str(folder),
                     "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu", "GLOO_SOCKET_IFNAME": "lo"}
        self.processes = [
            subprocess.Popen(
                [sys.executable, TRAINERS, json.dumps({**setup, "rank": rank})],
                env=variables, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL)
            for rank in range(ranks)]

    def warm_up(self):
        self.train(1)
        self.first_loss = self.last_loss
        self.form += f", {self.kind}"
        self.rate = self.train(1)
        for _ in range(2):
            self.rate = self.train(min(10, self.steps_of(2)))

    def steps_of(self, seconds):
        return max(1, round(self.rate * seconds / self.batch))

    def measure(self, seconds):
        """A turn of about so long; returns images a second."""
        self.rate = self.train(self.steps_of(seconds))
        return self.rate

    def train(self, steps):
        for process in self.processes:
            with contextlib.suppress(BrokenPipeError):  # its answer tells why
                print(steps, file=process.stdin, flush=True)
        answers = [self.answer(process) for process in self.processes]
        self.last_loss, self.kind = answers[0]["loss"], answers[0]["form"]
        if not math.isfinite(self.last_loss):
            raise Failure(f"{self.name}: its loss is {self.last_loss}")
        return steps * self.batch / max(answer["seconds"] for answer in answers)

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
    for layout in LAYOUTS[VARIANTS[name]["framework"]]:
        candidate = Variant(name, layout, folder, cores, setup)
        stack.callback(candidate.close)
        candidate.warm_up()
        best[candidate] = 0
    for _ in range(3 if len(best) > 1 else 0):
        for candidate in best:
            best[candidate] = max(best[candidate], candidate.measure(0.5))
    *slower, faster = sorted(best, key=best.get)
    for candidate in slower:
        candidate.close()
    return faster


def as_it_stands(path):
    """A path as a value of --set, in which nothing is expanded."""
    return "'" + str(path).replace("'", "''") + "'"


class AeDist:
    """Each measurement is a run of ae_bench, whose steps are ae_dist's."""

    ROUND_S = 0.3

    def __init__(self, program, folder, cores, arguments):
        bench = pathlib.Path(program).with_name("ae_bench")
        self.command = ["mpirun", "-np", str(cores), "--bind-to", "none", bench, *arguments,
                        "--steps-only", "--json", folder / "ae_bench.json"]
        self.form, self.of_peak = f"{cores} x 1", []
        self.found = self.run(1)

    def measure(self, seconds):
        """A turn of about so long; returns images a second."""
        found = self.run(max(1, min(1000, round(seconds / self.ROUND_S))))
        self.of_peak.append(found["fraction_of_peak"])
        return found["images_per_s"]

    def run(self, rounds):
        variables = {**os.environ, "OMP_NUM_THREADS": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1",
                     "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        done = subprocess.run([*self.command, "--rounds", str(rounds)], env=variables, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode != 0:
            told = re.search("ae_dist: error: .*", done.stderr)
            raise Failure(told[0] if told else "mpirun: " + " ".join(done.stderr.split()))
        return json.loads(self.command[-1].read_text())

    def version(self):
        return (f"{self.found['version']} ({self.found['revision']}), kernels "
                f"{self.found['kernels']}, {self.found['mpi'].split(',')[0]}")

    def setup(self, data, images):
        """What the trainers need to do the same."""
        options = self.found["options"]
        section = {name: options[f"optimizer.{name}"] for name in ("name", "lr", "momentum")}
        return {"layers": self.found["network"], "residual": options["model.output"] == "residual",
                "parameters": self.found["parameters"], "shape": self.found["picture"],
                "batch": self.found["batch"], "sigma": float(options["noise.sigma"]),
                "clamp": [float(options["noise.clamp_min"]), float(options["noise.clamp_max"])],
                "loss": options["train.loss"], "optimizer": section,
                "data": str(data) if data else None, "images": images or 10 * self.found["batch"]}


def split_layers(setup):
    """For the frameworks that network.py isn't for."""
    from network import split_layer  # which needs all of PyTorch

    layers = [split_layer(layer) for layer in setup["layers"].split(",")]
    return [(words, name, sorted(options)) for words, name, options in layers]


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


def arguments_of(options, config):
    """ae_bench's: the configuration and what is changed."""
    sets = list(options.set)
    if config is None:
        sets.append(f"data.train_images={options.images}")
    if options.data:
        sets += ["data.source=cifar10", f"data.dir={as_it_stands(options.data)}"]
    return [str(config or REFERENCE), *(f"--set={text}" for text in sets)]


def start_all(options, folder, setup, stack):
    """The variants that can be measured, and why the others can't."""
    started, skipped = {}, {}
    for name in options.variants:
        framework = VARIANTS[name]["framework"]
        if framework != "torch" and not importlib.util.find_spec(framework):
            skipped[name] = f"{name}: not installed"
            print(f"skipped {skipped[name]}", file=sys.stderr)
            continue
        print(f"warming up {name}", file=sys.stderr)
        try:
            if framework != "torch":
                setup = {**setup, "split": split_layers(setup)}
            started[name] = start_variant(name, folder, options.cores, setup, stack)
        except Failure as failure:
            if framework == "torch" and not VARIANTS[name]["compile"]:
                raise
            skipped[name] = str(failure)
            print(f"skipped {failure}", file=sys.stderr)
    if not started:
        raise Failure("no variant of PyTorch is left to compare with")
    return started, skipped


def compare(options, config, folder):
    """Measures one network; returns what there is to report."""
    ae_dist = AeDist(options.ae_dist, folder, options.cores, arguments_of(options, config))
    setup = ae_dist.setup(options.data, None if config else options.images)
    with contextlib.ExitStack() as stack:
        started, skipped = start_all(options, folder, setup, stack)
        contenders = {"ae_dist": ae_dist, **started}
        rates = {name: [] for name in contenders}
        for turn in range(options.rounds):
            for name, contender in contenders.items():
                rates[name].append(contender.measure(options.seconds))
            line = ", ".join(f"{name} {values[-1]:.{digits(values[-1])}f}" for name, values in rates.items())
            print(f"round {turn + 1}: {line} images/s", file=sys.stderr)
        for contender in started.values() if config is None else ():
            check_loss(contender)
    results = {name: {"form": contender.form, "images_per_s": rates[name],
                      "ratio": [ours / its for ours, its in zip(rates["ae_dist"], rates[name])]}
               for name, contender in contenders.items()}
    results["ae_dist"]["of_peak"] = ae_dist.of_peak
    return {"ae_dist": ae_dist.version(), "network": setup["layers"], "results": results,
            "skipped": skipped}


def check_loss(contender):
    """Of the reference network, which learns from the first step on."""
    first, last = contender.first_loss, contender.last_loss
    if not last < first:
        raise Failure(f"{contender.name} doesn't learn: its loss was {first:.5f} and is {last:.5f}")


def compare_all(options, folder):
    configs = sorted(NETWORKS.glob("*.ini")) if options.all else [options.config]
    networks = {}
    for config in configs:
        name = (config or REFERENCE).stem
        print(f"{name}:", file=sys.stderr)
        place = folder / name
        place.mkdir()
        networks[name] = compare(options, config, place)
    processor = find(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return {"processor": f"{processor}, cores used: {options.cores}",
            "ae_dist": networks[name]["ae_dist"], "PyTorch": pytorch_version(),
            "networks": networks}


def print_report(report):
    for name in "processor", "ae_dist", "PyTorch":
        print(f"{name:14}{report[name]}")
    print(f"\n{'':14}{'images/s':>8}  {'lowest..highest':18}{'ae_dist / it':25}processes x threads")
    for network, found in report["networks"].items():
        if len(report["networks"]) > 1:
            print(f"\n{network}: {found['network']}")
        for name, result in found["results"].items():
            ratio = spread(result["ratio"], 9, 2)
            if name == "ae_dist":
                ratio = f"{100 * statistics.median(result['of_peak']):9.1f} % of peak"
            rates = result["images_per_s"]
            rate = spread(rates, 8, digits(min(rates)))
            print(f"{name:14}{rate:28}{ratio:25}{result['form']}")
        for reason in found["skipped"].values():
            print(f"skipped {reason}")


def digits(rate):
    """Behind the point, so that a slow network's rate has two that count."""
    return 0 if rate >= 100 else 1


def spread(values, width, digits):
    return (f"{statistics.median(values):{width}.{digits}f}  "
            f"{min(values):.{digits}f}..{max(values):.{digits}f}")


def make_parser(cpus):
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description=__doc__[:__doc__.index("usage")],
                                     epilog=__doc__[__doc__.index("ae_dist (as"):])
    add = parser.add_argument
    add("config", metavar="CONFIG", type=pathlib.Path, nargs="?", help="an ini file of ae_dist")
    add("--set", metavar="SECTION.KEY=VALUE", action="append", default=[],
        help="use VALUE in place of the file's")
    add("--all", action="store_true", help="each network of configs/bench")
    add("--compile", action="store_true", help="torch.compile, too")
    add("--data", metavar="DIR", type=pathlib.Path,
        help="without CONFIG: CIFAR-10's binary files (default: random images)")
    add("--images", metavar="N", type=int, help="without CONFIG (default: 10000)")
    add("--rounds", metavar="N", type=int, default=5, help="default: %(default)s")
    add("--seconds", metavar="S", type=float, default=5, help="a turn's (default: %(default)s)")
    add("--cores", metavar="N", type=int, default=len(cpus), help="default: all, %(default)s")
    add("--variants", metavar="A,B", help=f"of {', '.join(VARIANTS)}")
    add("--ae-dist", metavar="PATH", default=ROOT / "build/ae_dist",
        help="ae_bench lies beside it (default: build/ae_dist)")
    add("--json", metavar="FILE", type=pathlib.Path, help="write each round's rates here")
    return parser


def parse_options(cpus):
    parser = make_parser(cpus)
    options = parser.parse_args()
    names = ["eager"] + options.compile * ["compiled"] + options.all * ["tensorflow", "jax"]
    if not (options.config or options.all):
        names = PYTORCH
    options.variants = options.variants.split(",") if options.variants else names
    if options.all and options.config:
        parser.error("--all takes the networks of configs/bench; leave CONFIG out")
    if (options.all or options.config) and (options.data or options.images is not None):
        parser.error("--data and --images are for the reference network; leave CONFIG or --all out")
    options.images = 10000 if options.images is None else options.images
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
    cpus = one_cpu_a_core()
    options = parse_options(cpus)
    if not shutil.which(options.ae_dist):
        sys.exit(f"bench_pytorch.py: no program {options.ae_dist}; build it, or give --ae-dist")
    if not shutil.which("mpirun"):
        sys.exit("bench_pytorch.py: no mpirun on the PATH; install Open MPI, or load its module")
    os.sched_setaffinity(0, cpus[:options.cores])  # all processes inherit it
    with tempfile.TemporaryDirectory() as folder:
        try:
            report = compare_all(options, pathlib.Path(folder))
            print_report(report)
            if options.json:
                options.json.write_text(json.dumps(report, indent=1) + "\n")
        except (Failure, OSError) as failure:
            sys.exit(f"bench_pytorch.py: {failure}")


if __name__ == "__main__":
    main()
