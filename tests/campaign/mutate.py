#!/usr/bin/env python3
"""Do the tests notice? Small faults, put one at a time into copies of the source tree.

    python3 tests/campaign/mutate.py                              # the faults of mutations.txt
    python3 tests/campaign/mutate.py --rule-faults 100 --seed 1   # and so many made by rule
    python3 tests/campaign/mutate.py --again                      # those that went through, anew
    python3 tests/campaign/mutate.py table                        # how far it has come

For each fault a copy is built, and its quick tests run, those that are the likeliest to notice
first, until one fails twice: noticed. A fault that changes no object file is without effect; one
made by rule that doesn't compile gives way to the next. First of all each test runs without any
fault: those that fail are left out. Stopped (SIGINT, SIGTERM) or killed, a next start goes on with
the faults that were in hand. WORK holds the copies and results.jsonl, a line a fault; it lies
outside of any checkout.
"""
import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from common import ROOT, send
from mutations import C, make_faults, read_list, tree_files

LIST = Path(__file__).with_name("mutations.txt")
QUICK = r"(unit|mpi|e2e)\.(?!campaign|mutate)"  # those two would try all the others
NOTICED, MISSED, NO_EFFECT, NOT_BUILT, NOT_FOUND = (
    "noticed", "not noticed", "without effect", "doesn't compile", "isn't there once")
# The tests whose subject a room is; they go before others that take up to so many times as long.
HEAD_START = 10
SUBJECTS = {
    "base": "base|arithmetic|cifar10|command|durability|environment|found|passing_faults|poisson|"
            "retry|signals|stop|text|watchdog",
    "config": "config|bad_input|command_line|option_effects|paths",
    "comm": "comm|hosts|images|placement|positions|quota|replicas|unlike_ranks",
    "kernels": "kernels|bounds|elementwise|pytorch|same_bits",
    "team": "gradient|golden|mask|noise|same_bits|target|task", "h5": "io|faults|results|schema",
    "picture": "picture_(bad|list|read|samples|write)",
    "data": "data|bad_input|cifar10|images|passing_faults",
    "nn": "network|golden|gradient|graph|optimizer|pytorch|weights", "metrics": "metrics|pytorch",
    "io": "io|durability|faults|init_from|results|resume|schema|weights",
    "train": "resume|golden|init_from|limits|results|same_bits|seams|signals|validation",
    "main": "command_line|bad_input|unlike_ranks", "bench": "bench$",
    "configs": "golden|bad_input|command_line",
    "jobs": "job_scripts|install|pbs|scaling|setup|simulate|slurm",
    "analysis": "figures|bench_pytorch|pytorch|scaling|simulate"}


class Stopped(Exception):
    pass


class Copy:
    """A copy of the tree with a build folder, in which one fault at a time stands."""

    stopping = threading.Event()

    def __init__(self, tree, folder):
        self.tree, self.copy, self.build = tree, folder / tree.name, folder / tree.name / "build"
        self.log, self.scratch, self.clean = folder / "log", folder / "tmp", None
        self.mark = f"AE_MUTATE={folder}"  # known by it: all that a test starts
        self.environment = {**os.environ, "AE_MUTATE": str(folder), "TMPDIR": str(self.scratch),
                            "PYTEST_ADDOPTS": "-x", "PYTHONDONTWRITEBYTECODE": "1"}

    def renew(self):
        """Makes it what the tree is, and builds it."""
        self.end_all()
        self.scratch.mkdir(parents=True, exist_ok=True)
        files = tree_files(self.tree)
        for path in set(tree_files(self.copy) if self.copy.exists() else ()) - set(files):
            (self.copy / path).unlink()
        for path in files:
            new, old = self.tree / path, self.copy / path
            if not old.exists() or old.read_bytes() != new.read_bytes():
                old.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(new, old)
        ninja = ["-G", "Ninja"] if shutil.which("ninja") else []
        configure = ["cmake", "-S", self.copy, "-B", self.build, "-DCMAKE_BUILD_TYPE=Release",
                     "-DBUILD_TESTING=ON", f"-DPython3_EXECUTABLE={sys.executable}", *ninja]
        if self.call(configure) != 0 or self.make() != 0:
            sys.exit(f"without any fault the tree doesn't build:\n{self.log.read_text()[-3000:]}")
        self.clean = self.objects()

    def call(self, command, limit_s=float("inf")):
        """The command's exit code; None where it took too long. Nothing of it is left."""
        end_s = time.monotonic() + limit_s
        with open(self.log, "w") as log:
            process = subprocess.Popen(list(map(str, command)), env=self.environment, stdout=log,
                                       stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                       start_new_session=True)
        while (code := process.poll()) is None and time.monotonic() < end_s \
                and not self.stopping.is_set():
            time.sleep(0.02)
        self.end_all()
        process.wait()
        if self.stopping.is_set():
            raise Stopped
        return code

    def end_all(self):
        """Ends all that was started here, by a campaign that was killed too."""
        while left := self.processes():
            send(left, signal.SIGKILL)
            time.sleep(0.01)

    def processes(self):
        """Those that still run; what has ended has no variables any more."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                variables = Path(f"/proc/{pid}/environ").read_bytes()
            except OSError:  # it ended meanwhile, or is another user's
                continue
            if self.mark.encode() in variables.split(b"\0"):
                found.append(int(pid))
        return found

    def make(self):
        return self.call(["cmake", "--build", self.build, "--parallel", "2"])

    def objects(self):
        """A hash of each object file; a release's hold no debugging information."""
        return {path: hashlib.sha256(path.read_bytes()).digest()
                for path in self.build.rglob("*.o")}

    def tests(self, pattern):
        self.call(["ctest", "--test-dir", self.build, "--show-only=json-v1"])
        text = self.log.read_text()
        names = [test["name"] for test in json.loads(text[text.index("{"):])["tests"]]
        return [name for name in names if re.match(pattern, name)]

    def fails(self, test, limit_s):
        """How a test fails, "" where it passes: once at least of two times, as a busy machine may
        make any fail."""
        for _ in range(2):
            code = self.call(["ctest", "--test-dir", self.build, "--output-on-failure",
                              "--no-tests=error", "-R", f"^{re.escape(test)}$"], limit_s)
            if code == 0:
                return ""
        case = re.search(r"_{3,} (\S.*?) _{3,}$|\[  FAILED  \] [^\n]*?(\w+)$",
                         self.log.read_text(errors="replace"), re.MULTILINE)
        return "timed out" if code is None else (case[1] or case[2]) if case else f"code {code}"

    def judge(self, fault, tests, limit_s):
        """(outcome, the test that noticed, how); `tests`: their seconds."""
        path = self.copy / fault.file
        text = path.read_text() if path.exists() else ""
        faulty = fault.put_into(text)
        if faulty is None:
            return NOT_FOUND, None, f"{text.count(fault.old)} times"
        try:
            path.write_text(faulty)
            if self.make() != 0:
                return NOT_BUILT, None, None
            if path.suffix in C and self.objects() == self.clean:
                return NO_EFFECT, None, None
            for test in in_order(tests, fault):
                if how := self.fails(test, limit_s + 2 * tests[test]):
                    return NOTICED, test, how
            return MISSED, None, None
        finally:
            path.write_text(text)
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.scratch.mkdir(exist_ok=True)


def in_order(tests, fault):
    """The tests that may notice, the likeliest and the quickest first."""
    subject = re.compile(rf"\w+\.({SUBJECTS.get(fault.room, '$.')})")
    is_built = fault.file.endswith((*C, ".cmake", "CMakeLists.txt"))  # else e2e tests alone know
    return sorted((test for test in tests if is_built or test.startswith("e2e")),
                  key=lambda test: tests[test] / (HEAD_START if subject.match(test) else 1))


class Records(dict):
    """Records by key, in a file of JSON lines, where the last of a key counts."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        for line in path.read_text().splitlines() if path.exists() else ():
            try:
                record = json.loads(line)
            except ValueError:  # killed while it wrote
                continue
            self[record["key"]] = record

    def add(self, **record):
        self[record["key"]] = record
        with open(self.path, "a") as file:
            file.write(json.dumps(record) + "\n")


class Mutate:
    """Judges faults in several copies at once."""

    def __init__(self, options):
        self.options, self.lock, work = options, threading.Lock(), options.work.resolve()
        self.copies = [Copy(options.tree, work / str(number)) for number in range(options.jobs)]
        self.results, self.times = Records(work / "results.jsonl"), Records(work / "tests.jsonl")

    def each(self, task):
        """task(copy) for all copies at once; where one fails, the others are stopped."""
        errors = []

        def work(copy):
            try:
                task(copy)
            except Stopped:
                pass
            except BaseException as error:
                errors.append(error)
                Copy.stopping.set()

        threads = [threading.Thread(target=work, args=(copy,)) for copy in self.copies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def time_tests(self):
        """The seconds of each test that passes without any fault."""
        names = self.copies[0].tests(self.options.tests)
        todo = iter([name for name in names if self.times.get(name, {"fails": "?"})["fails"]])

        def task(copy):
            while name := self.take(todo):
                begin_s = time.monotonic()
                how = copy.fails(name, float("inf"))
                with self.lock:
                    self.times.add(key=name, fails=how, seconds=time.monotonic() - begin_s)
                print(f"{name} without any fault: {how or 'passes'}", flush=True)
        self.each(task)
        return {name: self.times[name]["seconds"] for name in names
                if name in self.times and not self.times[name]["fails"]}

    def take(self, todo):
        with self.lock:
            return next(todo, None)

    def run(self):
        self.each(Copy.renew)
        tests = self.time_tests()
        listed = [fault for fault in read_list(self.options.list)
                  if re.search(self.options.only, f"{fault.file}: {fault.what}")]
        self.judge(listed, len(listed), tests)
        if self.options.rule_faults:
            self.judge(make_faults(self.options.tree, self.options.seed), self.options.rule_faults,
                       tests)

    def judge(self, faults, count, tests):
        """Judges the first `count` of the faults, of those made by rule that compile."""
        todo, number = iter(faults), {"in hand": 0, "done": 0}

        def next_one():
            """None where enough are done; another one is begun only where it is sure to count."""
            while not Copy.stopping.is_set():
                with self.lock:
                    if number["done"] >= count:
                        return None
                    if number["done"] + number["in hand"] < count:
                        fault = next(todo, None)
                        number["in hand"] += fault is not None
                        return fault
                time.sleep(0.1)

        def task(copy):
            while fault := next_one():
                known = self.results.get(fault.key)
                if not known or (self.options.again and known["outcome"] == MISSED):
                    known = self.judge_one(copy, fault, tests)
                with self.lock:
                    number["in hand"] -= 1
                    number["done"] += known["made"] == "list" or known["outcome"] != NOT_BUILT
        self.each(task)

    def judge_one(self, copy, fault, tests):
        begin_s = time.monotonic()
        outcome, test, how = copy.judge(fault, tests, self.options.limit)
        taken_s = round(time.monotonic() - begin_s, 1)
        with self.lock:
            self.results.add(key=fault.key, made="list" if fault.at is None else "rule",
                             room=fault.room, file=fault.file, what=fault.what, outcome=outcome,
                             by=test, how=how, seconds=taken_s)
        by = f" by {test}, {how}" if test else ""
        print(f"{outcome}{by}, {taken_s:.0f} s: {fault.file}: {fault.what}", flush=True)
        return self.results[fault.key]


def print_table(results, times):
    """What was noticed, by room, and what wasn't; returns whether all is well."""
    records = [record for record in results.values()
               if record["made"] == "list" or record["outcome"] != NOT_BUILT]
    print(f"{'room':<12}{'faults':>8}{'noticed':>9}{'not':>6}{'without effect':>16}")
    others = sorted({record["room"] for record in records} - set(SUBJECTS))
    for room in [*SUBJECTS, *others, "all"]:
        outcomes = [record["outcome"] for record in records if room in (record["room"], "all")]
        counts = [outcomes.count(outcome) for outcome in (NOTICED, MISSED, NO_EFFECT)]
        if outcomes:
            print(f"{room:<12}{sum(counts):>8}{counts[0]:>9}{counts[1]:>6}{counts[2]:>16}")
    bad = [record for record in records if record["outcome"] not in (NOTICED, NO_EFFECT)]
    for record in bad:
        print(f"{record['outcome']}: {record['file']}: {record['what']}")
    failing = [name for name, record in times.items() if record["fails"]]
    if failing:
        print(f"left out, as they fail without any fault: {', '.join(failing)}")
    return not bad and not failing


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", nargs="?", choices=["run", "table"], default="run")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "ae_dist-mutate",
                        help="folder of the copies and the results (default: %(default)s)")
    parser.add_argument("--tree", type=Path, default=ROOT, help="what is copied (default: this)")
    parser.add_argument("--list", type=Path, default=LIST, help="of faults (default: %(default)s)")
    parser.add_argument("--only", default="", help="of the list what matches this expression")
    parser.add_argument("--again", action="store_true", help="judge what went through once more")
    parser.add_argument("--rule-faults", type=int, default=0, help="how many to make by rule")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of these")
    parser.add_argument("--tests", default=QUICK, help="names of the tests (default: %(default)s)")
    parser.add_argument("--limit", type=float, default=30,
                        help="seconds a test may take beyond twice its usual time (default: 30)")
    parser.add_argument("--jobs", type=int, default=2, help="copies at a time (default: 2)")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: Copy.stopping.set())
    campaign = Mutate(options)
    if options.what == "run":
        campaign.run()
    return 0 if print_table(campaign.results, campaign.times) else 1


if __name__ == "__main__":
    sys.exit(main())
