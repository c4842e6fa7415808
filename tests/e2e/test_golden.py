"""Numbers that are pinned: what a small run of every part comes to, for each version of the contract;
the learning rates, calculated here again; and that noise differs from epoch to epoch, from image
to image, and from training to tests.

Where a test of values fails after a change of the numbers that is meant: raise AE_CONTRACT_VERSION,
and give the new version its entry in GOLDEN (the failing test shows it).
"""
import math
import subprocess
import sys

import h5py
import pytest
import support
from support import run, write_config

# A run that uses what there is: both phases, noise of all three kinds, a short batch, warm-up, a
# schedule, weight decay, clipping.
OPTIONS = {
    "run.seed": 12345678901234,
    "data.train_images": 70,
    "train.batch": 24,
    "train.epochs": 2,
    "train.validation_images": 9,
    "optimizer.lr": 0.01,
    "optimizer.weight_decay": 0.001,
    "optimizer.clip_norm": 0.05,
    "schedule.name": "cosine",
    "schedule.warmup_steps": 2,
    "schedule.min_lr": 0.001,
}
COLUMNS = ["train_loss", "validation_loss", "test_loss", "psnr_db", "psnr_pooled_db", "ssim",
           "psnr_first10_db", "ssim_first10_range2", "learning_rate"]
GOLDEN = {
    2: {
        "parameters_hash": ["0ce6d2e26d0f312e48e7b8d92ff4fc52",
                           "d9e8a2805688fc7a81f1539144a33a96",
                           "b847e6f42398bd77cecfe3d887fd9c9f"],
        "train_loss": ["0x1.a25c35fe3ac11p-5", "0x1.7a3a6cac7b476p-5", "0x1.49007507e2193p-5"],
        "validation_loss": ["0x1.c8dbccb1b5555p-5", "0x1.91e66af48aaabp-5", "0x1.80fa493f60000p-5"],
        "test_loss": ["0x1.77521ad623333p-5", "0x1.3b685f9f3999ap-5", "0x1.20af93066e666p-5"],
        "psnr_db": ["0x1.c65b6cdb7199ap+3", "0x1.dbecca6b9cccdp+3", "0x1.e4f1f60d9e666p+3"],
        "psnr_pooled_db": ["0x1.ac79d922d22eep+3", "0x1.c4a54907fb29bp+3", "0x1.d0f2d96d89334p+3"],
        "ssim": ["0x1.a5dd9b4866666p-3", "0x1.28d8cf83ccccdp-2", "0x1.59c13819ccccdp-2"],
        "psnr_first10_db": ["0x1.be508304f999ap+3", "0x1.d5c7198fa999ap+3", "0x1.e32d2edf2999ap+3"],
        "ssim_first10_range2": ["0x1.66eca6c600000p-2",
                               "0x1.ad38fa2e66666p-2",
                               "0x1.d3942d6666666p-2"],
        "learning_rate": ["0x1.47ae147ae147cp-7", "0x1.aa1274bb280cdp-8", "0x1.7af743b5a8f60p-10"],
    },
}


def epochs_of(folder, *columns):
    """The columns of a run's epochs, as lists."""
    with h5py.File(folder / "run" / "results.h5", "r") as file:
        return [file["epochs"][column][()].tolist() for column in columns]


def pinned(folder):
    """The contract's version, and what is pinned of a run."""
    with h5py.File(support.checkpoints(folder / "run")[-1], "r") as file:
        version = int(file["contract"].attrs["version"])
    with h5py.File(folder / "run" / "results.h5", "r") as file:
        hashes = support.text_column(file["epochs/parameters_hash"])
    values = epochs_of(folder, *COLUMNS)
    return version, {"parameters_hash": hashes,
                     **{name: [value.hex() for value in column]
                        for name, column in zip(COLUMNS, values)}}


@pytest.mark.parametrize("kernels", support.KERNELS)
def test_a_run_keeps_its_numbers(tmp_path, kernels):
    described = run(tmp_path, "--version", ranks=None, kernels=kernels).stdout
    if f"kernels   {kernels}\n" not in described:
        pytest.skip(f"this processor or build has no {kernels} kernels")
    run(tmp_path, write_config(tmp_path, OPTIONS), kernels=kernels)
    version, found = pinned(tmp_path)
    assert found == GOLDEN.get(version), f"version {version} of the contract: {found}"


def test_the_reference_network_keeps_its_hash(tmp_path):
    """What it came to in the first version, on some thousand pictures, through both phases."""
    done = run(tmp_path, write_config(tmp_path, {
        "data.train_images": 5000, "data.test_images": 1000, "train.pretrain_epochs": 4,
        "train.epochs": 8, "train.batch": 20, "noise.sigma": 0.1, "optimizer.lr": 0.002}))
    assert done.hash == "36b8cbdac8b5bcb9bb2eaf66047d7fe1"


def test_golden_numbers_are_those_of_the_script(tmp_path):
    """tests/fixtures/golden.h, which tests/unit/test_golden.c holds the program to."""
    pytest.importorskip("mpmath")
    fixtures = support.ROOT / "tests" / "fixtures"
    subprocess.run([sys.executable, fixtures / "make_golden.py", tmp_path / "golden.h"], check=True)
    made, kept = [path.read_text().split() for path in (tmp_path / "golden.h", fixtures / "golden.h")]
    assert "".join(made).replace(",}", "}") == "".join(kept).replace(",}", "}")


# ---- learning rates ----

STEPS, EPOCHS = 4, 5  # 80 images, 20 a batch

SCHEDULES = {
    "constant": ({}, lambda step: 1),
    "step": ({"schedule.name": "step", "schedule.step_epochs": 2, "schedule.step_factor": 0.5},
             lambda step: 0.5 ** (step // STEPS // 2)),
    "step every epoch": ({"schedule.name": "step", "schedule.step_epochs": 1,
                          "schedule.step_factor": 0.3}, lambda step: 0.3 ** (step // STEPS)),
    "cosine": ({"schedule.name": "cosine"},
               lambda step: (1 + math.cos(math.pi * step / (STEPS * EPOCHS))) / 2),
    "warm-up": ({"schedule.warmup_steps": 10}, lambda step: min((step + 1) / 10, 1)),
    "warm-up, cosine": ({"schedule.warmup_steps": 6, "schedule.name": "cosine",
                         "schedule.min_lr": 0.001},
                        lambda step: (step + 1) / 6 if step < 6 else
                        0.1 + 0.9 * (1 + math.cos(math.pi * (step - 6) / (STEPS * EPOCHS - 6))) / 2),
}


def is_schedule(rates, rate):
    """Is each epoch's rate that of its last step? Two ways of rounding differ by a few 2^-53."""
    return len(rates) == EPOCHS and all(
        abs(found - 0.01 * rate(STEPS * (epoch + 1) - 1)) <= 1e-15 * 0.01
        for epoch, found in enumerate(rates))


@pytest.mark.parametrize("name", SCHEDULES)
def test_learning_rates(tmp_path, name):
    options, rate = SCHEDULES[name]
    run(tmp_path, ranks=None, *[write_config(tmp_path, {
        "data.train_images": 80, "train.pretrain_epochs": 2, "train.epochs": EPOCHS - 2,
        "optimizer.lr": 0.01, **options})])
    rates, = epochs_of(tmp_path, "learning_rate")
    assert is_schedule(rates, rate), rates
    if name != "constant":
        assert not is_schedule(rates, lambda step: rate(step + 1))  # a step late is noticed


# ---- noise ----

# Updates too small to change a weight, so that losses differ by what the network is shown alone.
FROZEN = {"optimizer.name": "sgd", "optimizer.lr": 1e-30, "train.pretrain_epochs": 0,
          "train.epochs": 3}


def losses(folder, sigma, images, validation=0):
    """Losses of training, tests and validation by epoch, of CIFAR-10 files whose images are alike;
    each must come to the same where there is no noise."""
    folder.mkdir()
    support.write_cifar10(folder / "cifar")
    for name in support.BATCH_NAMES:
        record = (folder / "cifar" / "data_batch_1.bin").read_bytes()[:support.RECORD_SIZE]
        with open(folder / "cifar" / name, "r+b") as file:
            file.write(4 * record)
    run(folder, ranks=None, *[write_config(folder, {
        **FROZEN, "data.source": "cifar10", "data.dir": "cifar", "data.test_images": 1,
        "data.train_images": images, "train.validation_images": validation,
        "noise.sigma": sigma, "train.batch": 1})])
    return epochs_of(folder, "train_loss", "test_loss", "validation_loss")


def all_differ(values):
    return len(set(values)) == len(values)


def test_an_epochs_noise_is_not_the_next_ones(tmp_path):
    train, test, _ = losses(tmp_path / "clean", 0, 1)
    assert len(set(train)) == 1 and len(set(test)) == 1  # nothing else makes epochs differ
    train, test, _ = losses(tmp_path / "noisy", 0.1, 1)
    assert all_differ(train)
    assert len(set(test)) == 1  # the test images' noise stays


def test_an_images_noise_is_not_anothers(tmp_path):
    for sigma in (0, 0.1):
        one = losses(tmp_path / f"one-{sigma}", sigma, 1)[0]
        two = losses(tmp_path / f"two-{sigma}", sigma, 2)[0]
        assert (one == two) == (sigma == 0)


def test_noise_of_training_tests_and_validation(tmp_path):
    """The same image, of number 0 in training and tests, with seed 0 as theirs: the purpose tells."""
    for sigma in (0, 0.1):
        train, test, validation = losses(tmp_path / f"{sigma}", sigma, 2, validation=1)
        first = [train[0], test[0], validation[0]]
        assert all_differ(first) if sigma else len(set(first)) == 1, first
