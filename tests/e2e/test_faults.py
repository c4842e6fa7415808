"""Ranks that stop, launchers that don't fit, the end of the time, steps that go wrong: one message,
the right exit code, no hang, and the numbers of an undisturbed run when it goes on."""
import os
import re
import shutil
import signal
import subprocess
import time

import pytest
import support
from support import (DONE, NUMERIC, STALLED, STOPPED, USAGE, Run, assert_refused, checkpoint_position,
                     checkpoints, differences, numbers, run, write_config)

# Long enough to be disturbed: some seconds. On a busy machine a step takes as long as its ranks wait
# for their turns, so there aren't many.
LONG = {"data.train_images": 2000, "train.epochs": 12, "train.pretrain_epochs": 0,
        "train.batch": 100}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    run(folder, write_config(folder, LONG))
    return numbers(folder / "run")


def stop_a_rank(started, number=1):
    """SIGSTOP to a rank, when training is under way; returns its process number."""
    started.wait_for("epoch  2/")
    pid = sorted(started.ranks())[number]
    os.kill(pid, signal.SIGSTOP)
    return pid


# ---- a rank that doesn't go on ----


def test_stalled_rank(tmp_path, undisturbed):
    config = write_config(tmp_path, {**LONG, "run.stall_seconds": 3})
    with Run(tmp_path, [config]) as started:
        stop_a_rank(started)
        begin_s = time.monotonic()
        started.wait(60)
        # The promise: within stall_seconds and 15 s.
        assert time.monotonic() - begin_s < 3 + 15
    assert started.code == STALLED, started.tail
    assert started.stderr.count("ae_dist: error: no progress for 3 s while") == 1, started.tail
    run(tmp_path, config)
    assert differences(numbers(tmp_path / "run"), undisturbed) == []


def test_rank_stalled_before_training(tmp_path):
    """While the run is set up; the pictures are made for longer than that takes."""
    config = write_config(tmp_path, {**LONG, "data.train_images": 50000, "run.stall_seconds": 3})
    with Run(tmp_path, [config]) as started:
        started.wait_for("ae_dist")
        os.kill(max(started.ranks()), signal.SIGSTOP)
        started.wait(60)
    assert "epoch  1/" not in started.stdout
    assert started.code == STALLED, started.tail
    assert started.stderr.count("ae_dist: error: no progress for 3 s while") == 1, started.tail


def test_terminated_with_a_dead_vote(tmp_path, undisturbed):
    """Half a second after SIGTERM to all, those who wait for a rank in vain are gone, and nothing
    was written meanwhile."""
    config = write_config(tmp_path, LONG)
    with Run(tmp_path, [config]) as started:
        stopped = stop_a_rank(started)
        time.sleep(0.3)  # the others are waiting by now
        before = {path: path.stat().st_mtime_ns for path in checkpoints(tmp_path / "run")}
        waiting = next(pid for pid in started.ranks() if pid != stopped)
        os.kill(waiting, signal.SIGTERM)
        started.wait(30)  # mpirun then ends the stopped one
    assert started.code not in (DONE, STOPPED), started.tail
    after = {path: path.stat().st_mtime_ns for path in checkpoints(tmp_path / "run")}
    assert after == before
    run(tmp_path, config)
    assert differences(numbers(tmp_path / "run"), undisturbed) == []


def test_second_signal(tmp_path):
    """The first USR1 waits for a vote that can't come; a later one leaves at once."""
    config = write_config(tmp_path, LONG)
    with Run(tmp_path, [config]) as started:
        stopped = stop_a_rank(started)
        waiting = next(pid for pid in started.ranks() if pid != stopped)
        os.kill(waiting, signal.SIGUSR1)
        time.sleep(0.2)
        os.kill(waiting, signal.SIGUSR1)  # the same request, as two passed it on
        time.sleep(1)
        assert started.is_running()
        os.kill(waiting, signal.SIGUSR1)
        started.wait(30)
    assert started.code == 128 + signal.SIGUSR1, started.tail


def test_slow_rank(tmp_path):
    """A rank that is stopped for three seconds while it computes is named; three have a median."""
    config = write_config(tmp_path, {**LONG, "train.batch": 2000, "train.epochs": 99,
                                     "run.slow_percent": 100})
    with Run(tmp_path, [config], ranks=3) as started:
        # It computes nearly all the time: a step's reduction is a thousandth of it.
        slow = stop_a_rank(started, 2)
        time.sleep(3)
        os.kill(slow, signal.SIGCONT)
        started.wait_for("warning: rank 2 ", 20)
        started.send(signal.SIGUSR1)
        started.wait()
    names = r"warning: rank 2 on (\S+) computed for [\d.]+ s in epoch"
    assert re.search(names, started.stderr).group(1) == os.uname().nodename, started.stderr


# ---- memory ----


def virtual_kb(pid):
    """The most virtual memory the process has had."""
    with open(f"/proc/{pid}/status") as file:
        [line] = [line for line in file if line.startswith("VmPeak")]
    return int(line.split()[1])


def test_rank_without_memory(tmp_path):
    """One that may have less than its network takes: one message that names it, and all leave."""
    with Run(tmp_path, [write_config(tmp_path, {**LONG, "data.train_images": 100})],
             ranks=3) as started:
        started.wait_for("epoch  2/")
        small_kb = max(map(virtual_kb, started.ranks()))
    # 3.9 million parameters: as floats, as int64 and as moments more than 100 MB.
    config = write_config(tmp_path, {"model.layers": "conv 384 5 relu, conv 400 5 relu, "
                                                     "tconv 8 5 relu, tconv 3 5 sigmoid"})
    script = (f'if [ "$OMPI_COMM_WORLD_RANK" = 1 ]; then ulimit -v {small_kb + 50000}; fi; '
              'exec "$0" "$@"')
    done = run(tmp_path, config, ranks=3, program=["sh", "-c", script, support.PROGRAM],
               expect=None)
    assert_refused(done, 1, "rank 1 on", "no memory for", "use fewer ranks on a node")


# ---- launchers ----


@pytest.mark.skipif(not shutil.which("mpiexec.mpich"), reason="no MPICH beside the MPI library")
@pytest.mark.skipif("mpich" in support.MPIEXEC, reason="MPICH is the MPI library")
def test_launcher_of_another_library(tmp_path):
    config = write_config(tmp_path)
    done = subprocess.run(["mpiexec.mpich", "-np", "3", support.PROGRAM, config], cwd=tmp_path,
                          env=support.environment(1), capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60, check=False)
    assert done.returncode == USAGE
    assert done.stderr.count("ae_dist: error:") == 1, done.stderr
    assert "started 3 processes, but each is alone" in done.stderr
    assert not (tmp_path / "run").exists()


# ---- the time there is ----


def test_time_limit_chain(tmp_path, undisturbed):
    """Short runs, one after another, finish a long one. They become longer, for on a busy machine
    the first ones' time is over when they have begun."""
    config = write_config(tmp_path, LONG)
    for attempt in range(30):
        done = run(tmp_path, config, "--set", f"run.time_limit={max(1, attempt)}", expect=None)
        if done.code == DONE:
            break
        assert done.code == STOPPED, done.tail
        assert done.stdout.count("stopped at the end of its time after") == 1, done.tail
    assert done.code == DONE, done.tail
    assert differences(numbers(tmp_path / "run"), undisturbed) == []


def test_end_of_a_slurm_job(tmp_path):
    """It stops before Slurm's end of the job: here six seconds ahead, of which one is kept free."""
    config = write_config(tmp_path, {**LONG, "train.epochs": 4000})
    done = run(tmp_path, config, expect=STOPPED,
               variables={"SLURM_JOB_END_TIME": str(int(time.time()) + 6)})
    assert "stopped at the end of its time" in done.stdout


# ---- checkpoints within an epoch ----


def test_checkpoint_steps(tmp_path, undisturbed):
    config = write_config(tmp_path, {**LONG, "output.checkpoint_steps": 7,
                                     "output.checkpoint_epochs": 1000})
    with Run(tmp_path, [config]) as started:
        started.wait_for("epoch  3/")
        for pid in started.ranks():
            os.kill(pid, signal.SIGKILL)
        started.wait()
    epoch, step = checkpoint_position(checkpoints(tmp_path / "run")[-1])
    assert epoch >= 2 and step % 7 == 0 and step > 0
    went_on = run(tmp_path, config)
    assert f"goes on  after {epoch} whole epochs and {step} steps of the next" in went_on.stdout
    assert differences(numbers(tmp_path / "run"), undisturbed) == []


def test_checkpoint_minutes(tmp_path):
    config = write_config(tmp_path, {**LONG, "output.checkpoint_minutes": 0.001,
                                     "output.checkpoint_epochs": 1000})
    with Run(tmp_path, [config]) as started:
        started.wait_for("epoch  3/")
        started.send(signal.SIGKILL)
        started.wait()
    assert any(checkpoint_position(path)[1] > 0 for path in checkpoints(tmp_path / "run"))


# ---- going on with more epochs ----


def test_more_epochs(tmp_path):
    short, long = ({**LONG, "data.train_images": 200, "train.epochs": epochs} for epochs in (2, 4))
    run(tmp_path, write_config(tmp_path, short))
    run(tmp_path, write_config(tmp_path, long))
    run(tmp_path, write_config(tmp_path, {**long, "run.dir": "at_once"}))
    # The shorter run's last epoch has pictures too.
    assert differences(numbers(tmp_path / "run"), numbers(tmp_path / "at_once")) == ["output"]
    assert_refused(run(tmp_path, write_config(tmp_path, short), expect=None), USAGE,
                   "train.epochs was 4, is 2 (it may grow alone)")


def test_more_epochs_with_a_schedule_over_them(tmp_path):
    options = {**LONG, "data.train_images": 200, "train.epochs": 2, "schedule.name": "cosine"}
    run(tmp_path, write_config(tmp_path, options))
    assert_refused(run(tmp_path, write_config(tmp_path, {**options, "train.epochs": 4}),
                       expect=None), USAGE, "train.epochs was 2, is 4\n")


# ---- numbers that aren't finite ----


def test_steps_left_out(tmp_path):
    """Parameters beyond float's range after the first update: every later step goes wrong."""
    diverging = {"optimizer.name": "sgd", "optimizer.lr": 1000, "optimizer.momentum": 0.99,
                 "model.layers": "conv 4 3 none, tconv 3 3 none", "train.skip_steps": 3,
                 "train.pretrain_epochs": 0, "data.train_images": 400, "train.epochs": 30}
    done = run(tmp_path, write_config(tmp_path, diverging), expect=None)
    assert_refused(done, NUMERIC, "training diverges")
    for skipped in range(1, 4):
        assert done.stderr.count(f"left out ({skipped} of 3 that may be)") == 1, done.tail
