"""jobs/scaling.sh in its smallest form: its file explains itself and holds what it promises, and
the figures can be drawn from it. Times aren't judged."""
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import support

SCRIPT = support.ROOT / "jobs" / "scaling.sh"
BENCH = Path(support.PROGRAM).with_name("ae_bench")
BATCH, ROUNDS, LAYOUTS = 20, 1, ["1x1", "1x2", "2x1"]

SCALARS = ["time_begin", "time_end", "hosts", "processor", "cores", "version", "revision", "mpi",
           "compiler", "flags", "kernel_path", "network", "multiply_adds_per_image",
           "message_bytes", "launch", "job_id", "batch"]
RATES = ["images_per_s", "speedup", "efficiency", "own_images_per_s", "own_efficiency",
         "peak_multiply_adds_per_s", "peak_speedup", "fraction_of_peak", "peak_efficiency",
         "allreduce_s"]
ROUND, LAYOUT, RANK = ("round",), ("layout",), ("rank",)
SCALING = {"round": ROUND, "rank": RANK,
           **{name: LAYOUT for name in ("layout", "ranks", "threads", "workers", "batch")},
           **{name: LAYOUT + ROUND for name in RATES},
           **{f"rank_{name}": LAYOUT + ROUND + RANK
              for name in ("own_images_per_s", "peak_multiply_adds_per_s")}}
KERNEL, WORK, ARRAY = ("kernel",), ("work",), ("array",)
GROUPS = {
    "provenance": {name: () for name in SCALARS},
    "strong": SCALING,
    "weak": SCALING,
    "kernels": {"round": ROUND, "peak_multiply_adds_per_s": ROUND,
                **{name: KERNEL for name in ("kernel", "multiply_adds", "bytes", "intensity")},
                **{name: KERNEL + ROUND
                   for name in ("seconds", "multiply_adds_per_s", "percent_of_peak")}},
    "elementwise": {"round": ROUND, "work": WORK, "values": WORK,
                    "seconds": WORK + ROUND, "seconds_per_value": WORK + ROUND},
    "memory": {"round": ROUND, "array": ARRAY, "bytes": ARRAY, "bytes_per_s": ARRAY + ROUND},
}


def run_script(out, expect=0, **variables):
    launch = f"{support.MPIEXEC} -np $ranks --bind-to none"
    env = support.environment(None, variables={
        "AE_BENCH": str(BENCH), "PYTHON": sys.executable, "OUT": str(out), "CORES": "2",
        "ROUNDS": str(ROUNDS), "BATCH": str(BATCH), "BENCH_FLAGS": "--rounds 1", "LAUNCH": launch,
        **variables})
    done = subprocess.run(["sh", SCRIPT], cwd=out, env=env, text=True, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=100)
    assert done.returncode == expect, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The folder of a study, and what the script said."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    out = tmp_path_factory.mktemp("scaling")
    return out, run_script(out).stdout


@pytest.fixture(scope="module")
def file(study):
    with h5py.File(study[0] / "scaling.h5", "r") as file:
        yield file


def test_what_is_left(study):
    out, said = study
    assert sorted(os.listdir(out)) == ["figures", "scaling.h5"]
    for name in ("scaling.png", "roofline.png"):
        assert (out / "figures" / name).read_bytes().startswith(b"\x89PNG")
        assert said.count(str(out / "figures" / name)) == 1
    # One worker's strong and weak scaling are the same measurement.
    assert said.count(f"round 1 of {ROUNDS}  step of") == 2 * len(LAYOUTS) - 1


def test_paths_and_attributes(file):
    assert {group: set(file[group]) for group in file} == \
        {group: set(names) for group, names in GROUPS.items()}
    support.assert_explains_itself(file)
    for name in ("title", "description", "program"):
        assert file.attrs[name].strip()
    assert file.attrs["format"] == "ae_dist scaling" and file.attrs["format_version"] == 1
    for group in file.values():
        assert group.attrs["description"].strip()


@pytest.mark.parametrize("group", GROUPS)
def test_xarray_opens_every_group(study, group):
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    pytest.importorskip("h5netcdf", reason="h5netcdf is not installed")
    with xarray.open_dataset(study[0] / "scaling.h5", group=group, engine="h5netcdf") as data:
        assert {name: item.dims for name, item in data.variables.items()} == GROUPS[group]
        if group == "weak":
            assert data["batch"].sel(layout="2x1").item() == 2 * BATCH


def test_layouts(file):
    for kind, batches in (("strong", [BATCH] * 3), ("weak", [BATCH, 2 * BATCH, 2 * BATCH])):
        group = file[kind]
        assert support.text_column(group["layout"]) == LAYOUTS
        assert group["ranks"][()].tolist() == [1, 1, 2]
        assert group["threads"][()].tolist() == [1, 2, 1]
        assert group["workers"][()].tolist() == [1, 2, 2]
        assert group["batch"][()].tolist() == batches
        there = np.isfinite(group["rank_own_images_per_s"][:, 0])
        assert there.tolist() == [[True, False], [True, False], [True, True]]


def test_figures_follow_from_one_another(file):
    for kind in ("strong", "weak"):
        columns = {name: file[kind][name][()] for name in SCALING if name != "layout"}
        assert min(columns[name].min() for name in RATES) > 0
        alone = columns["images_per_s"][0]
        assert np.allclose(columns["speedup"], columns["images_per_s"] / alone)
        assert np.allclose(columns["efficiency"],
                           columns["speedup"] / columns["workers"][:, None])
        for name in ("own_images_per_s", "peak_multiply_adds_per_s"):
            assert np.allclose(columns[name], np.nansum(columns[f"rank_{name}"], axis=-1))
    # The work of an image is that of its kernels.
    names = support.text_column(file["kernels/kernel"])
    work = dict(zip(names, file["kernels/multiply_adds"][()]))
    total = file["provenance/multiply_adds_per_image"][()]
    assert work.pop("all kernels of an image") == work.pop("image, noise to fixed point") == total
    assert sum(work.values()) == total and len(work) == 11
    shares = file["kernels/percent_of_peak"][()] / 100 * \
        file["kernels/peak_multiply_adds_per_s"][()]
    assert np.allclose(shares, file["kernels/multiply_adds_per_s"][()])


def test_provenance(file):
    found = {name: item[()] for name, item in file["provenance"].items()}
    assert found["batch"] == BATCH and found["message_bytes"] == 8 * (1611 + 6)
    version = support.run(Path.cwd(), "--version", ranks=None).stdout
    for name in ("version", "revision", "mpi", "compiler", "flags", "kernel_path"):
        assert found[name].decode() in version, name
    assert found["launch"].decode().endswith("-np $ranks --bind-to none")
    assert found["hosts"].decode().endswith(":2") and found["job_id"] == b""
    assert found["time_begin"] <= found["time_end"]


@pytest.mark.parametrize("name, value", [("CORES", "0"), ("ROUNDS", "two"), ("BATCH", "-5"),
                                         ("MAX_RANKS", "1.5")])
def test_refused(tmp_path, name, value):
    done = run_script(tmp_path, expect=2, **{name: value})
    assert done.stderr == f"scaling.sh: {name}={value}; it can be a whole number from 1\n"
    assert os.listdir(tmp_path) == []


def test_a_launcher_that_fails(tmp_path):
    done = run_script(tmp_path, expect=1, LAUNCH="false $ranks")
    assert done.stderr.count("== this failed: false ") == 1
    assert os.listdir(tmp_path) == []


def test_a_launcher_that_forgets_a_failure(tmp_path):
    """It returns 0 and nothing was measured."""
    done = run_script(tmp_path, expect=1, LAUNCH="true", CORES="1")
    assert "this failed: true" in done.stderr
    assert os.listdir(tmp_path) == []
