"""The figures of a run: pictures with their reconstructions, and curves over the epochs and over
levels of noise."""

import h5py
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator, PercentFormatter

from style import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION

CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck".split()
ACROSS, PICTURES_MAX = 10, 50
PARTS = {
    "compute": BLUE,
    "allreduce": VERMILION,
    "data": SKY,
    "optimizer": GREEN,
    "evaluate": ORANGE,
    "io": PURPLE,
}


class Gallery:
    """Pictures of one size, with the newest outputs."""

    def __init__(self, group):
        self.epoch = int(group["epoch"][-1])
        self.clean, self.noisy = group["clean"][()], group["noisy"][()]
        self.output = group["output"][-1]
        self.labels = group["label"][()] if "label" in group else None


def galleries(file):
    """By the end of their figures' name: "", or of each size "-321x481"."""
    top = file["reconstructions"]
    groups = [("", top)] if "epoch" in top else [(f"-{name}", top[name]) for name in top]
    for name, group in groups:
        if len(group["epoch"]) > 0:
            yield name, Gallery(group)


class Run:
    """What the figures need of a results.h5, a file of FORMAT."""

    FORMAT = "ae_dist results"

    def __init__(self, path):
        with h5py.File(path, "r") as file:
            self.config = dict(file["config"].attrs)
            self.epochs = {
                name: column[()]
                for name, column in file["epochs"].items()
                if h5py.check_string_dtype(column.dtype) is None
            }
            last = {name: file["provenance"][name][-1] for name in ("ranks", "threads")}
            counts = (f"{last[name]} {name.rstrip('s') if last[name] == 1 else name}" for name in last)
            self.workers = f"{', '.join(counts)} in all"
            inputs = file["test"].get("input_psnr_db")
            self.input_psnr_db = None if inputs is None else inputs[()]
            self.levels = {name: item[()] for name, item in file.get("levels", {}).items()}
            self.galleries = dict(galleries(file)) if "reconstructions" in file else {}
        if len(self.epochs["epoch"]) == 0:
            raise ValueError("it holds no epoch yet")

    @property
    def pretrain_epochs(self):
        return int(self.config["train.pretrain_epochs"])

    def test_noise_after(self, epoch):
        """The noise that the network was tested with after `epoch`, as a text; none: None. Versions
        that knew but Gaussian noise tell neither kind nor level."""
        if epoch <= self.pretrain_epochs:
            return None
        sigma, level = (float(self.config.get(f"noise.{name}", "0").split()[0])
                        for name in ("test_sigma", "test_level"))
        kind = self.config.get("noise.kind", "gaussian")
        if sigma == 0 and level == 0:
            return None
        return f"noise {sigma:g}" if kind == "gaussian" else f"{kind} {level:g}"


def psnr_db(image, clean):
    """PSNR of each image; infinite where it equals the clean one."""
    error = np.mean((image.astype(np.float64) - clean.astype(np.float64)) ** 2, axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        return 10 * np.log10(1 / error)


def picture_rows(run, gallery):
    """The rows: name, images, captions. The input has one only if it isn't the clean image."""
    clean, noisy, output = (
        images[:PICTURES_MAX] for images in (gallery.clean, gallery.noisy, gallery.output)
    )
    values = {name: [f"{value:.1f} dB" for value in psnr_db(images, clean)]
              for name, images in (("noisy", noisy), ("output", output))}
    cifar10 = run.config["data.source"] == "cifar10" and gallery.labels is not None
    names = [CIFAR10[label] for label in gallery.labels[: len(clean)]] if cifar10 else None
    noise = run.test_noise_after(gallery.epoch)
    rows = [("clean", clean, names)]
    if noise:
        rows.append((noise, noisy, values["noisy"]))
    rows.append(("output", output, values["output"]))
    return rows


def draw_reconstructions(run, gallery, path):
    """Ten across: the clean image, the network's input if that is another, its output."""
    rows = picture_rows(run, gallery)
    count = len(rows[0][1])
    across = min(ACROSS, count)
    # All lengths are in inches.
    side, gap, caption, left, head, foot = 0.95, 0.05, 0.19, 0.75, 0.45, 0.08
    heights = [side + (caption if captions else gap) for _, _, captions in rows]
    block = sum(heights) + 0.15
    width = max(left + across * (side + gap), 4)
    height = head + -(-count // across) * block - 0.15 + foot
    figure = plt.figure(figsize=(width, height))
    for place in range(count):
        x, y = left + place % across * (side + gap), head + place // across * block
        for (name, images, captions), row_height in zip(rows, heights):
            corner = (x / width, 1 - (y + side) / height)
            axis = figure.add_axes((*corner, side / width, side / height))
            axis.axis("off")
            pixels = np.clip(images[place].transpose(1, 2, 0), 0, 1)
            axis.imshow(pixels if pixels.shape[2] == 3 else pixels[:, :, 0], cmap="gray",
                        vmin=0, vmax=1, interpolation="nearest")
            if captions:
                axis.text(0.5, -0.03, captions[place], fontsize=7.5, color="#444444",
                          ha="center", va="top", transform=axis.transAxes)
            if place % across == 0:
                axis.text(-0.08, 0.5, name, fontsize=9, ha="right", va="center",
                          transform=axis.transAxes)
            y += row_height
    stored = len(gallery.clean)
    title = f"Test image{'s' if count > 1 else ''} after epoch {gallery.epoch}, with PSNR"
    if count < stored:
        title += f", the first {count} of {stored}"
    figure.text(0.08 / width, 1 - 0.22 / height, title, fontsize=10, va="center")
    figure.savefig(path)
    plt.close(figure)


def phases(run):
    """Which epochs are pretraining, and which are not; those of them that there are."""
    pretraining = run.epochs["epoch"] <= run.pretrain_epochs
    return [phase for phase in (pretraining, ~pretraining) if phase.any()]


def draw_line(axis, run, column, label, color, linestyle="-"):
    """A curve of the epochs that have a figure, broken where pretraining ends."""
    few = len(run.epochs["epoch"]) < 40
    known = ~np.isnan(run.epochs[column])
    for phase in phases(run):
        phase = phase & known
        axis.plot(run.epochs["epoch"][phase], run.epochs[column][phase], color=color, label=label,
                  linestyle=linestyle, linewidth=1.5, marker="o" if few else None,
                  markersize=3)
        label = None


def draw_loss(axis, run):
    draw_line(axis, run, "train_loss", "training", BLUE)
    draw_line(axis, run, "test_loss", "test", ORANGE)
    axis.set_yscale("log")
    low, high = axis.get_ylim()
    if high / low < 2:
        axis.yaxis.set_major_locator(MaxNLocator(5))
    else:
        subs = (1, 2, 3, 4, 6, 8) if high / low < 20 else (1, 2, 5) if high / low < 200 else (1,)
        axis.yaxis.set_major_locator(LogLocator(subs=subs))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    axis.set_title("Mean absolute error" if run.config["train.loss"] == "l1"
                   else "Mean squared error")
    axis.legend()


def draw_psnr(axis, run):
    draw_line(axis, run, "psnr_db", "mean over images", BLUE)
    draw_line(axis, run, "psnr_pooled_db", "of the pooled error", SKY, "--")
    inputs = run.input_psnr_db
    if inputs is not None and np.isfinite(inputs).any() and run.test_noise_after(run.epochs["epoch"][-1]):
        epochs = run.epochs["epoch"][phases(run)[-1]][[0, -1]] + [-0.5, 0.5]
        mean = np.mean(inputs[np.isfinite(inputs)])
        axis.plot(epochs, [mean, mean], color="#666666", linewidth=1.2, linestyle=":",
                  label="noisy input")
    axis.set_title("PSNR of the test images (dB)")
    axis.legend()


def draw_times(axis, run):
    """Each part's share of the time, mean over the ranks, as bars on top of one another."""
    times = {part: run.epochs[f"seconds_{part}"][:, 1] for part in PARTS}
    total = sum(times.values())
    total = np.where(total > 0, total, 1)
    bottom = np.zeros(len(total))
    for part, color in PARTS.items():
        share = times[part] / total
        mean = times[part].sum() / total.sum()
        axis.bar(run.epochs["epoch"], share, bottom=bottom, width=1 if len(total) > 1 else 0.4,
                 color=color, label=f"{part} {100 * mean:.1f}%")
        bottom += share
    axis.set_ylim(0, 1)
    axis.yaxis.set_major_formatter(PercentFormatter(1))
    axis.set_title("Share of the time (mean over ranks)")
    handles, labels = axis.get_legend_handles_labels()
    axis.legend(handles[::-1], labels[::-1], loc="center left", bbox_to_anchor=(1, 0.5),
                handlelength=1)


def draw_curves(run, path):
    figure, axes = plt.subplots(2, 2, figsize=(9.6, 6.2), layout="constrained")
    loss, psnr, ssim, times = axes.flat
    draw_loss(loss, run)
    draw_psnr(psnr, run)
    draw_line(ssim, run, "ssim", "SSIM", BLUE)
    ssim.set_title("SSIM of the test images")
    draw_times(times, run)

    first, last = run.epochs["epoch"][[0, -1]]
    switched = len(phases(run)) == 2
    margin = 0.5 + 0.01 * (last - first)
    for axis in axes.flat:
        axis.set_xlim(first - margin, last + margin)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if switched:
            axis.axvline(run.pretrain_epochs + 0.5, color="#888888", linewidth=1,
                         linestyle=(0, (4, 3)))
    for axis in axes[1]:
        axis.set_xlabel("epoch")
    text = f"{last} epoch{'s' if last > 1 else ''}, {run.workers}"
    if switched:
        text += f"; dashed: after {run.pretrain_epochs} epochs of pretraining"
    figure.suptitle(text, fontsize=10, x=0.01, ha="left")
    figure.savefig(path)
    plt.close(figure)


def draw_levels(run, path):
    """The newest figures of the test images over the levels of noise that they are evaluated at."""
    name = "level" if len(set(run.levels["level"])) > 1 else "sigma"
    level, kind = run.levels[name], run.config["noise.kind"]
    order = np.argsort(level, kind="stable")
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 3.4), layout="constrained")
    for axis, figures, title in zip(axes, ("psnr_db", "ssim"), ("PSNR (dB)", "SSIM")):
        axis.plot(level[order], run.levels[figures][-1][order], color=BLUE, linewidth=1.5,
                  marker="o", markersize=3)
        axis.set_title(f"{title} of the test images")
        axis.set_xlabel(f"{kind} noise" if name == "level" else "sigma")
    figure.suptitle(f"After epoch {run.levels['epoch'][-1]}", fontsize=10, x=0.01, ha="left")
    figure.savefig(path)
    plt.close(figure)


def draw(run, out):
    """Draws into the folder `out`; yields the path of each figure."""
    for name, gallery in run.galleries.items():
        path = out / f"reconstructions{name}.png"
        draw_reconstructions(run, gallery, path)
        yield path
    draw_curves(run, out / "curves.png")
    yield out / "curves.png"
    if len(run.levels.get("level", ())) > 1 and len(run.levels["epoch"]) > 0:
        draw_levels(run, out / "levels.png")
        yield out / "levels.png"
