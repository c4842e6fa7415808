"""What the tests that start the program share: configurations, images, runs, and what came out.

CTest names the program (AE_DIST) and the launcher (AE_MPIEXEC); without them a file of tests can be
run by hand against the program in build/.
"""
import os
import signal
import struct
import subprocess
import threading
import time
import zlib
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("AE_DIST", str(ROOT / "build" / "ae_dist"))
MPIEXEC = os.environ.get("AE_MPIEXEC", "mpirun")
TIMEOUT_S = 100  # of a run; a longer one hangs

# Exit codes.
DONE, USAGE, DATA, FILES, NUMERIC, STALLED, STOPPED = 0, 2, 3, 4, 5, 6, 75

# The kernel paths there can be; any processor of today has the second.
KERNELS = ["ref", "neon"] if os.uname().machine == "aarch64" else ["ref", "avx2", "avx512"]
VECTORS = KERNELS[1]

RECORD_SIZE = 3073  # a CIFAR-10 record: label and 3 x 32 x 32 pixels
FILE_RECORDS = 10000
BATCH_NAMES = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]

# A small run; tests change what they need.
SMALL = {
    "run.dir": "run",
    "data.train_images": 130,
    "data.test_images": 20,
    "train.pretrain_epochs": 1,
    "train.epochs": 1,
    "train.batch": 20,
    "noise.sigma": 0.1,
}


def write_config(folder, options=None, name="small.ini"):
    """Writes SMALL, with `options` ("section.key": value) changed, as an ini file. Returns its
    name."""
    sections = {}
    for key, value in {**SMALL, **(options or {})}.items():
        section, key = key.split(".")
        sections.setdefault(section, []).append(f"{key} = {value}")
    lines = [line for section, keys in sections.items() for line in [f"[{section}]", *keys, ""]]
    (Path(folder) / name).write_text("\n".join(lines))
    return name


def write_cifar10(folder, images=200):
    """Makes the six files of CIFAR-10; only the first `images` records of each aren't zeros."""
    folder.mkdir()
    generator = np.random.default_rng(1)
    for name in BATCH_NAMES:
        records = generator.integers(0, 256, (images, RECORD_SIZE), dtype=np.uint8)
        records[:, 0] %= 10
        with open(folder / name, "wb") as file:
            file.write(records.tobytes())
            file.truncate(FILE_RECORDS * RECORD_SIZE)
    return folder


def write_idx(path, count=200, side=8):
    """A file of grey pictures in MNIST's format."""
    pixels = np.random.default_rng(2).integers(0, 256, (count, side, side), dtype=np.uint8)
    path.write_bytes(bytes([0, 0, 8, 3]) + np.array(pixels.shape, ">u4").tobytes()
                     + pixels.tobytes())
    return path


def write_png(path, pixels):
    """Pixels [row][column] or [row][column][channel], of 8 or 16 bits."""
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
    size = len(rows) // height
    filtered = b"".join(b"\0" + rows[row * size:(row + 1) * size] for row in range(height))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, colour, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
                     + chunk(b"IDAT", zlib.compress(filtered)) + chunk(b"IEND", b""))


def cores():
    """How many cores this process may use, and has the time of: a container may have a quota."""
    count = len(os.sched_getaffinity(0))
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, kinds, group = line.split(":", 2)
        if kinds and "cpu" not in kinds.split(","):
            continue
        top = Path("/sys/fs/cgroup", "cpu" if kinds else "")
        names = ["cpu.cfs_quota_us", "cpu.cfs_period_us"] if kinds else ["cpu.max"]
        for folder in [top / group.strip("/"), *(top / group.strip("/")).parents]:
            if all((folder / name).exists() for name in names):
                quota, period = " ".join((folder / name).read_text() for name in names).split()
                if quota not in ("max", "-1"):
                    count = min(count, int(quota) / int(period))
    return max(1, int(count))


# ---- running ----


class Run:
    """The program under way, on `ranks` ranks; without ranks, alone and not under mpirun. In a
    `session` of its own, processes() finds all of it. `before` is put before the whole command.
    `program`: the words that start it, or another one."""

    def __init__(self, folder, arguments, ranks=2, threads=1, kernels=None, launcher=None,
                 variables=None, stdout=subprocess.PIPE, session=False, before=(),
                 program=(PROGRAM,)):
        command = [*program, *map(str, arguments)]
        if ranks:
            launcher = ["--bind-to", "none"] if launcher is None else launcher
            command = [MPIEXEC, "-np", str(ranks), *launcher, *command]
        self.stdout, self.stderr = "", ""
        self.process = subprocess.Popen(
            [*before, *command], cwd=folder, env=environment(threads, kernels, variables), text=True,
            stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, bufsize=1,
            start_new_session=session)
        self.readers = [threading.Thread(target=self._read, args=(name,), daemon=True)
                        for name in ("stdout", "stderr") if getattr(self.process, name)]
        for reader in self.readers:
            reader.start()

    def _read(self, name):
        for line in getattr(self.process, name):
            setattr(self, name, getattr(self, name) + line)

    @property
    def text(self):
        return self.stdout + self.stderr

    @property
    def tail(self):
        """The end of what it said, for messages."""
        return f"its output ends with:\n{self.stdout[-2000:]}\n{self.stderr[-2000:]}"

    def is_running(self):
        return self.process.poll() is None

    def wait_for(self, text, timeout_s=TIMEOUT_S):
        """Returns when `text` is in the output; fails where the program ends without it."""
        end = time.monotonic() + timeout_s
        while text not in self.text:
            assert time.monotonic() < end, f"no '{text}' within {timeout_s} s; {self.tail}"
            if not self.is_running():
                self.wait()
                assert text in self.text, f"ended without '{text}'; {self.tail}"
            time.sleep(0.002)

    def send(self, signal_number):
        if self.is_running():
            self.process.send_signal(signal_number)

    def ranks(self):
        """Process numbers of the ranks mpirun started."""
        return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and self._is_rank(pid)]

    def _is_rank(self, pid):
        try:
            parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
            program = os.readlink(f"/proc/{pid}/exe")
        except OSError:  # it ended meanwhile
            return False
        return int(parent) == self.process.pid and program == os.path.realpath(PROGRAM)

    def processes(self):
        """Process numbers of all that is left in its session, the launcher first."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:  # it ended meanwhile
                continue
            if int(fields[3]) == self.process.pid and fields[0] != "Z":
                found.append(int(pid))
        return sorted(found)

    def wait(self, timeout_s=TIMEOUT_S):
        """Waits for the end; a run that doesn't come to it is ended and fails the test."""
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.end()
            raise AssertionError(f"hangs after {timeout_s} s; {self.tail}") from None
        for reader in self.readers:
            reader.join(10)
        return self

    def end(self):
        """Makes sure that nothing of it is left."""
        if not self.is_running():
            return
        self.process.terminate()  # mpirun ends its ranks
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def code(self):
        return self.process.returncode

    @property
    def hash(self):
        """The parameters' hash, as printed once at the end."""
        lines = [line for line in self.stdout.splitlines() if line.startswith("hash ")]
        assert len(lines) == 1, self.tail
        return lines[0].split()[1]

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.end()


def environment(threads, kernels=None, variables=None):
    env = dict(os.environ)
    for name in ("OMP_NUM_THREADS", "AE_KERNELS"):
        env.pop(name, None)
    for name in ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM",
                 "OMPI_MCA_rmaps_base_oversubscribe", "OMPI_MCA_mpi_yield_when_idle",
                 "OMPI_MCA_ess_singleton_isolated"):  # without mpirun no daemon beside each process
        env.setdefault(name, "1")
    if threads:
        env["OMP_NUM_THREADS"] = str(threads)
    if kernels:
        env["AE_KERNELS"] = kernels
    env.update(variables or {})
    return env


def run(folder, *arguments, expect=DONE, timeout_s=TIMEOUT_S, **how):
    """Runs the program to its end, which must be with the exit code `expect` (None: any)."""
    done = Run(folder, arguments, **how).wait(timeout_s)
    assert expect is None or done.code == expect, f"exit code {done.code}; {done.tail}"
    return done


def stop_at(folder, arguments, text, delay_s=0, signal_number=signal.SIGUSR1, **how):
    """Runs the program, signals it `delay_s` after it said `text`, and waits for its end."""
    with Run(folder, arguments, **how) as started:
        started.wait_for(text)
        time.sleep(delay_s)
        started.send(signal_number)
        return started.wait()


def assert_refused(done, code, *fragments):
    """It ended with the code and one message that holds every fragment once."""
    assert done.code == code, f"exit code {done.code}, not {code}; {done.tail}"
    assert done.text.count("ae_dist: error:") == 1, done.tail
    for fragment in fragments:
        assert done.text.count(fragment) == 1, f"'{fragment}' is not there once; {done.tail}"


# ---- what came out ----


def epoch_line(epoch, total):
    """How the line of an epoch begins."""
    return f"epoch {epoch:{3 if total > 99 else 2}d}/{total}  "


def checkpoints(run_dir):
    """Paths of the checkpoints, in the order of the epochs and steps in their names."""
    return sorted((Path(run_dir) / "checkpoints").glob("epoch-*.h5"), key=checkpoint_position)


def checkpoint_position(path):
    """Whole epochs and steps of the next one: (2, 17) of epoch-0002-step-00017.h5."""
    words = path.stem.split("-")
    return int(words[1]), int(words[3]) if len(words) > 2 else 0


def datasets(file):
    """Every dataset of an open HDF5 file."""
    found = []
    file.visititems(lambda name, item: found.append(item) if isinstance(item, h5py.Dataset)
                    else None)
    return found


def assert_explains_itself(file):
    """Every dataset has its attributes, and every dimension a scale of its name."""
    for item in datasets(file):
        for name in ("units", "long_name", "description"):
            text = item.attrs.get(name)
            assert isinstance(text, str) and text.strip(), f"{item.name} has no {name}"
        for dimension in item.dims:
            scales = list(dimension.values())
            is_scale = h5py.h5ds.is_scale(item.id)
            assert len(scales) == 1 or is_scale, f"a dimension of {item.name} has no scale"
            name = scales[0].name.rpartition("/")[2] if scales else dimension.label
            assert dimension.label == name, f"a dimension of {item.name} is not named {name}"


def arrays(path, group):
    """Every dataset below a group of an HDF5 file, by path, read whole."""
    found = {}
    with h5py.File(path, "r") as file:
        file[group].visititems(
            lambda name, item: found.update({name: item[()]})
            if isinstance(item, h5py.Dataset) else None)
    return found


def parameters(path):
    """Those of a model.h5 or a checkpoint, as bytes, by name."""
    return {name: value.tobytes() for name, value in arrays(path, "parameters").items()}


def text_column(dataset):
    return [value.decode() for value in dataset[()]]


def numbers(run_dir):
    """All that must have the same bits however a run was laid out, by name."""
    run_dir = Path(run_dir)
    found = {}
    with h5py.File(run_dir / "results.h5", "r") as file:
        epochs = file["epochs"]
        found["parameters_hash"] = text_column(epochs["parameters_hash"])
        for name in ("epoch", "train_loss", "test_loss", "psnr_db", "psnr_pooled_db", "ssim",
                     "validation_loss", "psnr_first10_db", "ssim_first10_range2", "learning_rate"):
            found[name] = epochs[name][()].tobytes()
        for name in ("psnr_db", "ssim", "input_psnr_db", "input_ssim"):
            found[f"test/{name}"] = file["test"][name][()].tobytes()
        if "levels" in file:
            found["levels"] = [item[()].tobytes() for item in file["levels"].values()]
        if "reconstructions" in file:  # of one size, or of several
            found["output"] = [item[()].tobytes() for item in datasets(file)
                               if item.name.endswith("/output")]
    for group in ("parameters", "optimizer"):
        tensors = arrays(checkpoints(run_dir)[-1], group)
        assert tensors or group == "optimizer"
        found.update({f"{group}/{name}": value.tobytes() for name, value in tensors.items()})
    for path in (run_dir / "checkpoints" / "best.h5", run_dir / "model.h5"):
        if path.exists():
            found.update({f"{path.name}/{name}": value
                          for name, value in parameters(path).items()})
    return found


def differences(left, right):
    """Names of what differs between two results of numbers()."""
    return sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))
