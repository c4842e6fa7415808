"""What tests of ae_dist apply share: models, pictures' numbers, runs."""
import os
import subprocess
from pathlib import Path

import numpy as np
from support import ROOT, run

MAKE_MODEL = Path(os.environ.get("AE_BUILD_DIR", ROOT / "build")) / "tests" / "e2e_make_model"
REFERENCE = "conv 8 3 relu, conv 8 3 relu, tconv 8 3 relu, tconv 3 3 sigmoid"


def make_model(folder, layers="conv 3 1 none", output="direct", channels=3, weights="identity",
               name="model.h5"):
    subprocess.run([MAKE_MODEL, folder / name, layers, output, str(channels), str(weights)],
                   check=True)
    return folder / name


def numbers(shape, kind, seed=1):
    generator = np.random.default_rng(seed)
    if np.dtype(kind).kind == "f":
        return generator.random(shape).astype(kind)
    return generator.integers(0, np.iinfo(kind).max + 1, shape, kind)


def apply(folder, *arguments, ranks=None, **how):
    return run(folder, "apply", *arguments, ranks=ranks, **how)


def files(folder):
    """Content of every file below the folder but the journal, by name."""
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(Path(folder).rglob("*")) if path.is_file() and path.name != ".apply"}


def assert_left_out(done, *fragments):
    """Warned of each, with what the fragment says."""
    warnings = [line for line in done.stderr.splitlines() if "ae_dist: warning:" in line]
    for fragment in fragments:
        assert sum(fragment in line for line in warnings) == 1, done.tail
    assert done.text.count("ae_dist: error:") == 1, done.tail
