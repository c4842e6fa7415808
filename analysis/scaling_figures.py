"""The figures of a scaling study: speed-ups and efficiencies, and kernels below the roofline."""

import h5py
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator, PercentFormatter

from style import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION

COLORS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, "#000000")
GREY, DARK = "#888888", "#444444"
MARKERS = "os^Dvp*"
PASSES = {"forward": "o", "weight gradient": "s", "data gradient": "^"}


class Scaling:
    """What the figures need of a scaling.h5, a file of FORMAT."""

    FORMAT = "ae_dist scaling"

    def __init__(self, path):
        with h5py.File(path, "r") as file:
            self.strong, self.weak, self.kernels, self.memory, self.provenance = (
                {name: item.asstr()[()] if h5py.check_string_dtype(item.dtype) else item[()]
                 for name, item in file[group].items()}
                for group in ("strong", "weak", "kernels", "memory", "provenance"))


def spread(values):
    """Median over the rounds, the last dimension, and how far they reach below and above it."""
    median = np.median(values, axis=-1)
    return median, np.stack([median - values.min(axis=-1), values.max(axis=-1) - median])


# ---- scaling.png ----


def places(table, apart):
    """Where each layout stands: layouts of as many workers stand `apart` doublings beside one
    another."""
    x = table["workers"].astype(float)
    for number in np.unique(table["workers"]):
        those = np.flatnonzero(table["workers"] == number)
        those = those[np.argsort(table["threads"][those])]
        x[those] *= 2 ** (apart * (np.arange(len(those)) - (len(those) - 1) / 2))
    return x


def draw_series(axis, table, column, apart):
    """A series for each number of threads a rank, over the workers."""
    x = places(table, apart)
    for series, number in enumerate(np.unique(table["threads"])):
        those = table["threads"] == number
        median, reach = spread(table[column][those])
        axis.errorbar(x[those], median, yerr=reach, color=COLORS[series % len(COLORS)],
                      marker=MARKERS[series % len(MARKERS)], markerfacecolor="white",
                      markeredgewidth=1.3, markersize=5.5, capsize=2.5, elinewidth=1, linewidth=1.1,
                      label=f"{number} thread{'s' if number > 1 else ''} a rank")


def draw_ideal(axis, table, over, with_peak=True):
    """What would be ideal, and what the cores' peak gave; `over` what they are shown over."""
    workers = np.unique(table["workers"])
    axis.plot(workers, workers / over(workers), color=GREY, linewidth=1.2, linestyle="--",
              label="ideal")
    if with_peak:
        given = [np.median(table["peak_speedup"][table["workers"] == number])
                 for number in workers]
        axis.plot(workers, given / over(workers), color="black", linewidth=1.2, linestyle=":",
                  label="the cores' peak, in the same runs")


def style_workers(axis, table):
    workers = np.unique(table["workers"])
    axis.set_xscale("log", base=2)
    axis.set_xlim(workers[0] / 2 ** 0.4, workers[-1] * 2 ** 0.4)
    axis.xaxis.set_major_locator(FixedLocator(workers))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_locator(NullLocator())


def draw_speedup(axis, table, title):
    draw_ideal(axis, table, np.ones_like)
    draw_series(axis, table, "speedup", apart=0.05)
    style_workers(axis, table)
    axis.set_yscale("log", base=2)
    axis.yaxis.set_major_locator(LogLocator(base=2))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_locator(NullLocator())
    axis.set_title(title, loc="left")


def draw_efficiency(axis, table, column, with_peak):
    draw_ideal(axis, table, lambda workers: workers, with_peak)
    draw_series(axis, table, column, apart=0.1)
    style_workers(axis, table)
    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def draw_scaling(study, path):
    figure, axes = plt.subplots(3, 2, figsize=(11.2, 8.6), layout="constrained", sharex="col",
                                sharey="row", gridspec_kw={"height_ratios": [3, 2, 2]})
    batch = study.provenance["batch"]
    for column, (table, title) in enumerate([
            (study.strong, f"Strong scaling: {batch} images in a step"),
            (study.weak, f"Weak scaling: {batch} images a worker in a step")]):
        draw_speedup(axes[0, column], table, title)
        draw_efficiency(axes[1, column], table, "efficiency", with_peak=True)
        draw_efficiency(axes[2, column], table, "peak_efficiency", with_peak=False)
        axes[2, column].set_xlabel("workers: ranks x threads a rank")
    axes[0, 0].set_ylabel("images/s, over one worker's")
    axes[1, 0].set_ylabel("efficiency")
    axes[2, 0].set_ylabel("efficiency against the\ncores' peak in the same runs")
    for axis in axes[1:, 0]:
        low, high = axis.get_ylim()
        axis.set_ylim(min(low, 0.8), max(high, 1.05))
    axes[0, 1].legend(loc="upper left", bbox_to_anchor=(1, 1))

    rounds = len(study.strong["round"])
    alone = np.median(study.strong["images_per_s"][study.strong["workers"] == 1])
    text = (f"{study.provenance['processor'] or 'processor unknown'}, {study.provenance['cores']} "
            f"cores; one worker: {alone:,.0f} images/s\nMedian and range of {rounds} "
            f"round{'s' if rounds > 1 else ''}, each against one worker in the same round")
    figure.suptitle(text, fontsize=9, x=0.01, ha="left")
    figure.align_ylabels(axes[:, 0])
    figure.savefig(path)
    plt.close(figure)


# ---- roofline.png ----


def layer_and_pass(name):
    """("conv 3->8", "forward") of "conv 3->8 forward"; None where it isn't a layer's."""
    for kind in PASSES:
        if name.endswith(f" {kind}"):
            return name[: -len(kind) - 1], kind
    return None


def draw_roof(axis, study, peak):
    """The core's peak, and a line for each memory, up to the peak."""
    bandwidths, _ = spread(study.memory["bytes_per_s"] / 1e9)
    left, right = axis.get_xlim()
    bottom = axis.get_ylim()[0]
    ridge = peak / bandwidths.max()
    axis.plot([ridge, right], [peak, peak], color=DARK, linewidth=1.6)
    axis.annotate(f"peak of one core: {peak:.1f} G multiply-adds/s", (ridge, peak), (4, 3),
                  textcoords="offset points", ha="left", va="bottom", color=DARK)
    for share in (0.25, 0.5, 0.75):
        axis.plot([ridge * share, right], [peak * share] * 2, color=GREY, linewidth=0.8,
                  linestyle=":")
        axis.annotate(f"{100 * share:.0f}%", (right, peak * share), (-2, 2), ha="right",
                      textcoords="offset points", va="bottom", color=GREY, fontsize=8)
    for name, size, bandwidth in zip(study.memory["array"], study.memory["bytes"], bandwidths):
        axis.plot([left, peak / bandwidth], [left * bandwidth, peak], color=DARK, linewidth=1.2)
        x, above = max(left, bottom / bandwidth) * 1.12, 1.05 * bandwidth
        axis.text(x, x * above, f"{name}: {bandwidth:.0f} GB/s ({round(size / 1e6, 1):g} MB)",
                  rotation=np.degrees(np.arctan(above)), rotation_mode="anchor",
                  transform_rotates_text=True, color=DARK, fontsize=8)


def beside(intensity):
    """Factors that put points of the same intensity beside one another."""
    factors = np.ones(len(intensity))
    for value in np.unique(intensity[np.isfinite(intensity)]):
        those = np.flatnonzero(intensity == value)
        factors[those] = 1.035 ** (np.arange(len(those)) - (len(those) - 1) / 2)
    return factors


def draw_kernels(axis, kernels, rates):
    """Each kernel at its median rate, with the range. Returns the layers' colours."""
    median, reach = spread(rates)
    factors = beside(kernels["intensity"])
    colors = {}
    for place, name in enumerate(kernels["kernel"]):
        x = kernels["intensity"][place] * factors[place]
        if not np.isfinite(x):
            continue
        color, marker, size = "black", "*", 13
        if layer_and_pass(name):
            layer, kind = layer_and_pass(name)
            color = colors.setdefault(layer, COLORS[len(colors) % len(COLORS)])
            marker, size = PASSES[kind], 7
        axis.errorbar(x, median[place], yerr=reach[:, place:place + 1], color=color, marker=marker,
                      markersize=size, markeredgecolor="white", markeredgewidth=0.6, capsize=2,
                      elinewidth=0.9, linestyle="none")
    return colors


def draw_legend(axis, colors):
    def mark(label, color, marker, size=7):
        return Line2D([], [], color=color, marker=marker, linestyle="none", markersize=size,
                      label=label)

    handles = [mark(layer, color, "D", 6) for layer, color in colors.items()]
    handles += [mark(kind, DARK, marker) for kind, marker in PASSES.items()]
    handles.append(mark("all kernels of an image", "black", "*", 11))
    axis.legend(handles=handles, loc="lower right")


def draw_roofline(study, path):
    kernels = study.kernels
    peak = np.median(kernels["peak_multiply_adds_per_s"]) / 1e9
    rates = kernels["multiply_adds_per_s"] / 1e9
    known = np.isfinite(kernels["intensity"])
    ridges = peak * 1e9 / np.median(study.memory["bytes_per_s"], axis=-1)
    figure, axis = plt.subplots(figsize=(8.2, 5.4), layout="constrained")
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(ridges.min() / 3, kernels["intensity"][known].max() * 3)
    axis.set_ylim(min(rates[known].min() / 1.5, peak / 10), max(rates[known].max(), peak) * 1.3)
    draw_roof(axis, study, peak)
    draw_legend(axis, draw_kernels(axis, kernels, rates))
    axis.set_xlabel("arithmetic intensity: multiply-adds for each byte of images in and out, and "
                    "weights, moved once")
    axis.set_ylabel("G multiply-adds/s")
    for scale in (axis.xaxis, axis.yaxis):
        scale.set_major_locator(LogLocator(subs=(1, 2, 5)))
        scale.set_major_formatter("{x:g}")
        scale.set_minor_locator(NullLocator())
    rounds = rates.shape[1]
    axis.set_title(f"Kernels on one core ({study.provenance['kernel_path']}), and its roofline: "
                   f"median and range of {rounds} round{'s' if rounds > 1 else ''}\n"
                   "Multiply-adds of the plain convolution, of which Winograd's way does two thirds; "
                   "memory: a[i] = b[i] + s c[i]", loc="left")
    figure.savefig(path)
    plt.close(figure)


def draw(study, out):
    """Draws into the folder `out`; yields the path of each figure."""
    draw_scaling(study, out / "scaling.png")
    yield out / "scaling.png"
    draw_roofline(study, out / "roofline.png")
    yield out / "roofline.png"
