"""What README.md promises of a few lines: from one's own noisy stack to a clean one."""
import shlex

import h5py
import numpy as np
from support import ROOT, run


def commands():
    """The program's arguments in the lines of README.md's recipe for noisy stacks."""
    text = (ROOT / "README.md").read_text().partition("**From a noisy stack to a clean one**")[2]
    block = text.partition("    mpirun")[1] + text.partition("    mpirun")[2].partition("\n\n")[0]
    for line in block.replace("\\\n", " ").splitlines():
        words = shlex.split(line)
        assert words[:4] == ["mpirun", "-np", "2", "ae_dist"]
        yield words[4:]


def frames(count, side):
    """Clean and noisy pictures of discs: (frame, row, column)."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side]
    clean = np.full((count, side, side), 0.5, np.float32)
    for picture in clean:
        for row, column, radius, value in generator.random((8, 4)) * [side, side, side / 2, 1]:
            picture[(rows - row) ** 2 + (columns - column) ** 2 < radius ** 2] = value
    return clean, clean + generator.normal(0, 0.1, clean.shape).astype(np.float32)


def mean_square(values):
    return np.mean(np.square(values.astype(np.float64)))


def test_a_noisy_stack_becomes_clean(tmp_path):
    """Of 100 frames, some seconds of training take out more than half of the noise's square."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    clean, noisy = frames(100, 64)
    with h5py.File(tmp_path / "stack.h5", "w") as file:
        file["frames"] = noisy
    lines = list(commands())
    assert len(lines) == 2
    for line in lines:
        run(tmp_path, *line, ranks=2)
    with h5py.File(tmp_path / "clean" / "stack.h5", "r") as file:
        found = file["frames"][()]
    assert found.shape == noisy.shape
    after, before = mean_square(found - clean), mean_square(noisy - clean)
    assert after < before / 2
