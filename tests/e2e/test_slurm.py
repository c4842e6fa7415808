"""jobs/train.sbatch on a real Slurm of one node, which slurm.sh brings up for these tests."""
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import h5py
import pytest

from support import (DONE, PROGRAM, ROOT, STOPPED, USAGE, checkpoints, environment, text_column,
                     write_config)

SCRIPT = ROOT / "jobs" / "train.sbatch"
SLURM_SH = Path(__file__).with_name("slurm.sh")
TOOLS = "munged mungekey slurmctld slurmd sbatch srun scancel scontrol sinfo".split()
SBIN = "/usr/sbin:/sbin"
LIFE_S = 300  # of the daemons, should nobody end them
TIMEOUT_S = 40  # of a job
ENDED = "COMPLETED FAILED CANCELLED TIMEOUT NODE_FAIL".split()
CPUS = max(4, os.cpu_count())  # as Slurm believes

# Long enough to be stopped on the way.
RUN = {"data.train_images": 500, "data.test_images": 10, "train.pretrain_epochs": 2,
       "train.epochs": 18, "output.reconstruction_epochs": 10, "output.keep": 100}


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [str(s.getsockname()[1]) for s in sockets]
    for s in sockets:
        s.close()
    return ports


def why_not():
    """Why there can be no Slurm here, or None."""
    if os.geteuid() != 0:
        return "a Slurm of the tests' own needs root"
    missing = [tool for tool in TOOLS if not shutil.which(tool, path=f"{os.environ['PATH']}:{SBIN}")]
    return f"{', '.join(missing)} missing: install slurmctld, slurmd, munge" if missing else None


class Slurm:
    """Clients of the tests' Slurm."""

    def __init__(self, folder):
        self.env = {name: value for name, value in environment(threads=None).items()
                    if not name.startswith(("SLURM_", "SBATCH_"))}
        self.env.update(SLURM_CONF=str(folder / "slurm.conf"), AE_DIST=PROGRAM,
                        OMP_WAIT_POLICY="passive")  # more threads than cores

    def call(self, *command, cwd=None, **variables):
        return subprocess.run(command, cwd=cwd, env={**self.env, **variables}, text=True, check=True,
                              stdin=subprocess.DEVNULL, capture_output=True).stdout.strip()

    def submit(self, folder, *arguments, ranks=2, threads=1, options=(), launcher="srun"):
        return self.call("sbatch", "--parsable", f"--ntasks-per-node={ranks}", f"-c{threads}",
                         *options, str(SCRIPT), *arguments, cwd=folder, LAUNCHER=launcher)

    def show(self, job):
        """What Slurm knows of a job, by field."""
        words = self.call("scontrol", "--oneliner", "show", "job", job).split()
        return dict(word.partition("=")[::2] for word in words)

    def wait(self, job, *states):
        """Waits for one of the states; returns it and the exit code."""
        end = time.monotonic() + TIMEOUT_S
        while (known := self.show(job))["JobState"] not in states:
            assert time.monotonic() < end, f"job {job} isn't {states} in {TIMEOUT_S} s: {known}"
            time.sleep(0.1)
        return known["JobState"], int(known["ExitCode"].split(":")[0])

    def wait_end(self, job):
        return self.wait(job, *ENDED)

    def wait_text(self, folder, job, text):
        """Waits for a running job to say `text`."""
        end = time.monotonic() + TIMEOUT_S
        while text not in output(folder, job):
            assert time.monotonic() < end and self.show(job)["JobState"] not in ENDED, (
                f"no '{text}' in: {output(folder, job)}")
            time.sleep(0.05)


def output(folder, job):
    path = folder / f"ae_dist-{job}.out"
    return path.read_text() if path.exists() else ""


def last_hash(folder):
    with h5py.File(folder / "run" / "results.h5") as file:
        assert file["epochs/epoch"][-1] == 20
        return text_column(file["epochs/parameters_hash"])[-1]


def starts(folder, column):
    with h5py.File(folder / "run" / "results.h5") as file:
        values = file["provenance"][column]
        return text_column(values) if values.dtype.kind == "O" else values[()].tolist()


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    reason = why_not()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("slurm") / "d"
    try:
        up = subprocess.run(["sh", SLURM_SH, "up", folder, str(CPUS), *free_ports(2), str(LIFE_S)],
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if up.returncode != 0:
            pytest.skip(f"Slurm doesn't come up here: {up.stdout[-2000:]}")
        yield Slurm(folder)
    finally:
        subprocess.run(["sh", SLURM_SH, "down", folder], check=True)


@pytest.fixture(scope="module")
def undisturbed(slurm, tmp_path_factory):
    """The folder of a job that nobody stopped, and the job."""
    folder = tmp_path_factory.mktemp("undisturbed")
    job = slurm.submit(folder, write_config(folder, RUN), ranks=2, threads=2)
    assert slurm.wait_end(job) == ("COMPLETED", DONE), output(folder, job)
    return folder, job


def test_layout_is_the_allocations(undisturbed):
    folder, job = undisturbed
    assert starts(folder, "ranks") == [2]
    assert starts(folder, "threads") == [4]
    assert starts(folder, "job_id") == [job]


def test_stopped_job_is_queued_again(slurm, undisturbed, tmp_path):
    job = slurm.submit(tmp_path, write_config(tmp_path, RUN))
    slurm.wait_text(tmp_path, job, "epoch  2/20")
    slurm.call("scancel", "--batch", "--signal=USR1", job)
    slurm.wait(job, "PENDING")
    assert slurm.show(job)["Restarts"] == "1"
    assert len(checkpoints(tmp_path / "run")) >= 2
    slurm.call("scontrol", "update", f"JobId={job}", "StartTime=now+3")  # sooner is refused
    assert slurm.wait_end(job) == ("COMPLETED", DONE), output(tmp_path, job)
    assert last_hash(tmp_path) == last_hash(undisturbed[0])
    assert starts(tmp_path, "job_id") == [job, job]
    assert starts(tmp_path, "from_epoch")[1] >= 2
    assert output(tmp_path, job).count("start 1:") == output(tmp_path, job).count("start 2:") == 1


def test_mpirun_and_submitting_again(slurm, undisturbed, tmp_path):
    ranks = min(2, os.cpu_count())  # mpirun binds to cores that are there
    config = write_config(tmp_path, RUN)
    how = {"launcher": "mpirun", "options": ["--no-requeue"]}
    job = slurm.submit(tmp_path, config, ranks=ranks, **how)
    slurm.wait_text(tmp_path, job, "epoch  2/20")
    slurm.call("scancel", "--batch", "--signal=USR1", job)
    assert slurm.wait_end(job) == ("FAILED", STOPPED), output(tmp_path, job)
    assert "the same sbatch command goes on" in output(tmp_path, job)
    again = slurm.submit(tmp_path, config, ranks=1, **how)
    assert slurm.wait_end(again) == ("COMPLETED", DONE), output(tmp_path, again)
    assert last_hash(tmp_path) == last_hash(undisturbed[0])
    assert starts(tmp_path, "job_id") == [job, again]
    assert starts(tmp_path, "ranks") == [ranks, 1]


def test_arguments_are_passed_on(slurm, tmp_path):
    job = slurm.submit(tmp_path, write_config(tmp_path), "--check", "--set", "run.dir=elsewhere")
    assert slurm.wait_end(job) == ("COMPLETED", DONE), output(tmp_path, job)
    assert "elsewhere" in output(tmp_path, job)


@pytest.mark.parametrize("arguments, message", [
    ([], "no configuration given"),
    (["nowhere.ini"], "can't read the configuration nowhere.ini"),
])
def test_configuration_missing(slurm, tmp_path, arguments, message):
    job = slurm.submit(tmp_path, *arguments)
    assert slurm.wait_end(job) == ("FAILED", USAGE)
    assert message in output(tmp_path, job)
