#!/usr/bin/env python3
"""What files cost.

    python3 tests/campaign/measure.py latency    # from SIGUSR1 to the checkpoint under its name
    python3 tests/campaign/measure.py share      # of a run's time that goes into its files
    python3 tests/campaign/measure.py growth     # an epoch's files, after few epochs and after many

All run the reference network on pictures the program makes, from a build in build/ (or AE_DIST).
"""
import argparse
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from common import ROOT, checkpoints, send

import h5py
import numpy as np
import support
from support import STOPPED

CONFIG = ROOT / "configs" / "denoise50.ini"
ENDLESS = 100000


def settings(**options):
    """Arguments for the program: denoise50.ini with options changed."""
    options = {"data.source": "deadleaves", "run.dir": "run",
               **{name.replace("__", "."): value for name, value in options.items()}}
    return [word for name, value in options.items() for word in ("--set", f"{name}={value}")] + \
        [CONFIG]


def latency_s(folder, ranks, delay_s, images=10000):
    """Seconds from SIGUSR1 at every rank, `delay_s` after the first epoch, to a checkpoint that is
    there under its final name, as another process sees it."""
    arguments = settings(data__train_images=images, data__test_images=images // 10,
                         train__pretrain_epochs=0, train__epochs=ENDLESS,
                         output__checkpoint_epochs=ENDLESS)
    with support.Run(folder, arguments, ranks=ranks, session=True) as run:
        run.wait_for(support.epoch_line(1, ENDLESS))
        time.sleep(delay_s)
        pids = run.ranks()
        assert len(pids) == ranks, run.tail
        assert not checkpoints(folder / "run")
        begin_s = time.monotonic()
        send(pids, signal.SIGUSR1)
        while not checkpoints(folder / "run"):
            assert time.monotonic() < begin_s + support.TIMEOUT_S, f"no checkpoint; {run.tail}"
            time.sleep(0.0005)
        taken_s = time.monotonic() - begin_s
        assert support.arrays(checkpoints(folder / "run")[-1], "parameters"), "it is empty"
        assert run.wait().code == STOPPED, run.tail
    return taken_s


def print_latency(ranks, times):
    generator = random.Random(0)
    found = []
    for _ in range(times):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            found.append(latency_s(Path(folder), ranks, generator.uniform(0, 1)))
    print(f"SIGUSR1 at {ranks} ranks to the checkpoint under its name, {times} times: "
          f"median {np.median(found):.3f} s, longest {max(found):.3f} s")


def print_share(ranks, epochs):
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        support.run(folder, *settings(train__pretrain_epochs=epochs // 2,
                                      train__epochs=epochs - epochs // 2),
                    ranks=ranks, timeout_s=3600)
        with h5py.File(Path(folder) / "run" / "results.h5", "r") as file:
            # An epoch's files are written after its row, and count to the next.
            seconds = file["epochs/seconds"][1:]
            io_s = file["epochs/seconds_io"][1:, 2]
    print(f"files of {len(seconds)} epochs on {ranks} ranks: {io_s.sum():.3f} s of "
          f"{seconds.sum():.1f} s, {100 * io_s.sum() / seconds.sum():.2f} %; "
          f"median {1000 * np.median(io_s):.0f} ms an epoch")


def print_growth(ranks, epochs):
    """With ten pictures after each epoch, on images so few that files are most of the time."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        support.run(folder, *settings(data__train_images=20, data__test_images=20,
                                      train__pretrain_epochs=0, train__epochs=epochs,
                                      output__reconstruction_epochs=1, output__keep=1),
                    ranks=ranks, timeout_s=7200)
        with h5py.File(Path(folder) / "run" / "results.h5", "r") as file:
            io_ms = 1000 * file["epochs/seconds_io"][:, 2]
    for epoch in [epoch for epoch in (15, 300, 1000, 1690) if epoch + 10 <= epochs]:
        near = io_ms[epoch - 10:epoch + 10]
        print(f"files after epoch {epoch:4d}: median {np.median(near):4.0f} ms, "
              f"{min(near):.0f} to {max(near):.0f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["latency", "share", "growth"])
    parser.add_argument("--ranks", type=int,
                        help="default: 8 for latency, 2 for share, 1 for growth")
    parser.add_argument("--times", type=int, default=20, help="measurements of the latency")
    parser.add_argument("--epochs", type=int,
                        help="of the run; default: 10 for share, 1700 for growth")
    options = parser.parse_args()
    if options.what == "latency":
        print_latency(options.ranks or 8, options.times)
    elif options.what == "share":
        print_share(options.ranks or 2, options.epochs or 10)
    else:
        print_growth(options.ranks or 1, options.epochs or 1700)


if __name__ == "__main__":
    sys.exit(main())
