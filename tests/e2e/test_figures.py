"""analysis/figures.py draws from a run's folder or file, and says what it can't read. Those of a
scaling study are in test_scaling.py."""
import subprocess
import sys

import h5py
import pytest
import support

SCRIPT = support.ROOT / "analysis" / "figures.py"


@pytest.fixture(autouse=True)
def needs_matplotlib():
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")


def draw(folder, *arguments, expect=0):
    done = subprocess.run([sys.executable, SCRIPT, *arguments], cwd=folder, text=True,
                          capture_output=True, timeout=100)
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def test_figures_of_a_run(tmp_path):
    support.run(tmp_path, support.write_config(tmp_path), ranks=None)
    for arguments, out in ((["run"], "run/figures"), (["run/results.h5", "--out", "a/b"], "a/b")):
        drawn = draw(tmp_path, *arguments).stdout.split()
        assert drawn == [f"{out}/reconstructions.png", f"{out}/curves.png"]
        for path in drawn:
            assert (tmp_path / path).read_bytes().startswith(b"\x89PNG")


def test_figures_of_several_levels(tmp_path):
    """Once there are figures of an epoch after pretraining."""
    for epochs, levels in ((0, []), (1, ["run/figures/levels.png"])):
        support.run(tmp_path, support.write_config(tmp_path, {
            "noise.test_sigma": "0.2 0.1 0.3", "train.epochs": epochs}), ranks=None)
        assert draw(tmp_path, "run").stdout.split()[2:] == levels


def test_nothing_there(tmp_path):
    (tmp_path / "run").mkdir()
    for argument in ("run", "run/results.h5"):
        assert draw(tmp_path, argument, expect=1).stderr == (
            "figures.py: run/results.h5 is not there; give a run's folder, as in runs/quickstart\n")


def test_another_program_s_file(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["format"] = "another"
    (tmp_path / "text.h5").write_text("not HDF5")
    told = draw(tmp_path, "other.h5", expect=1).stderr
    assert told.count("neither a results file of ae_dist nor one of jobs/scaling.sh") == 1
    told = draw(tmp_path, "text.h5", expect=1).stderr
    assert told.startswith("figures.py: can't read text.h5: ") and told.count("\n") == 1


def test_a_figure_that_is_not_there_is_not_named(tmp_path):
    """A disk that takes the bytes and keeps none."""
    support.run(tmp_path, support.write_config(tmp_path), ranks=None)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "reconstructions.png").symlink_to("/dev/null")
    done = draw(tmp_path, "run", "--out", "out", expect=1)
    assert done.stdout == "" and "can't write to out" in done.stderr
