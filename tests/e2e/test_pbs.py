"""jobs/train.pbs with stand-ins for PBS's commands that behave as OpenPBS's do."""
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from support import (DONE, FILES, PROGRAM, ROOT, STOPPED, TIMEOUT_S, USAGE, checkpoints,
                     differences, environment, numbers, run, write_config)

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
	1gb{select}
    Resource_List.walltime = {walltime}{more}
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


def pbs_start(folder, job, ncpus=1, walltime="01:00:00", select="", more="", **variables):
    """Starts the script as PBS would start it as a job of one rank: a copy of it."""
    commands = folder / "bin"
    commands.mkdir(exist_ok=True)
    qstat = QSTAT.format(ncpus=ncpus, walltime=walltime, select=select, more=more)
    for name, text in (("qstat", qstat), ("qsub", QSUB)):
        write_program(commands / name, text)
    if not (folder / "jobs").exists():
        (folder / "jobs").symlink_to(ROOT / "jobs")
    (folder / "nodes").write_text("localhost\n")
    env = environment(threads=None, variables={
        "PBS_JOBID": job, "PBS_JOBNAME": "ae_dist", "PBS_O_WORKDIR": str(folder),
        "PBS_O_PATH": str(commands), "PBS_O_QUEUE": "workq", "PBS_NODEFILE": str(folder / "nodes"),
        "AE_DIST": PROGRAM, **variables})
    copy = shutil.copy(ROOT / "jobs" / "train.pbs", commands / f"{job}.SC")
    return subprocess.Popen(["bash", copy], env=env, cwd="/",
                            stdin=subprocess.DEVNULL)


def pbs_run(*arguments, **how):
    """Runs it to its end; returns its exit code."""
    with pbs_start(*arguments, **how) as job:
        return job.wait(TIMEOUT_S)


def write_program(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def launcher(folder, text):
    """A PATH on which mpirun does as the shell's `text` says."""
    (folder / "bin").mkdir(exist_ok=True)
    write_program(folder / "bin" / "mpirun", f"#!/bin/sh\n{text}\n")
    return f"{folder / 'bin'}:{os.environ['PATH']}"


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


def test_options_may_be_quoted(tmp_path):
    config = write_config(tmp_path)
    options = "--set 'run.dir=my run' --set \"train.batch = 30\""
    assert pbs_run(tmp_path, "1.pbs", CONFIG=config, OPTIONS=options) == DONE, \
        output(tmp_path, "1.pbs")
    assert (tmp_path / "my run" / "results.h5").exists()
    assert r"--set run.dir=my\ run --set train.batch\ =\ 30" in output(tmp_path, "1.pbs")
    assert pbs_run(tmp_path, "2.pbs", CONFIG=config, OPTIONS="--set 'run.dir=my run") == 2
    assert "a quote isn't closed" in output(tmp_path, "2.pbs")


def test_walltime_is_heeded_in_any_form(tmp_path):
    """Seconds alone; and a walltime shorter than the two minutes, which stops at once."""
    for job, walltime in enumerate(["123", "00:00:30"]):
        config = write_config(tmp_path, {**RUN, "run.dir": f"run{job}"})
        code = pbs_run(tmp_path, f"{job}.pbs", walltime=walltime, CONFIG=config, AE_KERNELS="ref")
        assert code == STOPPED, output(tmp_path, f"{job}.pbs")
        assert submitted(tmp_path) is not None


@pytest.mark.parametrize("restarts", ["1", "0"])
def test_killed_job_is_submitted_again(tmp_path, restarts):
    program = write_program(tmp_path / "fails", "#!/bin/sh\nkill -KILL $$\n")
    code = pbs_run(tmp_path, "1.pbs", CONFIG=write_config(tmp_path), AE_DIST=program,
                   RESTARTS=restarts)
    assert code == KILLED, output(tmp_path, "1.pbs")
    assert (submitted(tmp_path) is None) == (restarts == "0")
    assert ("not submitted again" in output(tmp_path, "1.pbs")) == (restarts == "0")


def test_launcher_that_hangs(tmp_path):
    """It is ended while there is time to submit the job again."""
    code = pbs_run(tmp_path, "1.pbs", walltime="00:00:04", CONFIG=write_config(tmp_path),
                   PATH=launcher(tmp_path, "exec sleep 1000"))
    assert code == KILLED, output(tmp_path, "1.pbs")
    assert submitted(tmp_path) is not None


@pytest.mark.parametrize("walltime, program_s, launcher_s", [
    ("01:00:00", 3480, "3555"), ("00:02:01", 1, "76"), ("00:01:40", 1, "55"), ("00:01:00", 1, "30"),
    ("7200", 7080, "7155"), ("2:00:00:00", 172680, "172755")])
def test_limits(tmp_path, walltime, program_s, launcher_s):
    """Two minutes before the end the program stops; the launcher has 45 s, or half of the time."""
    path = launcher(tmp_path, 'echo $AE_STOP_TIME >"told"; while [ ! -s slept ]; do :; done')
    write_program(tmp_path / "bin" / "sleep", '#!/bin/sh\necho $1 >"slept"\nexec tail -f nodes\n')
    before_s = int(time.time())
    assert pbs_run(tmp_path, "1.pbs", walltime=walltime, CONFIG=write_config(tmp_path),
                   PATH=path) == DONE
    stop_s = int((tmp_path / "told").read_text())
    assert before_s + program_s <= stop_s <= time.time() + program_s
    assert (tmp_path / "slept").read_text().strip() == launcher_s


@pytest.mark.parametrize("in_config", [True, False])
def test_own_time_limit_holds_too(tmp_path, in_config):
    options = {"run.time_limit": 1} if in_config else {}
    code = pbs_run(tmp_path, "1.pbs", CONFIG=write_config(tmp_path, {**RUN, **options}),
                   OPTIONS="" if in_config else "--set run.time_limit=1", AE_KERNELS="ref")
    assert code == STOPPED, output(tmp_path, "1.pbs")
    # And the walltime holds where the own limit is later.
    code = pbs_run(tmp_path, "2.pbs", walltime="00:02:01", CONFIG=write_config(tmp_path, RUN),
                   OPTIONS="--set run.time_limit=1000", AE_KERNELS="ref")
    assert code == STOPPED, output(tmp_path, "2.pbs")


def test_file_error_is_tried_once_more(tmp_path):
    """4 may pass; twice running it doesn't. After another end it may come again."""
    config = write_config(tmp_path)
    program = {code: write_program(tmp_path / f"ends{code}", f"#!/bin/sh\nexit {code}\n")
               for code in (FILES, STOPPED)}
    job = {"CONFIG": config, "FIRST_JOB": "1.pbs"}
    for number, (code, again) in enumerate([(FILES, True), (FILES, False), (FILES, True),
                                            (STOPPED, True), (FILES, True), (FILES, False)]):
        assert pbs_run(tmp_path, f"{number}.pbs", AE_DIST=program[code], **job) == code
        assert (submitted(tmp_path) is not None) == again, number
    assert output(tmp_path, "1.pbs").count("exit code 4; not submitted again") == 2
    assert pbs_run(tmp_path, "9.pbs", AE_DIST=program[FILES], RESTARTS="0", **job) == FILES
    assert submitted(tmp_path) is None
    assert not list(tmp_path.glob("*.failed"))


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM],
                         ids=lambda s: s.name)
def test_signals(tmp_path, number):
    """A checkpoint is written, and another job goes on; but not after qdel's."""
    config = write_config(tmp_path, {**RUN, "train.epochs": 100})
    with pbs_start(tmp_path, "1.pbs", CONFIG=config, AE_KERNELS="ref") as job:
        end_s = time.monotonic() + TIMEOUT_S
        while not checkpoints(tmp_path / "run") and time.monotonic() < end_s:
            time.sleep(0.05)
        job.send_signal(number)
        assert job.wait(TIMEOUT_S) == STOPPED, output(tmp_path, "1.pbs")
    assert "stopped on request" in output(tmp_path, "1.pbs")
    assert (submitted(tmp_path) is None) == (number == signal.SIGTERM)


def test_threads_that_were_asked_for(tmp_path):
    path = launcher(tmp_path, "echo threads $OMP_NUM_THREADS")
    for select, threads in (("", 8), (":ompthreads=3", 3)):
        assert pbs_run(tmp_path, "1.pbs", 8, select=select, CONFIG=write_config(tmp_path),
                       PATH=path) == DONE
        assert f"\nthreads {threads}\n" in output(tmp_path, "1.pbs")


def test_options_of_qsub_are_kept(tmp_path):
    more = ("\n    Account_Name = mine\n    project = ours\n    Priority = -7"
            "\n    Mail_Points = abe\n    Mail_Users = me@here")
    program = write_program(tmp_path / "stops", f"#!/bin/sh\nexit {STOPPED}\n")
    assert pbs_run(tmp_path, "1.pbs", more=more, CONFIG=write_config(tmp_path),
                   AE_DIST=program) == STOPPED
    assert submitted(tmp_path)[0][-13:] == [
        "-A", "mine", "-P", "ours", "-p", "-7", "-m", "abe", "-M", "me@here", "-q", "workq",
        "jobs/train.pbs"]


def test_arguments_are_refused(tmp_path):
    done = subprocess.run(["bash", ROOT / "jobs" / "train.pbs", "my.ini"], cwd=tmp_path, check=False,
                          env={**os.environ, "PBS_JOBID": "1.pbs", "PBS_O_WORKDIR": str(tmp_path)})
    assert done.returncode == USAGE
    assert "arguments aren't heeded (my.ini)" in output(tmp_path, "1.pbs")


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
