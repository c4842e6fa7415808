#!/usr/bin/env python3
"""Draws a run of ae_dist: pictures with their reconstructions, and curves over the epochs. Or what
jobs/scaling.sh measured: speed-ups and efficiencies, and the kernels below the roofline. Or what
jobs/simulate.sh simulated.

usage: figures.py RUN [--out DIR]

RUN is a run's folder or its results.h5, which may be that of a run still under way; or the folder
or file of a scaling.h5 or simulate.h5. Writes reconstructions.png and curves.png (where there are
several levels of noise also levels.png), or scaling.png and roofline.png, or simulation.png to DIR
(default: RUN/figures) and prints their paths.
"""

import argparse
import os
import pathlib
import sys

# The file is replaced as a whole, never changed in place: no lock is needed to read it, and some
# file systems can't give one.
os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")

try:
    import h5py
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    import run_figures
    import scaling_figures
    import simulation_figures
    from style import STYLE
except ImportError as error:
    sys.exit(
        f"figures.py: {error.name} is missing: apt install python3-h5py python3-numpy "
        "python3-matplotlib, or pip install h5py numpy matplotlib"
    )

MODULES = {
    run_figures.Run.FORMAT: (run_figures.Run, run_figures.draw),
    scaling_figures.Scaling.FORMAT: (scaling_figures.Scaling, scaling_figures.draw),
    simulation_figures.Simulation.FORMAT: (simulation_figures.Simulation, simulation_figures.draw),
}


def find_file(run):
    """The file that is meant; results.h5 where nothing is there."""
    if not run.is_dir():
        return run
    names = ["results.h5", "scaling.h5", "simulate.h5"]
    return next((run / name for name in names if (run / name).exists()), run / "results.h5")


def read(path):
    """What the figures need of the file, and the function that draws them."""
    with h5py.File(path, "r") as file:
        kind = file.attrs.get("format")
    if kind not in MODULES:
        raise ValueError("it is neither a results file of ae_dist nor one of jobs/scaling.sh "
                         "or jobs/simulate.sh")
    reader, draw = MODULES[kind]
    return reader(path), draw


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("run", metavar="RUN", type=pathlib.Path,
                        help="a run's folder, or its results.h5, scaling.h5 or simulate.h5")
    parser.add_argument("--out", metavar="DIR", type=pathlib.Path,
                        help="where to write the figures (default: RUN/figures)")
    arguments = parser.parse_args()
    path = find_file(arguments.run)
    out = arguments.out or path.parent / "figures"
    if not path.exists():
        sys.exit(f"figures.py: {path} is not there; give a run's folder, as in runs/quickstart")
    try:
        content, draw = read(path)
    except (OSError, KeyError, ValueError) as error:
        sys.exit(f"figures.py: can't read {path}: {error.args[0]}")
    plt.rcParams.update(STYLE)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for figure in draw(content, out):
            if figure.stat().st_size == 0:
                raise OSError(f"{figure} is empty")
            print(figure)
    except OSError as error:
        sys.exit(f"figures.py: can't write to {out}: {error.strerror or error}; choose --out DIR")


if __name__ == "__main__":
    main()
