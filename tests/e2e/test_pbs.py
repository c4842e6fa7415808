"""jobs/train.pbs with stand-ins for PBS's commands that behave as OpenPBS's do."""
import json
import os
import signal
import subprocess

import pytest

from support import (DONE, PROGRAM, ROOT, STOPPED, TIMEOUT_S, USAGE, differences, environment,
                     numbers, run, write_config)

CORES = min(2, os.cpu_count())
KILLED = 128 + signal.SIGKILL

# Longer than the first start has, with the slow kernels.
RUN = {"data.train_images": 200, "data.test_images": 10, "train.epochs": 10}

# Attributes of a job as qstat -f prints them, long lines wrapped.
QSTAT = """#!/bin/sh
[ "$1" = -f ] && [ "$2" = "$PBS_JOBID" ] || exit 1
cat <<END
Job Id: $2
    Job_Name = $PBS_JOBNAME
    Resource_List.ncpus = {ncpus}
    Resource_List.place = free
    Resource_List.select = 1:ncpus={ncpus}:mpiprocs=1:mem=
	1gb
    Resource_List.walltime = {walltime}
    Variable_List = PBS_O_HOME=/,Resource_List.select = 7
END
"""

# Writes down its arguments, and the values of the variables that -v names, which must be there.
QSUB = """#!/usr/bin/env python3
import json, os, sys
names = sys.argv[sys.argv.index("-v") + 1].split(",")
missing = [name for name in names if name not in os.environ]
if missing or os.path.exists("qsub_is_refused"):
    sys.exit(f"qsub: cannot send environment with the job: {missing}")
values = {name: os.environ[name] for name in names}
json.dump([sys.argv[1:], values], open("submitted.json", "w"))
"""


def pbs_run(folder, job, ncpus=1, walltime="01:00:00", **variables):
    """Runs the script as PBS would run it as a job of one rank; returns its exit code."""
    commands = folder / "bin"
    commands.mkdir(exist_ok=True)
    for name, text in (("qstat", QSTAT.format(ncpus=ncpus, walltime=walltime)), ("qsub", QSUB)):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    if not (folder / "jobs").exists():
        (folder / "jobs").symlink_to(ROOT / "jobs")
    (folder / "nodes").write_text("localhost\n")
    env = environment(threads=None, variables={
        "PBS_JOBID": job, "PBS_JOBNAME": "ae_dist", "PBS_O_WORKDIR": str(folder),
        "PBS_O_PATH": str(commands), "PBS_O_QUEUE": "workq", "PBS_NODEFILE": str(folder / "nodes"),
        "AE_DIST": PROGRAM, **variables})
    return subprocess.run(["bash", ROOT / "jobs" / "train.pbs"], env=env, cwd="/",
                          stdin=subprocess.DEVNULL, timeout=TIMEOUT_S).returncode


def submitted(folder):
    """Arguments and variables of the job that was submitted, None where there is none."""
    path = folder / "submitted.json"
    if not path.exists():
        return None
    found = json.loads(path.read_text())
    path.unlink()
    return found


def output(folder, job):
    return (folder / f"ae_dist-{job}.out").read_text()


def test_stops_in_time_and_goes_on(tmp_path):
    """As in any PBS job, what isn't named in -v isn't there in the next: the slow kernels."""
    config = write_config(tmp_path, RUN)
    job = {"CONFIG": config, "OPTIONS": "--set run.seed=3"}
    code = pbs_run(tmp_path, "1.pbs", CORES, "00:02:03", AE_KERNELS="ref", **job)
    assert code == STOPPED, output(tmp_path, "1.pbs")
    arguments, variables = submitted(tmp_path)
    assert arguments == [
        "-N", "ae_dist", "-W", "depend=afterany:1.pbs",
        "-v", "CONFIG,OPTIONS,AE_DIST,RESTARTS,FIRST_JOB,START", "-l", "walltime=00:02:03",
        "-l", f"select=1:ncpus={CORES}:mpiprocs=1:mem=1gb", "-l", "place=free", "-q", "workq",
        "jobs/train.pbs"]
    assert variables.items() >= job.items()
    assert pbs_run(tmp_path, "2.pbs", CORES, **variables) == DONE, output(tmp_path, "1.pbs")
    assert submitted(tmp_path) is None
    assert not (tmp_path / "ae_dist-2.pbs.out").exists()
    said = output(tmp_path, "1.pbs")
    assert said.count("start 1:") == said.count("start 2:") == 1
    assert said.count(f"workers  1 rank x {CORES} thread") == 2
    run(tmp_path, config, "--set", "run.seed=3", "--set", "run.dir=undisturbed")
    assert differences(numbers(tmp_path / "run"), numbers(tmp_path / "undisturbed")) == []
    run(tmp_path, config, "--set", "run.dir=other")
    assert differences(numbers(tmp_path / "run"), numbers(tmp_path / "other")) != []


def test_walltime_is_heeded_in_any_form(tmp_path):
    """Seconds alone; and a walltime shorter than the two minutes, which stops at once."""
    for job, walltime in enumerate(["123", "00:00:30"]):
        config = write_config(tmp_path, {**RUN, "run.dir": f"run{job}"})
        code = pbs_run(tmp_path, f"{job}.pbs", walltime=walltime, CONFIG=config, AE_KERNELS="ref")
        assert code == STOPPED, output(tmp_path, f"{job}.pbs")
        assert submitted(tmp_path) is not None


@pytest.mark.parametrize("restarts", ["1", "0"])
def test_killed_job_is_submitted_again(tmp_path, restarts):
    program = tmp_path / "fails"
    program.write_text("#!/bin/sh\nkill -KILL $$\n")
    program.chmod(0o755)
    code = pbs_run(tmp_path, "1.pbs", CONFIG=write_config(tmp_path), AE_DIST=str(program),
                   RESTARTS=restarts)
    assert code == KILLED, output(tmp_path, "1.pbs")
    assert (submitted(tmp_path) is None) == (restarts == "0")
    assert ("not submitted again" in output(tmp_path, "1.pbs")) == (restarts == "0")


def test_launcher_that_hangs(tmp_path):
    """It is ended while there is time to submit the job again."""
    (tmp_path / "bin").mkdir()
    launcher = tmp_path / "bin" / "mpirun"
    launcher.write_text("#!/bin/sh\nexec sleep 1000\n")
    launcher.chmod(0o755)
    code = pbs_run(tmp_path, "1.pbs", walltime="00:00:04", CONFIG=write_config(tmp_path),
                   PATH=f"{launcher.parent}:{os.environ['PATH']}")
    assert code == KILLED, output(tmp_path, "1.pbs")
    assert submitted(tmp_path) is not None


def test_refused_submission_is_told(tmp_path):
    (tmp_path / "qsub_is_refused").touch()
    config = write_config(tmp_path, RUN)
    code = pbs_run(tmp_path, "1.pbs", walltime="00:02:02", CONFIG=config, AE_KERNELS="ref")
    assert code == STOPPED
    assert "not submitted again: the same qsub command goes on" in output(tmp_path, "1.pbs")


def test_wrong_configuration_is_not_submitted_again(tmp_path):
    assert pbs_run(tmp_path, "1.pbs", CONFIG="nowhere.ini") == USAGE
    assert "can't read the configuration CONFIG='nowhere.ini'" in output(tmp_path, "1.pbs")
    (tmp_path / "wrong.ini").write_text("[run]\nno_such_key = 1\n")
    assert pbs_run(tmp_path, "2.pbs", CONFIG="wrong.ini") == USAGE
    assert submitted(tmp_path) is None
