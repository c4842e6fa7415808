"""The rooms of the source: a file includes only its own room and those below it."""
import re
from pathlib import Path

import pytest

from source_tree import ROOT

# From the ground up; rooms on one floor don't include each other.
FLOORS = [["base"], ["config", "comm", "kernels", "h5", "picture"], ["data", "nn", "metrics"], ["team"],
          ["io"], ["train", "apply"], ["main", "bench", "simulate"]]
FLOOR_OF = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
ONLY_IN = {"mpi.h": {"comm"}, "smpi.h": {"simulate"}, "hdf5.h": {"h5", "io"},
           "hdf5_hl.h": {"h5", "io"}, "png.h": {"picture"}, "jpeglib.h": {"picture"},
           "jerror.h": {"picture"}, "tiffio.h": {"picture"}}
NEVER = {("nn", "comm"), ("metrics", "comm")}
GENERATED = {"build_generated.h"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(<[^>\n]*>|"[^"\n]*"|\S+)', re.MULTILINE)


def room_of(path, root):
    """The room of a file below include/ or src/: its folder there; "main" for src/main.c."""
    parts = path.relative_to(root).parts
    if parts == ("src", "main.c"):
        return "main"
    return parts[1] if len(parts) > 2 else None


def resolve(name, path, root):
    """The file an #include "name" in `path` means, or None."""
    for folder in (path.parent, root / "include", root / "src"):
        if (folder / name).is_file():
            return (folder / name).resolve()
    return None


def quoted_names(path, root):
    """Headers a kernel is built with by a name given on the command line, beside those in the text."""
    text = path.read_text()
    names = [(match[0], match[1:-1]) for match in INCLUDE.findall(text) if match[0] in '<"']
    if "AE_SIMD_HEADER" in text:
        names += [('"', f"kernels/{header.name}") for header in
                  sorted((root / "src" / "kernels").glob("simd_*.h"))]
    return names


def check_file(path, root):
    """What is wrong with the includes of a file, one message each."""
    room = room_of(path, root)
    here = path.relative_to(root)
    if room not in FLOOR_OF:
        return [f"{here} is in no room"]
    wrong = []
    for mark, name in quoted_names(path, root):
        base = name.rpartition("/")[2]
        if base in ONLY_IN:
            if room not in ONLY_IN[base]:
                wrong.append(f"{here} includes {name}, which only {sorted(ONLY_IN[base])} may")
            continue
        if mark == "<" or name in GENERATED:
            continue
        target = resolve(name, path, root)
        if target is None or not target.is_relative_to(root):
            wrong.append(f"{here} includes {name}, which isn't there")
            continue
        other = room_of(target, root)
        if other == room:
            continue
        if other not in FLOOR_OF:
            wrong.append(f"{here} includes {name}, which is in no room")
        elif (room, other) in NEVER or FLOOR_OF[other] >= FLOOR_OF[room]:
            wrong.append(f"{here} includes {name}: {room} isn't above {other}, or must not know it")
    return wrong


def check_tree(root):
    root = Path(root).resolve()
    files = [path for top in ("include", "src") for path in sorted((root / top).rglob("*.[ch]"))]
    assert files, f"no sources in {root}"
    return [message for path in files for message in check_file(path, root)]


def test_arrows_run_down():
    assert check_tree(ROOT) == []


GOOD = {
    "include/base/log.h": "",
    "include/comm/comm.h": '#include "base/log.h"\n',
    "include/h5/h5.h": '#include "base/log.h"\n',
    "include/nn/network.h": '#include "base/log.h"\n',
    "include/data/dataset.h": "",
    "include/train/trainer.h": "",
    "src/comm/comm.c": '#include "comm/comm.h"\n#include <mpi.h>\n#include "internal.h"\n',
    "src/comm/internal.h": "#include <mpi.h>\n",
    "src/h5/h5.c": '#include <hdf5.h>\n#include "h5/h5.h"\n',
    "src/train/trainer.c": '#include "train/trainer.h"\n#include "comm/comm.h"\n',
    "src/main.c": '#include "train/trainer.h"\n#include "comm/comm.h"\n#include <stdio.h>\n',
    "src/bench/bench.h": '#include "comm/comm.h"\n',
    "src/bench/team.c": '#include "bench.h"\n#include "train/trainer.h"\n',
}
BAD = {
    "up": ("src/data/dataset.c", '#include "train/trainer.h"'),
    "up into main": ("src/train/step.c", '#include "main.c"'),
    "up into bench": ("src/train/step.c", '#include "bench/bench.h"'),
    "main and bench": ("src/main.c", '#include "bench/bench.h"'),
    "along a floor": ("src/comm/other.c", '#include "h5/h5.h"'),
    "along a floor, higher": ("src/data/dataset.c", '#include "nn/network.h"'),
    "base including": ("src/base/log.c", '  #  include   "comm/comm.h"'),
    "another room's own header": ("src/nn/network.c", '#include "../comm/internal.h"'),
    "nn and comm": ("src/nn/network.c", '#include "comm/comm.h"'),
    "metrics and comm": ("src/metrics/metrics.c", '#include "comm/comm.h"'),
    "mpi.h in train": ("src/train/step.c", "#include <mpi.h>"),
    "mpi.h in main": ("src/main.c", "#include <mpi.h>"),
    "hdf5.h in train": ("src/train/step.c", "#include <hdf5.h>"),
    "hdf5.h in quotes": ("src/data/dataset.c", '#include "hdf5.h"'),
    "png.h in data": ("src/data/dataset.c", "#include <png.h>"),
    "along the floor of pictures": ("src/picture/png.c", '#include "comm/comm.h"'),
    "not there": ("src/data/dataset.c", '#include "data/nothing.h"'),
    "no such room": ("src/attic/old.c", '#include "base/log.h"'),
    "no room at all": ("include/loose.h", ""),
}


def make_tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


def test_good_tree_passes(tmp_path):
    make_tree(tmp_path, GOOD)
    assert check_tree(tmp_path) == []


@pytest.mark.parametrize("case", BAD)
def test_bad_tree_fails(tmp_path, case):
    name, text = BAD[case]
    make_tree(tmp_path, {**GOOD, name: text})
    wrong = check_tree(tmp_path)
    assert len(wrong) == 1 and wrong[0].startswith(name), wrong
