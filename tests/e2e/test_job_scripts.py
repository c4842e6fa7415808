"""Scripts in jobs/ without a cluster: what a user says holds, or is refused."""
import os
import shutil
import subprocess

import pytest

from support import DONE, PROGRAM, ROOT, USAGE, environment, write_config


def job(folder, script, *arguments, **variables):
    """Runs a Slurm script as Slurm would run it, on one rank; returns its exit code and output."""
    if not (folder / "jobs").exists():
        (folder / "jobs").symlink_to(ROOT / "jobs")
    (folder / "mpirun").write_text('#!/bin/sh\nwhile [ "$1" != "$AE_DIST" ]; do shift; done\n'
                                   'exec "$@"\n')
    (folder / "mpirun").chmod(0o755)
    env = environment(threads=None, variables={
        "AE_DIST": PROGRAM, "LAUNCHER": "mpirun", "SLURM_JOB_ID": "1", "SLURM_JOB_END_TIME": "9999999999",
        "PATH": f"{folder}:{os.environ['PATH']}", **variables})
    done = subprocess.run(["bash", ROOT / "jobs" / script, *arguments], cwd=folder, env=env,
                          text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=100, check=False)
    return done.returncode, done.stdout


def task(folder, number, *arguments, **variables):
    return job(folder, "array.sbatch", *arguments, SLURM_ARRAY_TASK_ID=str(number), **variables)


@pytest.mark.parametrize("words, base", [
    (["--set", "run.dir=first", "--set=run.dir=my own/base"], "my own/base"),
    (["--set=run.dir=first", "--set", "run.dir=other"], "other"), ([], "runs"),
    (["--set", "run.dir = my own"], "my own"), (["--set", "run.dir='Run #3'"], "Run #3"),
    (["--set", 'run.dir="$HOME/x #3"'], f"{os.environ.get('HOME')}/x #3")])
def test_array_in_a_folder_of_ones_own(tmp_path, words, base):
    """--set run.dir= in either form is where the tasks' folders lie."""
    code, said = task(tmp_path, 1, "noise.sigma=0.05,0.2", write_config(tmp_path),
                      "--print-config", *words)
    assert code == DONE, said
    assert "sigma = 0.2\n" in said
    assert f"{base}/small-sigma-0.2" in said, said


def test_array_over_values_with_commas(tmp_path):
    layers = ["conv 4 3 relu, tconv 3 3 sigmoid", "conv 8 3 relu, tconv 3 3 sigmoid"]
    folders = []
    for number, value in enumerate(layers):
        code, said = task(tmp_path, number, f"model.layers={';'.join(layers)}",
                          write_config(tmp_path), "--print-config", SEPARATOR=";")
        assert code == DONE and f"layers = {value}\n" in said, said
        [folder] = [line for line in said.splitlines() if line.startswith("dir = runs/small-")]
        assert folder.startswith("dir = runs/small-layers-conv_") and " " not in folder[6:]
        folders.append(folder)
    assert len(set(folders)) == 2


@pytest.mark.parametrize("key, word, message", [
    ("noise.sigma=0.1,0.2", "--set=noise.sigma=0.3", "noise.sigma=0.3 fixes what each task"),
    ("noise.sigma=0.1,0.2", "--set= noise.sigma = 0.3", "noise.sigma = 0.3 fixes what each task"),
    ("run.dir=a,b", "--print-config", "each task has a run.dir of its own")])
def test_array_that_contradicts_itself(tmp_path, key, word, message):
    code, said = task(tmp_path, 0, key, write_config(tmp_path), word)
    assert code == USAGE and message in said


@pytest.mark.parametrize("script", ["local.sh", "scaling.sh", "simulate.sh"])
def test_arguments_that_arent_heeded_are_refused(script):
    done = subprocess.run(["sh", ROOT / "jobs" / script, "configs/denoise50.ini"], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == USAGE
    assert done.stderr.startswith(f"{script}: takes no arguments, and was given: configs/denoise50")


def test_threads_that_arent_heeded_are_told(tmp_path):
    said = {threads: job(tmp_path, "train.sbatch", write_config(tmp_path), "--check",
                         SLURM_CPUS_PER_TASK="2", OMP_NUM_THREADS=threads)
            for threads in ("1", "2", "")}
    assert all(code == DONE for code, _ in said.values()), said
    assert "OMP_NUM_THREADS=1 isn't heeded" in said["1"][1]
    assert "isn't heeded" not in said["2"][1] + said[""][1]
    assert all("workers  1 rank x 2 threads" in text for _, text in said.values()), said


def requeued(folder, code, state="RUNNING", **variables):
    """Is a job queued again whose program ends with `code`? Slurm's answers are made up."""
    for name, text in (("ended", f"exit {code}"), ("squeue", f"echo {state}"),
                       ("scontrol", 'echo "$@" >>scontrol.log')):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    log = folder / "scontrol.log"
    log.unlink(missing_ok=True)
    found, said = job(folder, "train.sbatch", write_config(folder), AE_DIST=str(folder / "ended"),
                      **variables)
    assert found == code, said
    assert not log.exists() or log.read_text() == "requeue 1\n"
    return log.exists()


@pytest.mark.parametrize("code", [0, 1, 2, 3, 5, 6, 75, 126, 127, 130, 137, 143, 255])
def test_which_jobs_are_queued_again(tmp_path, code):
    """Those stopped early, stalled, killed or lost; not those done, nor the program's own errors."""
    goes_on = code in (6, 75, 130, 137, 143, 255)
    assert requeued(tmp_path, code) == goes_on
    assert not requeued(tmp_path, code, state="COMPLETING")  # Slurm is ending it


def test_restarts_are_counted(tmp_path):
    assert requeued(tmp_path, 75, RESTARTS="2", SLURM_RESTART_COUNT="1")
    assert not requeued(tmp_path, 75, RESTARTS="2", SLURM_RESTART_COUNT="2")


def test_a_file_error_is_tried_once_more(tmp_path):
    assert [requeued(tmp_path, 4) for _ in range(3)] == [True, False, True]
    assert requeued(tmp_path, 75)  # in between it went well
    assert requeued(tmp_path, 4)


@pytest.mark.parametrize("script, variables, cure", [
    ("train.sbatch", {"SLURM_JOB_ID": "1"}, "as: sbatch jobs/train.sbatch CONFIG"),
    ("train.pbs", {"PBS_JOBID": "1"}, "as: qsub -v CONFIG=FILE jobs/train.pbs")])
def test_script_copied_without_what_belongs_to_it(tmp_path, script, variables, cure):
    """It is refused; but not in the top folder, or with that beside it."""
    def start(folder):
        return subprocess.run(["bash", copy], cwd=folder, text=True, capture_output=True, check=False,
                              stdin=subprocess.DEVNULL, env={**os.environ, **variables})

    copy = shutil.copy(ROOT / "jobs" / script, tmp_path)
    done = start(tmp_path)
    assert done.returncode == USAGE and done.stdout == ""
    assert done.stderr.startswith(f"{script}: batch.sh, which belongs beside it, isn't there")
    assert done.stderr.endswith(f"{cure}\n") and done.stderr.count("\n") == 1

    (top := tmp_path / "top").mkdir()
    (top / "jobs").symlink_to(ROOT / "jobs")
    shutil.copy(ROOT / "jobs" / "batch.sh", tmp_path)
    for folder in (top, tmp_path):  # now it misses but the configuration
        done = start(folder)
        said = done.stderr + "".join(path.read_text() for path in folder.glob("ae_dist-1.out"))
        assert done.returncode == USAGE and "onfiguration" in said and "batch.sh" not in said
