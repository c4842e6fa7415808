"""Signals at any moment: a checkpoint, the right exit code, and the undisturbed run's numbers."""
import contextlib
import os
import pty
import random
import shutil
import signal
import time

import h5py
import pytest
import support
from support import (DONE, STOPPED, Run, checkpoint_position, checkpoints, differences, epoch_line,
                     numbers, run, stop_at, write_config)

MPIRUN_STOPPED = 1  # mpirun's own status when it is itself interrupted or terminated

# What the program is at when it is signalled, and for how long it has been. The reference kernels
# are slow, and make those moments long; the run then goes on with the fast ones.
LOAD = {"data.source": "cifar10", "data.dir": "cifar", "data.train_images": 50000,
        "train.batch": 100, "data.test_images": 1}
GENERATE = {"data.train_images": 5000, "train.batch": 500, "train.pretrain_epochs": 0}
TRAIN = {"data.train_images": 70, "train.batch": 10, "train.epochs": 12}
EVALUATE = {"data.train_images": 1, "train.batch": 1, "data.test_images": 1500,
            "optimizer.lr": 0.01, "schedule.name": "cosine"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Gives the numbers of a run that isn't signalled; they are made once."""
    made = {}

    def numbers_of(options):
        key = tuple(options.items())
        if key not in made:
            folder = tmp_path_factory.mktemp("undisturbed")
            run(folder, write_config(folder, options))
            made[key] = numbers(folder / "run")
        return made[key]

    return numbers_of


def assert_whole(run_dir):
    """Everything that stands under its final name opens and can be read."""
    for path in checkpoints(run_dir):
        assert support.arrays(path, "parameters")
    if (run_dir / "results.h5").exists():
        with h5py.File(run_dir / "results.h5", "r") as file:
            assert len({len(file["epochs"][name]) for name in ("epoch", "ssim", "seconds_io")}) == 1


def newest(run_dir):
    """The newest checkpoint's position; None where there is none."""
    found = checkpoints(run_dir)
    return checkpoint_position(found[-1]) if found else None


def stop_while(folder, options, delays_s, position, **how):
    """Stops runs, each some time after its plan, until one leaves a checkpoint of the position.
    Returns its configuration and folder."""
    for attempt, delay_s in enumerate(delays_s):
        config = write_config(folder, {**options, "run.dir": f"run{attempt}"})
        stopped = stop_at(folder, [config], "workers", delay_s, **how)
        assert stopped.code in (STOPPED, DONE), stopped.tail
        assert_whole(folder / f"run{attempt}")
        if newest(folder / f"run{attempt}") == position:
            assert stopped.code == STOPPED
            return config, folder / f"run{attempt}"
    raise AssertionError(f"no signal fell so that the checkpoint is of {position}")


# ---- SIGUSR1 to mpirun ----


def test_while_pictures_are_made(tmp_path, undisturbed):
    config = write_config(tmp_path, GENERATE)
    stopped = stop_at(tmp_path, [config], "workers", 0.05)
    assert stopped.code == STOPPED, stopped.tail
    assert newest(tmp_path / "run") == (0, 0)
    assert stopped.stdout.count("stopped on request after 0 whole epochs and 0 steps") == 1
    assert stopped.stdout.count("the same command goes on from it") == 1
    assert "ae_dist: error" not in stopped.stderr
    run(tmp_path, config, ranks=3)
    assert differences(numbers(tmp_path / "run"), undisturbed(GENERATE)) == []


def test_while_images_are_read(tmp_path):
    """The files are read in an instant: it is tried until a signal falls into it."""
    support.write_cifar10(tmp_path / "cifar")
    config, run_dir = stop_while(tmp_path, LOAD, [0] * 8, (0, 0))
    for delay_s in (1.5, 3, 6, 12, 24):  # until they have been read; an epoch takes longer
        stopped = stop_at(tmp_path, [config], "workers", delay_s)
        assert stopped.code == STOPPED, stopped.tail
        if newest(run_dir) > (0, 0):
            break
    assert newest(run_dir) > (0, 0)


@pytest.mark.parametrize("ranks, again", [(1, 2), (3, 2)])
def test_while_training(tmp_path, undisturbed, ranks, again):
    config = write_config(tmp_path, TRAIN)
    stopped = stop_at(tmp_path, [config], epoch_line(1, 13), ranks=ranks, kernels="ref")
    assert stopped.code == STOPPED, stopped.tail
    epoch, step = newest(tmp_path / "run")
    assert (epoch, step) > (0, 0)
    run(tmp_path, config, ranks=again)
    assert differences(numbers(tmp_path / "run"), undisturbed(TRAIN)) == []


def test_while_evaluating(tmp_path, undisturbed):
    """Everything of the epoch but its evaluation is in the checkpoint."""
    config, run_dir = stop_while(tmp_path, EVALUATE, [0.5, 1, 2, 4, 8], (0, 1), kernels="ref")
    again = run(tmp_path, config, ranks=3)
    assert "goes on  after 0 whole epochs and 1 steps" in again.stdout
    assert differences(numbers(run_dir), undisturbed(EVALUATE)) == []


def test_at_random_moments(tmp_path, undisturbed):
    """Stopped again and again, on another number of ranks each time, until it is through."""
    options = {"data.train_images": 530, "train.epochs": 5}
    config = write_config(tmp_path, options)
    generator = random.Random(1)
    codes = []
    for _ in range(5):
        stopped = stop_at(tmp_path, [config], "ae_dist", generator.uniform(0, 0.3),
                          ranks=generator.choice([1, 2, 3, 4]))
        codes.append(stopped.code)
        assert stopped.code in (STOPPED, DONE), stopped.tail
        assert_whole(tmp_path / "run")
        if stopped.code == DONE:
            break
        assert newest(tmp_path / "run") is not None
        assert not list((tmp_path / "run").rglob("*.tmp.*"))
    assert STOPPED in codes
    run(tmp_path, config)
    assert differences(numbers(tmp_path / "run"), undisturbed(options)) == []


def test_signalled_again_and_again(tmp_path):
    """Further signals change nothing (mpirun itself, as it ends, would take them amiss)."""
    config = write_config(tmp_path, TRAIN)
    with Run(tmp_path, [config], kernels="ref") as started:
        started.wait_for(epoch_line(1, 13))
        ranks = started.ranks()
        for _ in range(20):  # at once: a signal a while after the first would be another request
            for pid in ranks:
                with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                    os.kill(pid, signal.SIGUSR1)
        assert started.wait().code == STOPPED, started.tail
    assert started.stdout.count("stopped on request") == 1
    assert_whole(tmp_path / "run")


def test_only_one_rank_is_signalled(tmp_path):
    """The request travels with the next reduction, and all ranks leave together."""
    config = write_config(tmp_path, TRAIN)
    with Run(tmp_path, [config], ranks=3, kernels="ref") as started:
        started.wait_for(epoch_line(1, 13))
        os.kill(max(started.ranks()), signal.SIGUSR1)
        assert started.wait().code == STOPPED, started.tail
    assert newest(tmp_path / "run") > (0, 0)


@pytest.mark.skipif("mpich" in support.MPIEXEC, reason="MPICH's mpiexec passes SIGUSR1 alone")
@pytest.mark.parametrize("signal_number", [signal.SIGUSR2, signal.SIGXCPU], ids=lambda s: s.name)
def test_what_else_mpirun_passes_on(tmp_path, signal_number):
    config = write_config(tmp_path, TRAIN)
    stopped = stop_at(tmp_path, [config], epoch_line(1, 13), 0, signal_number, ranks=3,
                      kernels="ref")
    assert stopped.code == STOPPED, stopped.tail
    assert stopped.stdout.count("stopped on request") == 1
    assert newest(tmp_path / "run") > (0, 0)


# ---- SIGTERM, SIGINT and SIGHUP to mpirun ----


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP],
                         ids=lambda s: s.name)
def test_mpirun_is_ended(tmp_path, undisturbed, signal_number):
    """It gives its ranks a signal, and little time; a checkpoint is there all the same."""
    config = write_config(tmp_path, TRAIN)
    begin = time.monotonic()
    stopped = stop_at(tmp_path, [config], epoch_line(1, 13), 0, signal_number, kernels="ref")
    assert time.monotonic() - begin < 20
    assert stopped.code in (MPIRUN_STOPPED, STOPPED), stopped.tail
    assert newest(tmp_path / "run") > (0, 0), "no checkpoint in mid-epoch"
    assert newest(tmp_path / "run")[1] > 0
    assert_whole(tmp_path / "run")
    again = run(tmp_path, config, ranks=3)
    assert "goes on" in again.stdout
    assert differences(numbers(tmp_path / "run"), undisturbed(TRAIN)) == []


# ---- a process that isn't under mpirun ----


REQUESTS = [signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT, signal.SIGHUP,
            signal.SIGXCPU]
AS_A_PERSON = {"OMPI_MCA_ess_singleton_isolated": "0"}  # with Open MPI's daemon beside it
AS_IN_A_TERMINAL = ("env", "--default-signal=HUP,INT")  # whatever these tests themselves run under


@pytest.mark.parametrize("signal_number", REQUESTS, ids=lambda s: s.name)
def test_process_alone(tmp_path, undisturbed, signal_number):
    config = write_config(tmp_path, TRAIN)
    stopped = stop_at(tmp_path, [config], epoch_line(1, 13), 0, signal_number, ranks=None, kernels="ref",
                      before=AS_IN_A_TERMINAL, variables=AS_A_PERSON)
    assert stopped.code == STOPPED, stopped.tail
    assert newest(tmp_path / "run") > (0, 0)
    assert_whole(tmp_path / "run")
    if signal_number == REQUESTS[0]:  # from the same checkpoint whichever it was
        run(tmp_path, config, ranks=None)
        assert differences(numbers(tmp_path / "run"), undisturbed(TRAIN)) == []


@pytest.mark.parametrize("signal_number", [signal.SIGHUP, signal.SIGINT], ids=lambda s: s.name)
def test_ignored_stays_ignored(tmp_path, signal_number):
    """nohup, and what a shell does to background jobs: it goes on, until something else asks."""
    with Run(tmp_path, [write_config(tmp_path, TRAIN)], ranks=None, kernels="ref",
             before=("env", f"--ignore-signal={signal_number.name[3:]}")) as started:
        started.wait_for("workers")
        started.send(signal_number)
        started.wait_for(epoch_line(1, 13))
        started.send(signal.SIGUSR1)
        assert started.wait().code == STOPPED, started.tail


def test_terminal_is_closed(tmp_path):
    """It writes its checkpoint, though nobody reads what it says."""
    config = write_config(tmp_path, TRAIN)
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        os.chdir(tmp_path)
        os.execve(support.PROGRAM, ["ae_dist", config], support.environment(1, "ref"))
    said = b""
    while b"images/s" not in said:
        said += os.read(terminal, 1000)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == STOPPED, said
    assert newest(tmp_path / "run") > (0, 0)


@pytest.mark.skipif(not shutil.which("prlimit"), reason="no prlimit (util-linux)")
def test_limit_on_processor_time(tmp_path):
    """The system signals at the soft limit, and each second again."""
    stopped = run(tmp_path, write_config(tmp_path, {**TRAIN, "train.epochs": 2000}), ranks=None,
                  kernels="ref", before=("prlimit", "--cpu=2:60"), expect=STOPPED)
    assert "stopped on request" in stopped.stdout
    assert newest(tmp_path / "run") > (0, 0)


# ---- no warning at all ----


@pytest.mark.parametrize("delay_s", [0, 0.1])
def test_kill(tmp_path, undisturbed, delay_s):
    """A rank is killed as the run writes its files: what is there is whole, and it goes on."""
    options = {"train.epochs": 12}
    config = write_config(tmp_path, options)
    with Run(tmp_path, [config], ranks=2) as started:
        started.wait_for(epoch_line(3, 13))
        time.sleep(delay_s)
        os.kill(min(started.ranks()), signal.SIGKILL)
        assert started.wait().code not in (DONE, STOPPED), started.tail
    assert_whole(tmp_path / "run")
    assert newest(tmp_path / "run") >= (2, 0)
    again = run(tmp_path, config, ranks=3)
    assert "goes on" in again.stdout
    assert differences(numbers(tmp_path / "run"), undisturbed(options)) == []
    assert not list((tmp_path / "run").rglob("*.tmp.*")), "half-written files are cleared away"
