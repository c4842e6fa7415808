"""The figure of a simulated scaling study: where a step's time goes, and the efficiency."""

import h5py
import matplotlib.pyplot as plt
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

from style import BLUE, VERMILION

GREY, DARK = "#888888", "#444444"
COLORS, MARKERS = (VERMILION, BLUE), "so"
KINDS = {"strong_100": "Strong scaling: 100 images in a step",
         "strong_4096": "Strong scaling: 4,096 images in a step",
         "weak_40": "Weak scaling: 40 images a rank"}


class Simulation:
    """What the figure needs of a simulate.h5, a file of FORMAT."""

    FORMAT = "ae_dist simulation"

    def __init__(self, path):
        with h5py.File(path, "r") as file:
            self.kinds = {name: {key: item[()] for key, item in file[name].items()}
                          for name in KINDS}
            self.networks = list(file["weak_40/network"].asstr()[()])
            self.latencies_s = file["weak_40/latency_s"][()]
            self.processor = file["provenance/processor"].asstr()[()]
            self.image_s = file["provenance/image_s"][()]


def networks_of(study):
    """(place, label, colour, marker) of each network."""
    for place, (network, latency_s) in enumerate(zip(study.networks, study.latencies_s)):
        yield (place, f"{network}, {1e6 * latency_s:g} us latency", COLORS[place % len(COLORS)],
               MARKERS[place % len(MARKERS)])


def draw_times(axis, study, table):
    axis.plot(table["ranks"], 1e6 * table["compute_s"][0], color=DARK, linestyle="--",
              label="computing, the rank with most images")
    for place, label, color, marker in networks_of(study):
        axis.plot(table["ranks"], 1e6 * table["reduce_s"][place], color=color, marker=marker,
                  markerfacecolor="white", label=f"reduction, {label}")
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter("{x:,g}")


def draw_efficiency(axis, study, table):
    axis.axhline(0.5, color=GREY, linewidth=1, linestyle=":")
    for place, label, color, marker in networks_of(study):
        axis.plot(table["ranks"], table["efficiency"][place], color=color, marker=marker,
                  markerfacecolor="white", label=label)
    axis.set_ylim(0, 1.05)
    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def draw_simulation(study, path):
    figure, axes = plt.subplots(2, 3, figsize=(12.4, 5.2), layout="constrained", sharex="col",
                                sharey="row")
    for column, (name, title) in enumerate(KINDS.items()):
        table = study.kinds[name]
        draw_times(axes[0, column], study, table)
        draw_efficiency(axes[1, column], study, table)
        axes[0, column].set_title(title, loc="left")
        axes[1, column].set_xlabel("ranks, a core each; 16 in a node")
        axes[1, column].set_xscale("log", base=2)
        axes[1, column].xaxis.set_major_locator(FixedLocator(table["ranks"]))
        axes[1, column].xaxis.set_major_formatter("{x:g}")
        axes[1, column].xaxis.set_minor_locator(NullLocator())
    axes[0, 0].set_ylabel("us of a step")
    axes[1, 0].set_ylabel("efficiency")
    axes[0, 2].legend(loc="upper left", bbox_to_anchor=(1, 1))
    figure.suptitle("Simulated with SimGrid; the time of an image was measured: "
                    f"{1e6 * study.image_s:.1f} us on one core "
                    f"({study.processor or 'processor unknown'})", fontsize=9,
                    x=0.01, ha="left")
    figure.savefig(path)
    plt.close(figure)


def draw(study, out):
    """Draws into the folder `out`; yields the path of the figure."""
    draw_simulation(study, out / "simulation.png")
    yield out / "simulation.png"
