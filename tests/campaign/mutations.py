"""Small faults for mutate.py: those of a list, and those that rules make of the source."""
import dataclasses
import hashlib
import random
import re
import sys
from pathlib import Path

LEFT_BEHIND = ("build", "data", "runs", ".")  # how the names in the top folder begin


@dataclasses.dataclass(frozen=True)
class Fault:
    file: str
    what: str
    old: str
    new: str
    at: int = None  # where `old` stands; None: it stands in the file once

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


# ---- a list ----


def read_list(path):
    """The faults of a file like mutations.txt, which tells how it is written."""
    faults = []
    for block in re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n", "", path.read_text())):
        if not block.strip():
            continue
        head, *lines = block.strip("\n").splitlines()
        file, _, what = head.partition(": ")
        wrong = [line for line in lines if line[0] not in "-+" or line[1:2].strip()]
        if not what or not lines or wrong:
            sys.exit(f"{path}: '{(wrong or [head])[0]}' isn't FILE: what, '- old' or '+ new'")
        old, new = ("\n".join(line[2:] for line in lines if line[0] == sign) for sign in "-+")
        faults.append(Fault(file, what, old, new))
    return faults


# ---- rules ----


def turn(*pairs):
    """Replaces each of a pair by the other."""
    other = dict(pairs) | {right: left for left, right in pairs}
    return lambda match: other[match[0]]


def more(match):
    """A number that is a little larger."""
    return f"{float(match[0]) * 1.1:g}" if "." in match[0] else str(int(match[0]) + 1)


C, PYTHON, SHELL = (".c", ".h", ".def"), (".py",), (".sh", ".sbatch", ".pbs")
NOT_CODE = {
    C: r"(?sm)/\*.*?\*/|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])+'|^ *#[^\n]*",
    PYTHON: r"(?sm)\"\"\".*?\"\"\"|\"(?:\\.|[^\"\\\n])*\"|#[^\n]*",
    SHELL: r"(?m)^ *#.*"}
OPERATORS = [
    ("a comparison's bound", r"(?<= )[<>]=?(?= )", turn(("<", "<="), (">", ">="))),
    ("a comparison turned", r"(?<= )[=!]=(?= )", turn(("==", "!="))),
    ("a sign", r"(?<= )[+-]=?(?= )", turn(("+", "-"), ("+=", "-="))),
    ("a constant", r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])", more)]
# What a rule does, where, and what it makes of it.
RULES = {
    C: [*OPERATORS,
        ("and for or", r"&&|\|\|", turn(("&&", "||"))),
        ("a call left out", r"(?m)^( +)(?!\w*free|H5\wclose)[\w.>-]+\(.*\);$", r"\1;"),
        ("a check left out", r"(?m)\bif \((.*)\) ((?:return|goto)\b.*;|\{)$",
         r"if (0 && (\1)) \2"),
        ("arguments swapped", r"\b(\w+)\((\w+), (\w+)(?=[,)])", r"\1(\3, \2")],
    PYTHON: [*OPERATORS, ("and for or", r"\b(?:and|or)\b", turn(("and", "or")))],
    SHELL: [
        ("a comparison's bound", r"-(?:lt|le|gt|ge)\b", turn(("-lt", "-le"), ("-gt", "-ge"))),
        ("a comparison turned", r"(?<=\[ )-[nz]\b|(?<= )!?=(?= )", turn(("-n", "-z"), ("=", "!="))),
        ("and for or", r"&&|\|\|", turn(("&&", "||")))]}


def tree_files(tree):
    """Paths of a source tree's own files, relative to it, in order."""
    tops = [path for path in tree.iterdir() if not path.name.startswith(LEFT_BEHIND)]
    paths = [path for top in tops for path in ([top] if top.is_file() else top.rglob("*"))]
    return sorted(path.relative_to(tree) for path in paths
                  if path.is_file() and "__pycache__" not in path.parts)


def make_faults(tree, seed):
    """All that the rules make of the tree, in the order the seed gives."""
    faults = []
    for path in tree_files(tree):
        kind = next((kind for kind in RULES if path.suffix in kind), None)
        if not kind or "tests" in path.parts or "simulate" in path.parts:
            continue
        text = (tree / path).read_text()
        code = re.sub(NOT_CODE[kind], lambda match: "\0" * len(match[0]), text)
        for what, pattern, replacement in RULES[kind]:
            for place in re.finditer(pattern, code):
                match = re.compile(pattern).match(text, place.start())  # with its strings
                if not match:
                    continue
                new = replacement(match) if callable(replacement) else match.expand(replacement)
                line = text.count("\n", 0, place.start()) + 1
                faults.append(Fault(str(path), f"line {line}, {what}: {match[0].strip()}", match[0],
                                    new, place.start()))
    random.Random(seed).shuffle(faults)
    return faults
