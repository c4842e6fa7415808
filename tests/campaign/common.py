"""What the campaigns share: a small run, its submissions, the judge, and a state file that outlives
them.

A campaign repeats one experiment with another random number each time, and says of how many cases
none failed. Case N of seed S has always the same random numbers; moments in time differ.
"""
import collections
import json
import os
import random
import re
import shutil
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import h5py  # noqa: E402
import support  # noqa: E402
from support import DONE, checkpoint_position, checkpoints  # noqa: E402

BUILD = Path(os.environ.get("AE_BUILD_DIR", ROOT / "build"))
FAULTS = BUILD / "tests" / "campaign_faults.so"
# Open MPI's mpirun (4.1) can hang for ever if a rank is killed as it connects: all ranks are gone,
# mpirun has said so, and waits for a lock of its own. It is ended then, and such ends are counted.
MPIRUN_HANG_S = 10
HANG_S = 90  # a submission takes two seconds on an idle machine; one that takes so long hangs

# Files are written in much of the time of this run: every three steps, and every epoch.
EPOCHS = 6
OPTIONS = {
    "run.dir": "campaign-run",
    "data.source": "deadleaves",
    "data.train_images": 80,
    "train.validation_images": 16,
    "data.test_images": 10,
    "model.layers": "conv 4 3 relu, tconv 3 3 sigmoid",
    "train.pretrain_epochs": 2,
    "train.epochs": EPOCHS - 2,
    "train.batch": 8,
    "output.checkpoint_steps": 3,
    "output.keep": 2,
    "output.reconstructions": 2,
    "output.reconstruction_epochs": 1,
}


# ---- submissions ----


def kernel_paths(folder):
    """Names of the kernel paths this processor has."""
    return [name for name in support.KERNELS
            if f"kernels   {name}" in support.run(folder, "--version", ranks=None,
                                                  kernels=name).stdout]


class Case:
    """A folder with a run in it that is submitted again and again."""

    def __init__(self, folder, generator, paths):
        self.folder, self.generator, self.paths = folder, generator, paths
        options = {**OPTIONS, "output.checkpoint_epochs": generator.choice([1, 3])}
        self.config = support.write_config(folder, options, "run.ini")
        self.run_dir = folder / OPTIONS["run.dir"]
        self.story = []
        self.events = collections.Counter()

    def submit(self, variables=None):
        """Starts the program on a random layout, in a session of its own."""
        ranks, threads = self.generator.randint(1, 4), self.generator.randint(1, 2)
        kernels = self.generator.choice(self.paths)
        self.tell(f"{ranks} ranks x {threads}, {kernels}")
        return support.Run(self.folder, [self.config], ranks=ranks, threads=threads,
                           kernels=kernels, session=True,
                           variables={"OMP_WAIT_POLICY": "passive", **(variables or {})})

    def tell(self, text):
        self.story.append(text)

    def count(self, event, number=1):
        self.events[event] += number

    def wait(self, run):
        """Waits for mpirun and for all that it started, and tells how it ended."""
        end_s = time.monotonic() + HANG_S
        alone_s = end_s
        while left := run.processes():
            now_s = time.monotonic()
            if now_s > end_s:
                send(left, signal.SIGKILL)
                raise AssertionError(f"hangs, {len(left)} processes after {HANG_S} s; {run.tail}")
            if left != [run.process.pid] or "exited on signal" not in run.stderr:
                alone_s = now_s
            elif now_s > alone_s + MPIRUN_HANG_S:
                run.process.kill()
                self.count("mpirun hung")
                self.tell("mpirun hung")
            time.sleep(0.02)
        run.wait()
        self.tell(f"left with {run.code}")
        return run

    def newest(self):
        """Position of the newest checkpoint; (0, 0) where there is none."""
        found = checkpoints(self.run_dir)
        return checkpoint_position(found[-1]) if found else (0, 0)

    def check_goes_on(self, run, position):
        """It went on from `position`, and found no file damaged."""
        assert "is set aside" not in run.stderr, f"a checkpoint was damaged; {run.tail}"
        found = re.search(r"goes on  after (\d+) whole epochs and (\d+) steps", run.stdout)
        if found:
            found = tuple(map(int, found.groups()))
        elif "finished before" in run.stdout:
            found = (EPOCHS, 0)
        elif re.search("^epoch", run.stdout, re.MULTILINE):
            found = (0, 0)
        else:
            return  # it didn't get as far
        assert found == position, f"goes on from {found}, not {position}; {run.tail}"

    def finish(self, expected):
        """Submits it till its end, and judges what came out."""
        position = self.newest()
        run = self.wait(self.submit())
        assert run.code == DONE, f"exit code {run.code}; {run.tail}"
        self.check_goes_on(run, position)
        judge(self.run_dir, expected)
        if position[0] < EPOCHS:
            assert run.hash == expected["parameters_hash"][-1], run.tail


def sleep_into(run, case, usual_s):
    """Waits for a random moment of the run: any in its usual time, or soon after some epoch."""
    if case.generator.random() < 0.5:
        end = time.monotonic() + case.generator.uniform(0, 0.8 * usual_s)
        while run.is_running() and time.monotonic() < end:
            time.sleep(0.001)
        return
    epoch = case.generator.randint(min(case.newest()[0] + 1, EPOCHS - 1), EPOCHS - 1)
    while run.is_running() and support.epoch_line(epoch, EPOCHS) not in run.stdout:
        time.sleep(0.001)
    time.sleep(case.generator.uniform(0, 0.05))


def send(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:  # it ended meanwhile
            pass


def call_fault(case, at, number=0, count=0):
    """Variables with which `count` calls that write a file fail from the one `at` on; a count of 0
    means all. Errno 0: the process is killed there. At 0: nothing fails, but calls count."""
    return {"LD_PRELOAD": str(FAULTS), "AE_FAULT_FOLDER": case.run_dir.name, "AE_FAULT_AT": str(at),
            "AE_FAULT_CALLS": str(count), "AE_FAULT_ERRNO": str(number),
            "AE_FAULT_COUNT": "" if at else str(case.folder / "calls")}


# ---- the judge ----


def judge(run_dir, expected):
    """A finished run has every number of the undisturbed one, and every epoch once."""
    with h5py.File(run_dir / "results.h5", "r") as file:
        epochs = file["epochs/epoch"][()].tolist()
        lengths = {len(column) for name, column in file["epochs"].items() if name != "statistic"}
    assert epochs == list(range(1, EPOCHS + 1)), f"results.h5 has the epochs {epochs}"
    assert lengths == {EPOCHS}, f"results.h5 has columns of {lengths} rows"
    wrong = support.differences(support.numbers(run_dir), expected)
    assert not wrong, f"differs from the undisturbed run in {wrong}"
    left = [path.name for path in checkpoints(run_dir)]
    assert left[-1] == f"epoch-{EPOCHS:04d}.h5", f"the last checkpoint is {left[-1]}"


def check_whole(run_dir):
    """Whatever stands under its final name opens and can be read to its end."""
    for path in checkpoints(run_dir):
        assert support.arrays(path, "parameters"), f"{path.name} is empty"
    if (run_dir / "results.h5").exists():
        with h5py.File(run_dir / "results.h5", "r") as file:
            for item in support.datasets(file):
                item[()]
            epochs = file["epochs/epoch"][()].tolist()
        assert epochs == list(range(1, len(epochs) + 1)), f"results.h5 has the epochs {epochs}"


# ---- campaigns ----


class State:
    """Counts and failures of a campaign, in a file that is replaced after each case."""

    def __init__(self, folder, name, seed):
        self.path = folder / "state.json"
        self.values = {"campaign": name, "seed": seed, "next": 0, "passed": 0, "events": {},
                       "failures": [], "seconds": 0}
        if self.path.exists():
            self.values = json.loads(self.path.read_text())
            assert self.values["seed"] == seed, f"{self.path} is of seed {self.values['seed']}"

    def save(self):
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(self.values, indent=1))
        new.replace(self.path)

    @property
    def done(self):
        return self.values["passed"] + len(self.values["failures"])


class Campaign:
    """Runs cases until enough have been judged, time is up, or it is asked to stop (SIGINT,
    SIGTERM: the cases in hand are finished first). A subclass has `name`, `aim` and case().

    A later start with the same folder goes on counting."""

    name, aim = None, None

    def __init__(self, folder, seed=0):
        self.folder, self.seed = Path(folder), seed
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = State(self.folder, self.name, seed)
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.in_hand = 0
        self.paths = kernel_paths(self.folder)
        self.undisturbed = self.expected = self.usual_s = self.calls = None

    def prepare(self):
        """The undisturbed run: its numbers, the time it takes, and its calls that write a file."""
        folder = self.folder / "undisturbed"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self.undisturbed = Case(folder, random.Random(0), self.paths)
        begin_s = time.monotonic()
        run = self.undisturbed.wait(self.undisturbed.submit(call_fault(self.undisturbed, at=0)))
        assert run.code == DONE, run.tail
        self.usual_s = time.monotonic() - begin_s
        self.calls = int((folder / "calls").read_text())
        self.expected = support.numbers(self.undisturbed.run_dir)
        judge(self.undisturbed.run_dir, self.expected)

    def case(self, case):
        """One experiment, which raises AssertionError if it failed."""
        raise NotImplementedError

    def disturb(self, case, times, once):
        """Has the run disturbed so many times, unless it comes to its end before; at least once.
        once() submits it, returns when it has ended, and tells whether that was before its time."""
        disturbed = 0
        while disturbed < times:
            if case.newest() == (EPOCHS, 0):
                if disturbed:
                    return
                shutil.rmtree(case.run_dir)
                case.tell("too late: begun anew")
            position = case.newest()
            disturbed += once()
            check_whole(case.run_dir)
            assert case.newest() >= position, f"the checkpoint of {position} is lost"

    def run(self, cases, seconds, jobs):
        """Goes on until `cases` are done or `seconds` have passed, `jobs` at a time."""
        self.prepare()
        began_s, spent_s = time.monotonic(), self.state.values["seconds"]

        def work():
            while not self.stopping.is_set() and time.monotonic() < began_s + seconds:
                with self.lock:
                    number = self.state.values["next"]
                    if self.state.done + self.in_hand >= cases:
                        return
                    self.state.values["next"] += 1
                    self.in_hand += 1
                self.one(number)
                with self.lock:
                    self.state.values["seconds"] = spent_s + round(time.monotonic() - began_s)
                    self.state.save()

        workers = [threading.Thread(target=work) for _ in range(jobs)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return self.state

    def one(self, number):
        """Case `number`, counted; the folder of one that failed stays."""
        folder = self.folder / f"case-{number}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        generator = random.Random(f"{self.name} {self.seed} {number}")
        case = Case(folder, generator, self.paths)
        reason = None
        try:
            self.case(case)
        except AssertionError as error:
            reason = str(error)
        except Exception:  # a fault of the campaign itself isn't a pass either
            reason = traceback.format_exc()
        with self.lock:
            self.in_hand -= 1
            if reason is None:
                self.state.values["passed"] += 1
                for name, count in case.events.items():
                    total = self.state.values["events"].get(name, 0)
                    self.state.values["events"][name] = total + count
            else:
                self.state.values["failures"].append(
                    {"case": number, "story": case.story, "reason": reason})
                print(f"{self.name}: case {number} failed: {reason}\n  {case.story}", flush=True)
        if reason is None:
            shutil.rmtree(folder, ignore_errors=True)

    def stop_on_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.stopping.set())
