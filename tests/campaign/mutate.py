#!/usr/bin/env python3
"""Do the tests notice? Small faults, put one at a time into copies of the source tree.

    python3 tests/campaign/mutate.py                              # the faults of mutations.txt
    python3 tests/campaign/mutate.py --rule-faults 100 --seed 1   # and so many made by rule
    python3 tests/campaign/mutate.py table                        # how far it has come
    python3 tests/campaign/mutate.py --again                      # those that went through, anew

For each fault the copy is built, and the quick tests run, those that are the likeliest to notice
first, until one fails twice: then it is noticed. A fault that changes no object file is without
effect; one made by rule that doesn't compile gives way to the next. Whether a test passes without
any fault, and how long it takes, is found out first. Stopped (SIGINT, SIGTERM) or killed, a
next start goes on with the fault that was in hand. What is found is in WORK/results.jsonl, a line a
fault; the copies are in WORK, which lies outside of any checkout.
"""
import argparse
import dataclasses
import hashlib
import json
import os
import queue
import random
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

LIST = Path(__file__).with_name("mutations.txt")
QUICK = r"(unit|mpi|e2e)\.(?!campaign|mutate)"  # this test and its like would try all others
LEFT_BEHIND = ("build", "data", "runs", ".")  # how the names in the top folder begin
NOTICED, MISSED, NO_EFFECT, NOT_BUILT, NOT_FOUND = (
    "noticed", "not noticed", "without effect", "doesn't compile", "isn't there once")
# Whose subject the room is; such a test is run before others that take up to so many times as long.
SUBJECTS = {
    "base": "base|stop|watchdog|signals", "config": "config|command_line|bad_input",
    "comm": "comm|positions|replicas|images|hosts", "kernels": "kernels|pytorch|same_bits",
    "h5": "io|results|faults", "data": "data|images|bad_input",
    "nn": "network|layers|optimizer|pytorch|gradient", "metrics": "metrics|pytorch",
    "io": "io|results|resume|faults", "train": "resume|results|validation|signals|same_bits",
    "main": "command_line|bad_input", "bench": "bench$", "jobs": "slurm|pbs|scaling|simulate|install",
    "analysis": "figures|scaling|simulate|bench_pytorch", "configs": "command_line|bad_input"}
HEAD_START = 10


# ---- faults ----


@dataclasses.dataclass(frozen=True)
class Fault:
    file: str
    what: str
    old: str
    new: str
    at: int = None  # where `old` stands; None: it stands there once

    @property
    def key(self):
        text = "\0".join((self.file, self.old, self.new, str(self.at)))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def room(self):
        parts = Path(self.file).parts
        return Path(parts[parts[0] in ("src", "include")]).stem

    def put_into(self, text):
        """The text with the fault; None where it isn't clear what is meant."""
        at = self.at
        if at is None:
            at = text.find(self.old) if self.old and text.count(self.old) == 1 else -1
        return None if at < 0 else text[:at] + self.new + text[at + len(self.old):]


def read_list(path):
    """The faults of a file. A block of lines each: "FILE: what it changes", the exact text behind
    "- ", and what takes its place behind "+ "; without that, the text is left out."""
    faults = []
    for block in re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n", "", path.read_text())):
        if not block.strip():
            continue
        head, *lines = block.strip("\n").splitlines()
        file, _, what = head.partition(": ")
        wrong = [line for line in lines if line[:1] not in "-+" or line[1:2].strip()]
        if not what or not lines or wrong:
            sys.exit(f"{path}: '{wrong[0] if wrong else head}' isn't FILE: what, '- old' or '+ new'")
        old, new = ("\n".join(line[2:] for line in lines if line[0] == sign) for sign in "-+")
        faults.append(Fault(file, what, old, new))
    return faults


def more(match):
    """A constant that is a little larger."""
    return f"{float(match[0]) * 1.1:g}" if "." in match[0] else str(int(match[0]) + 1)


def turn(*pairs):
    """Replaces each of a pair by the other."""
    other = dict(pairs) | {right: left for left, right in pairs}
    return lambda match: other[match[0]]


# What stands in a file, by the endings of names: what a rule does, where, and what it makes of it.
OPERATORS = [
    ("a comparison's bound", r"(?<= )[<>]=?(?= )", turn(("<", "<="), (">", ">="))),
    ("a comparison turned", r"(?<= )[=!]=(?= )", turn(("==", "!="))),
    ("a sign", r"(?<= )[+-]=?(?= )", turn(("+", "-"), ("+=", "-="))),
    ("a constant", r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])", more)]
RULES = {
    (".c", ".h"): [
        *OPERATORS,
        ("and for or", r"&&|\|\|", turn(("&&", "||"))),
        ("a call left out", r"(?m)^( +)(?!\w*free|H5\wclose)[\w.>-]+\(.*\);$", r"\1;"),
        ("a check left out", r"(?m)\bif \((.*)\) (return\b.*;|goto\b.*;|\{)$", r"if (0 && (\1)) \2"),
        ("arguments swapped", r"\b(\w+)\((\w+), (\w+)(?=[,)])", r"\1(\3, \2")],
    (".py",): [*OPERATORS, ("and for or", r"\b(?:and|or)\b", turn(("and", "or")))],
    (".sh", ".sbatch", ".pbs"): [
        ("a comparison's bound", r"-(?:lt|le|gt|ge)\b", turn(("-lt", "-le"), ("-gt", "-ge"))),
        ("a comparison turned", r"(?<=\[ )-[nz]\b|(?<= )!?=(?= )", turn(("-n", "-z"), ("=", "!="))),
        ("and for or", r"&&|\|\|", turn(("&&", "||")))]}
NOT_CODE = {
    (".c", ".h"): r"(?sm)/\*.*?\*/|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])+'|^ *#[^\n]*",
    (".py",): r"(?sm)\"\"\".*?\"\"\"|\"(?:\\.|[^\"\\\n])*\"|#[^\n]*",
    (".sh", ".sbatch", ".pbs"): r"(?m)^ *#.*"}


def make_faults(tree, seed):
    """All that the rules make of the tree, in the order the seed gives."""
    faults = []
    for path in tree_files(tree):
        suffixes = next((found for found in RULES if path.suffix in found), None)
        if not suffixes or path.parts[0] == "tests" or "simulate" in path.parts:
            continue
        text = (tree / path).read_text()
        code = re.sub(NOT_CODE[suffixes], lambda match: "\0" * len(match[0]), text)
        for what, pattern, replacement in RULES[suffixes]:
            for place in re.finditer(pattern, code):
                match = re.compile(pattern).match(text, place.start())
                if not match:
                    continue
                new = replacement(match) if callable(replacement) else match.expand(replacement)
                line = text.count("\n", 0, place.start()) + 1
                faults.append(Fault(str(path), f"line {line}, {what}: {match[0].strip()}", match[0],
                                    new, place.start()))
    random.Random(seed).shuffle(faults)
    return faults


# ---- copies of the tree ----


def tree_files(tree):
    """Paths of the tree's own files, relative to it, in order."""
    tops = [path for path in tree.iterdir() if not path.name.startswith(LEFT_BEHIND)]
    paths = [path for top in tops for path in ([top] if top.is_file() else top.rglob("*"))]
    return sorted(path.relative_to(tree) for path in paths
                  if path.is_file() and "__pycache__" not in path.parts)


class Stopped(Exception):
    pass


class Copy:
    """A copy of the tree with a build folder, in which one fault at a time stands."""

    stopping = threading.Event()

    def __init__(self, tree, folder):
        self.tree, self.folder, self.copy = tree, folder, folder / tree.name
        self.build, self.log, self.scratch = self.copy / "build", folder / "log", folder / "tmp"
        # All that a test starts is known by this, and ended with it.
        self.mark = f"AE_MUTATE={folder}"
        self.environment = {**os.environ, "AE_MUTATE": str(folder), "TMPDIR": str(self.scratch),
                            "PYTEST_ADDOPTS": "-x", "PYTHONDONTWRITEBYTECODE": "1"}

    def renew(self):
        """Makes it what the tree is, and builds it."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        files = tree_files(self.tree)
        for path in set(tree_files(self.copy) if self.copy.exists() else ()) - set(files):
            (self.copy / path).unlink()
        for path in files:
            new, old = self.tree / path, self.copy / path
            if not old.exists() or old.read_bytes() != new.read_bytes():
                old.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(new, old)
        generator = ["-G", "Ninja"] if shutil.which("ninja") else []
        command = ["cmake", "-S", self.copy, "-B", self.build, "-DCMAKE_BUILD_TYPE=Release",
                   "-DBUILD_TESTING=ON", f"-DPython3_EXECUTABLE={sys.executable}", *generator]
        if self.call(command) != 0 or self.make() != 0:
            sys.exit(f"the tree doesn't build without any fault:\n{self.log.read_text()[-3000:]}")
        self.clean = self.objects()

    def call(self, command, limit_s=float("inf")):
        """The command's exit code; None where it took too long. Nothing of it is left."""
        end_s = time.monotonic() + limit_s
        with open(self.log, "w") as log:
            process = subprocess.Popen(list(map(str, command)), env=self.environment, stdout=log,
                                       stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                       start_new_session=True)
        while (code := process.poll()) is None and time.monotonic() < end_s:
            if self.stopping.is_set():
                break
            time.sleep(0.02)
        while left := self.processes():
            send(left, signal.SIGKILL)
            process.poll()
        process.wait()
        if self.stopping.is_set():
            raise Stopped
        return code

    def processes(self):
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
        """A hash of every object file; a build for release has no debugging information in them."""
        return {path: hashlib.sha256(path.read_bytes()).digest() for path in self.build.rglob("*.o")}

    def tests(self, pattern):
        assert self.call(["ctest", "--test-dir", self.build, "--show-only=json-v1"]) == 0
        text = self.log.read_text()
        names = [test["name"] for test in json.loads(text[text.index("{"):])["tests"]]
        return [name for name in names if re.match(pattern, name)]

    def fails(self, test, limit_s):
        """How a test fails, "" where it passes. Any may fail once, on a busy machine."""
        for _ in range(2):
            code = self.call(["ctest", "--test-dir", self.build, "--output-on-failure",
                              "--no-tests=error", "-R", f"^{re.escape(test)}$"], limit_s)
            if code == 0:
                return ""
            found = re.search(r"_{3,} (\S.*?) _{3,}|\[  FAILED  \] [^\n]*?(\w+)$",
                              self.log.read_text(errors="replace"), re.MULTILINE)
        return "timed out" if code is None else (found[1] or found[2]) if found else f"code {code}"

    def judge(self, fault, tests, limit_s):
        """(outcome, the test that noticed, how); `tests`: seconds by name."""
        path = self.copy / fault.file
        text = path.read_text() if path.exists() else ""
        faulty = fault.put_into(text)
        if faulty is None:
            return NOT_FOUND, None, f"{text.count(fault.old)} times"
        is_c = path.suffix in (".c", ".h")
        try:
            path.write_text(faulty)
            if self.make() != 0:
                return NOT_BUILT, None, None
            if is_c and self.objects() == self.clean:
                return NO_EFFECT, None, None
            subject = re.compile(rf"\w+\.({SUBJECTS.get(fault.room, '$.')})")
            for test in sorted(tests, key=lambda name: tests[name] / (
                    HEAD_START if subject.match(name) else 1)):
                if not is_c and path.name != "CMakeLists.txt" and re.match("unit|mpi", test):
                    continue  # of scripts and such they know nothing
                if how := self.fails(test, limit_s + 2 * tests[test]):
                    return NOTICED, test, how
            return MISSED, None, None
        finally:
            path.write_text(text)
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.scratch.mkdir()


# ---- the campaign ----


class Results:
    """A file of JSON lines; of those with one key the last counts."""

    def __init__(self, path):
        self.path, self.lines = path, {}
        for line in path.read_text().splitlines() if path.exists() else ():
            try:
                record = json.loads(line)
            except ValueError:  # the campaign was killed while it wrote
                continue
            self.lines[record["key"]] = record

    def add(self, **record):
        self.lines[record["key"]] = record
        whole = not self.path.exists() or self.path.read_bytes().endswith(b"\n")
        with open(self.path, "a") as file:
            file.write(("" if whole else "\n") + json.dumps(record) + "\n")


class Mutate:
    """Judges faults in several copies at once."""

    def __init__(self, options):
        self.options, self.lock = options, threading.Lock()
        self.work = options.work.resolve()
        self.copies = [Copy(options.tree, self.work / str(n)) for n in range(options.jobs)]
        self.results = Results(self.work / "results.jsonl")
        self.times = Results(self.work / "tests.jsonl")

    def each(self, task):
        """task(copy) for every copy at once."""
        def work(copy):
            try:
                task(copy)
            except Stopped:
                pass
            except BaseException as error:  # ends the others too
                errors.append(error)
                Copy.stopping.set()
        errors = []
        threads = [threading.Thread(target=work, args=(copy,)) for copy in self.copies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def time_tests(self):
        """Finds out which tests pass without any fault, and their seconds."""
        names = self.copies[0].tests(self.options.tests)
        todo = queue.SimpleQueue()
        for name in names:
            if name not in self.times.lines:
                todo.put(name)

        def task(copy):
            while (name := take(todo)) is not None:
                begin_s = time.monotonic()
                how = copy.fails(name, float("inf"))
                self.say(f"{name}: {how or 'passes'}")
                with self.lock:
                    self.times.add(key=name, fails=how, seconds=time.monotonic() - begin_s)
        self.each(task)
        return {name: self.times.lines[name]["seconds"] for name in names
                if name in self.times.lines and not self.times.lines[name]["fails"]}

    def run(self):
        self.each(Copy.renew)
        tests = self.time_tests()
        wanted = [fault for fault in read_list(self.options.list)
                  if re.search(self.options.only, f"{fault.file}: {fault.what}")]
        self.judge(wanted, len(wanted), tests)
        if self.options.rule_faults:
            self.judge(make_faults(self.options.tree, self.options.seed), self.options.rule_faults,
                       tests)

    def judge(self, faults, count, tests):
        """Judges the first `count` that compile, or all where that are all there are."""
        todo, found = iter(faults), {"in hand": 0, "good": 0}

        def task(copy):
            while fault := self.next(todo, found, count):
                begin_s = time.monotonic()
                record = self.results.lines.get(fault.key)
                anew = not record or (self.options.again and record["outcome"] == MISSED)
                outcome, test, how = (copy.judge(fault, tests, self.options.limit) if anew else
                                      (record["outcome"], None, None))
                with self.lock:
                    found["in hand"] -= 1
                    found["good"] += fault.at is None or outcome != NOT_BUILT
                    if anew:
                        self.results.add(
                            key=fault.key, room=fault.room, file=fault.file, what=fault.what,
                            made="list" if fault.at is None else "rule", outcome=outcome,
                            by=test, how=how, seconds=round(time.monotonic() - begin_s, 1))
                        self.say(f"{outcome}{f' by {test}, {how}' if test else ''} "
                                 f"({time.monotonic() - begin_s:.0f} s): {fault.file}: {fault.what}")
        self.each(task)

    def next(self, todo, found, count):
        """The next fault, once it is sure that it is needed; None where there are enough."""
        while not Copy.stopping.is_set():
            with self.lock:
                if found["good"] >= count:
                    return None
                if found["good"] + found["in hand"] < count:
                    fault = next(todo, None)
                    found["in hand"] += fault is not None
                    return fault
            time.sleep(0.1)
        return None

    def say(self, text):
        print(text, flush=True)


def take(todo):
    try:
        return todo.get_nowait()
    except queue.Empty:
        return None


def print_table(results, times):
    """What was noticed by room, what wasn't, and what is wrong with the list. Is all well?"""
    records = [record for record in results.lines.values()
               if record["made"] == "list" or record["outcome"] != NOT_BUILT]
    print(f"{'room':<12}{'faults':>8}{'noticed':>9}{'not':>6}{'without effect':>16}")
    rooms = [*SUBJECTS, *sorted({record["room"] for record in records} - set(SUBJECTS))]
    for room in [*rooms, "all"]:
        of_room = [record["outcome"] for record in records if room in (record["room"], "all")]
        if of_room:
            numbers = [of_room.count(outcome) for outcome in (NOTICED, MISSED, NO_EFFECT)]
            print(f"{room:<12}{sum(numbers):>8}{numbers[0]:>9}{numbers[1]:>6}{numbers[2]:>16}")
    for record in records:
        if record["outcome"] in (MISSED, NOT_FOUND, NOT_BUILT):
            print(f"{record['outcome']}: {record['file']}: {record['what']}")
    failing = [name for name, record in times.lines.items() if record["fails"]]
    if failing:
        print(f"left out, as they fail without any fault: {', '.join(failing)}")
    return all(record["outcome"] in (NOTICED, NO_EFFECT) for record in records) and not failing


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", nargs="?", choices=["run", "table"], default="run")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "ae_dist-mutate",
                        help="folder of the copies and the results (default: %(default)s)")
    parser.add_argument("--tree", type=Path, default=ROOT, help="what is copied (default: this)")
    parser.add_argument("--list", type=Path, default=LIST, help="of faults")
    parser.add_argument("--only", default="", help="those of the list that match this expression")
    parser.add_argument("--again", action="store_true", help="judge those not noticed once more")
    parser.add_argument("--rule-faults", type=int, default=0, help="how many to make by rule")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of these")
    parser.add_argument("--tests", default=QUICK, help="names of the tests (default: %(default)s)")
    parser.add_argument("--limit", type=float, default=30,
                        help="seconds a test may take beyond twice its usual time")
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
