"""jobs/train.sbatch and jobs/array.sbatch on a real Slurm, which slurm.sh brings up for these
tests: on hosts in namespaces where those may be had, else on this machine alone."""
import os
import shutil
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import pytest

from support import (DONE, FILES, PROGRAM, ROOT, STOPPED, USAGE, checkpoints, environment, run,
                     text_column, write_config)

SCRIPT = ROOT / "jobs" / "train.sbatch"
ARRAY = ROOT / "jobs" / "array.sbatch"
SLURM_SH = Path(__file__).with_name("slurm.sh")
TOOLS = "munged mungekey slurmctld slurmd sbatch srun squeue scancel scontrol sinfo".split()
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
LIFE_S = 580  # of the daemons, should nobody end them
TIMEOUT_S = 60  # of a job
ASK_S = 0.4  # between questions to Slurm beside a look for text: each starts five processes
ENDED = "COMPLETED FAILED CANCELLED TIMEOUT NODE_FAIL".split()
HOSTS = 4
LAST_HOST = "n4"  # which isn't lost
CPUS = max(4, os.cpu_count())  # of a host, as Slurm believes

# Long enough to be stopped at leisure, and then soon through: a job's first start has the slow
# kernels; of an array, task 2's has.
RUN = {"data.train_images": 100, "data.test_images": 10, "train.pretrain_epochs": 2,
       "train.epochs": 18, "output.reconstruction_epochs": 10, "output.keep": 100}
SLOW_AT_FIRST = f"""#!/bin/sh
[ "${{SLURM_RESTART_COUNT:-0}}${{SLURM_ARRAY_TASK_ID#2}}" != 0 ] || export AE_KERNELS=ref
exec {PROGRAM} "$@"
"""


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
    missing = [tool for tool in TOOLS if not shutil.which(tool, path=PATH)]
    return f"{', '.join(missing)} missing: install slurmctld, slurmd, munge" if missing else None


def can_have_hosts():
    """Namespaces, and in them a bridge, a cable and mounts, are there and allowed."""
    script = ("pgrep -V && hostname n1 && mount -t tmpfs tmpfs /dev/shm && "
              "ip link add bridge type bridge && ip link add cable type veth peer name eth0")
    return subprocess.run(["unshare", "--net", "--uts", "--mount", "--ipc", "--pid", "--fork",
                           "--mount-proc", "sh", "-c", script], capture_output=True,
                          env={**os.environ, "PATH": PATH}).returncode == 0


class Slurm:
    """Clients of the tests' Slurm."""

    def __init__(self, folder, hosts):
        slow_at_first = folder / "slow_at_first"
        slow_at_first.write_text(SLOW_AT_FIRST)
        slow_at_first.chmod(0o755)
        self.folder, self.hosts = folder, hosts
        self.env = {name: value for name, value in environment(threads=None).items()
                    if not name.startswith(("SLURM_", "SBATCH_"))}
        self.env.update(SLURM_CONF=str(folder / "slurm.conf"), AE_DIST=str(slow_at_first),
                        OMP_WAIT_POLICY="passive")  # more threads than cores

    def call(self, *command, cwd=None, **variables):
        done = subprocess.run(["sh", SLURM_SH, "in", self.folder, *command], cwd=cwd,
                              env={**self.env, **variables}, text=True, capture_output=True,
                              stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def submit(self, folder, *arguments, ranks=2, threads=1, options=(), launcher="srun",
               script=SCRIPT, **variables):
        return self.call("sbatch", "--parsable", f"--ntasks-per-node={ranks}", f"-c{threads}",
                         *options, str(script), *arguments, cwd=folder, LAUNCHER=launcher,
                         **variables)

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
        end, ask = time.monotonic() + TIMEOUT_S, 0
        while text not in output(folder, job):
            if time.monotonic() > ask:
                assert time.monotonic() < end and self.show(job)["JobState"] not in ENDED, (
                    f"no '{text}' in: {output(folder, job)}")
                ask = time.monotonic() + ASK_S
            time.sleep(0.02)

    def stop(self, job, name="USR1"):
        """As at the time limit."""
        self.call("scancel", "--batch", f"--signal={name}", job)

    def start_soon(self, job):
        """Slurm would wait for two minutes; a start sooner than this is refused. The new time limit
        is for a job that had a short one. One that has started by itself isn't changed."""
        try:
            self.call("scontrol", "update", f"JobId={job}", "StartTime=now+3", "TimeLimit=30")
        except AssertionError:
            if self.show(job)["JobState"] == "PENDING":
                raise

    def goes_on(self, folder, job):
        """A job that was queued again starts once more, and ends as it should."""
        self.wait_queued_again(job)
        assert len(checkpoints(folder / "run")) >= 2
        self.start_soon(job)
        assert self.wait_end(job) == ("COMPLETED", DONE), output(folder, job)
        assert starts(folder, "job_id") == [job, job]
        assert starts(folder, "from_epoch")[1] >= 2
        assert output(folder, job).count("start 1:") == output(folder, job).count("start 2:") == 1

    def wait_queued_again(self, job):
        """Where Slurm learnt of a lost node meanwhile it starts the job again at once."""
        end = time.monotonic() + TIMEOUT_S
        while (known := self.show(job))["Restarts"] != "1" or known["JobState"] == "COMPLETING":
            assert time.monotonic() < end, f"job {job} isn't queued again in {TIMEOUT_S} s: {known}"
            time.sleep(0.1)

    def nodes(self, job):
        return self.call("scontrol", "show", "hostnames", self.show(job)["NodeList"]).split()

    def host(self, action, name):
        """Takes a host's power (off), gives it back (on), pulls its network cable (cut)."""
        subprocess.run(["sh", SLURM_SH, action, self.folder, name], check=True)

    def lose(self, name):
        """Slurm learns, sooner than by itself, that a node is lost."""
        self.call("scontrol", "update", f"NodeName={name}", "State=DOWN", "Reason=test")

    def wait_idle(self, name):
        """A node that is back registers, and Slurm takes it by itself."""
        end = time.monotonic() + TIMEOUT_S
        while (state := self.call("sinfo", "-h", "-n", name, "-p", "tests", "-o", "%T")) != "idle":
            assert time.monotonic() < end, f"{name} is {state}"
            time.sleep(0.1)


def output(folder, job):
    return "".join(path.read_text() for path in folder.glob(f"*-{job}.out"))


def last_hash(folder, name="run"):
    with h5py.File(folder / name / "results.h5") as file:
        assert file["epochs/epoch"][-1] == 20
        return text_column(file["epochs/parameters_hash"])[-1]


def starts(folder, column):
    with h5py.File(folder / "run" / "results.h5") as file:
        values = file["provenance"][column]
        return text_column(values) if values.dtype.kind == "O" else values[()].tolist()


def ranks_of(job):
    """Process numbers of a job's ranks, on whichever host."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            variables = (path / "environ").read_bytes().split(b"\0")
            is_rank = os.readlink(path / "exe") == os.path.realpath(PROGRAM)
        except OSError:  # it ended meanwhile
            continue
        if is_rank and f"SLURM_JOB_ID={job}".encode() in variables:
            found.append(int(path.name))
    return found


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    reason = why_not()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("slurm") / "d"
    hosts = HOSTS if can_have_hosts() else 0
    ports = free_ports(2)
    try:
        up = subprocess.run(["sh", SLURM_SH, "up", folder, str(hosts), str(CPUS), *ports,
                             str(LIFE_S)],
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if up.returncode != 0:
            pytest.skip(f"Slurm doesn't come up here: {up.stdout[-2000:]}")
        yield Slurm(folder, hosts)
    finally:
        subprocess.run(["sh", SLURM_SH, "down", folder], check=True)


@pytest.fixture
def hosts(slurm):
    if not slurm.hosts:
        pytest.skip("hosts need namespaces, which aren't allowed here, iproute2 and procps")


@pytest.fixture(scope="module", autouse=True)
def limited(slurm, tmp_path_factory):
    """The folder of a job that runs into its time limit while the other tests are at work, as
    limits are looked at every half minute only; and the job."""
    folder = tmp_path_factory.mktemp("limited")
    options = ["-p", "urgent", "--time=1", "--signal=B:USR1@58"]
    if slurm.hosts:
        options += ["-w", LAST_HOST]
    return folder, slurm.submit(folder, write_config(folder, {**RUN, "data.train_images": 600}),
                                ranks=1, options=options)


@pytest.fixture(scope="module", autouse=True)
def hung(slurm, tmp_path_factory):
    """The folder of a job whose launcher takes no notice of being stopped, which is done while the
    other tests are at work; and the job."""
    folder = tmp_path_factory.mktemp("hung")
    launcher = folder / "mpirun"
    launcher.write_text("#!/bin/sh\ntrap '' USR1\nexec sleep 1000\n")
    launcher.chmod(0o755)
    job = slurm.submit(folder, write_config(folder, RUN), ranks=1, launcher="mpirun",
                       RESTARTS="0", PATH=f"{folder}:{slurm.env['PATH']}",
                       options=["-p", "urgent"] + (["-w", LAST_HOST] if slurm.hosts else []))
    slurm.wait_text(folder, job, "start 1:")
    slurm.stop(job)
    return folder, job


@pytest.fixture(scope="module")
def undisturbed(slurm, tmp_path_factory):
    """The folder of a job that nobody stopped, and the job."""
    folder = tmp_path_factory.mktemp("undisturbed")
    job = slurm.submit(folder, write_config(folder, RUN), ranks=2, threads=2, AE_DIST=PROGRAM)
    assert slurm.wait_end(job) == ("COMPLETED", DONE), output(folder, job)
    return folder, job


def test_layout_is_the_allocations(undisturbed):
    folder, job = undisturbed
    assert starts(folder, "ranks") == [2]
    assert starts(folder, "threads") == [4]
    assert starts(folder, "job_id") == [job]


def test_stopped_and_killed_jobs_are_queued_again(slurm, undisturbed, tmp_path):
    """Three at a time. (A job with srun is stopped in test_time_limit.)"""
    def kill_rank(job):
        os.kill(ranks_of(job)[-1], signal.SIGKILL)

    def disturb(name, launcher, action):
        folder = tmp_path / name
        folder.mkdir()
        job = slurm.submit(folder, write_config(folder, RUN), launcher=launcher)
        slurm.wait_text(folder, job, "epoch  2/20")
        action(job)
        slurm.goes_on(folder, job)
        assert last_hash(folder) == last_hash(undisturbed[0])

    with ThreadPoolExecutor() as pool:
        list(pool.map(disturb, ("stopped", "killed", "srun"), ("mpirun", "mpirun", "srun"),
                      (slurm.stop, kill_rank, kill_rank)))


def test_other_signals_stop_too(slurm, tmp_path):
    """Those that other clusters warn with; and scancel's, after which it is for good."""
    def stop(name, launcher, action):
        (folder := tmp_path / name).mkdir()
        job = slurm.submit(folder, write_config(folder, {**RUN, "train.epochs": 400}), ranks=1,
                           launcher=launcher)
        slurm.wait_text(folder, job, "epoch   2/402")
        action(job)
        return folder, job, slurm.wait(job, "PENDING", *ENDED)[0]

    def cancel(job):
        slurm.call("scancel", job)

    with ThreadPoolExecutor() as pool:
        stopped = list(pool.map(stop, ("USR2", "TERM", "mpirun", "srun"),
                                ("mpirun", "srun", "mpirun", "srun"),
                                (lambda job: slurm.stop(job, "USR2"),
                                 lambda job: slurm.stop(job, "TERM"), cancel, cancel)))
    for folder, job, state in stopped[:2]:
        assert "stopped on request" in output(folder, job)
        assert state == "PENDING", output(folder, job)
        cancel(job)
    for folder, job, state in stopped[2:]:
        time.sleep(1)  # to be queued again by mistake
        assert state == slurm.show(job)["JobState"] == "CANCELLED", output(folder, job)


def test_file_error_is_tried_once_more(slurm, tmp_path):
    """4 may pass; twice running it doesn't."""
    program = tmp_path / "fails"
    program.write_text(f"#!/bin/sh\nexit {FILES}\n")
    program.chmod(0o755)
    job = slurm.submit(tmp_path, write_config(tmp_path), ranks=1, AE_DIST=str(program))
    slurm.wait_text(tmp_path, job, "start 1:")
    slurm.wait(job, "PENDING")
    slurm.start_soon(job)
    assert slurm.wait_end(job) == ("FAILED", FILES), output(tmp_path, job)
    assert slurm.show(job)["Restarts"] == "1"
    assert output(tmp_path, job).count("exit code 4; not queued again") == 1
    assert not list(tmp_path.glob("*.failed"))


def test_chain_of_short_jobs(slurm, undisturbed, tmp_path):
    """Submitted at once; each is stopped, but the one that is through and the one left over."""
    config = write_config(tmp_path, RUN)
    options = ["--no-requeue", "--dependency=singleton", "--job-name=chain"]
    slow = {"AE_KERNELS": "ref"}
    chain = [slurm.submit(tmp_path, config, ranks=ranks, options=options, AE_DIST=PROGRAM,
                          **kernels)
             for ranks, kernels in ((1, slow), (2, slow), (1, slow), (2, {}), (1, {}))]
    for epoch, job in zip((1, 2, 3), chain):
        slurm.wait_text(tmp_path, job, f"epoch {epoch:2d}/20")
        slurm.stop(job)
        assert slurm.wait_end(job) == ("FAILED", STOPPED), output(tmp_path, job)
        assert "the same sbatch command goes on" in output(tmp_path, job)
    for job in chain[3:]:
        assert slurm.wait_end(job) == ("COMPLETED", DONE), output(tmp_path, job)
    assert last_hash(tmp_path) == last_hash(undisturbed[0])
    assert starts(tmp_path, "job_id") == chain[:4]
    assert starts(tmp_path, "ranks") == [1, 2, 1, 2]


def test_restarts_are_bounded(slurm, tmp_path):
    """A program that fails at once, each time, isn't started for ever."""
    program = tmp_path / "fails"
    program.write_text("#!/bin/sh\nkill -KILL $$\n")
    program.chmod(0o755)
    job = slurm.submit(tmp_path, write_config(tmp_path), AE_DIST=str(program), RESTARTS="0")
    assert slurm.wait_end(job) == ("FAILED", 128 + signal.SIGKILL)
    assert "not queued again" in output(tmp_path, job)


@pytest.mark.parametrize("partition", ["tests", "polite"])
def test_preempted(slurm, undisturbed, tmp_path, partition):
    """Killed and queued again by Slurm; or signalled first, with time to leave."""
    job = slurm.submit(tmp_path, write_config(tmp_path, RUN), options=["-p", partition])
    slurm.wait_text(tmp_path, job, "epoch  2/20")
    urgent = slurm.call("sbatch", "--parsable", "-p", "urgent", "-N1", "-w",
                        *slurm.nodes(job), f"-n{CPUS - 1}", "-o", "/dev/null", "--wrap", "true", cwd=tmp_path)
    slurm.goes_on(tmp_path, job)
    if partition == "polite":
        assert "stopped on request" in output(tmp_path, job)
    assert slurm.wait_end(urgent) == ("COMPLETED", DONE)
    assert last_hash(tmp_path) == last_hash(undisturbed[0])


def test_host_loses_power(hosts, slurm, undisturbed, tmp_path):
    """The first host, with the script and rank 0."""
    job = slurm.submit(tmp_path, write_config(tmp_path, RUN), ranks=1,
                       options=["-N2", "-x", LAST_HOST])
    slurm.wait_text(tmp_path, job, "epoch  2/20")
    lost = slurm.nodes(job)[0]
    slurm.host("off", lost)
    slurm.lose(lost)
    slurm.goes_on(tmp_path, job)
    assert lost not in slurm.nodes(job)
    assert last_hash(tmp_path) == last_hash(undisturbed[0])
    slurm.host("on", lost)
    slurm.wait_idle(lost)


def test_host_is_cut_off(hosts, slurm, undisturbed, tmp_path):
    """mpirun notices by itself that a host doesn't answer, and ends the job."""
    job = slurm.submit(tmp_path, write_config(tmp_path, RUN), ranks=1, launcher="mpirun",
                       options=["-N2", "-x", LAST_HOST], OMPI_MCA_oob_tcp_keepalive_time="4",
                       OMPI_MCA_oob_tcp_keepalive_intvl="2", OMPI_MCA_oob_tcp_keepalive_probes="3")
    slurm.wait_text(tmp_path, job, "epoch  2/20")
    lost = slurm.nodes(job)[1]
    slurm.host("cut", lost)
    slurm.wait(job, "COMPLETING")  # the script is through, and Slurm waits for the host
    time.sleep(2)  # Slurm refuses to start a job in the second in which it ended, and fails it
    slurm.lose(lost)
    slurm.goes_on(tmp_path, job)
    assert last_hash(tmp_path) == last_hash(undisturbed[0])


def test_array_over_seeds(slurm, undisturbed, tmp_path):
    """The task that has the array's own number is stopped; it alone is queued again."""
    (tmp_path / "jobs").symlink_to(ROOT / "jobs")
    config = write_config(tmp_path, RUN, "name.ini")
    array = slurm.submit(tmp_path, "run.seed", config, ranks=1, script=ARRAY,
                         options=["--array=0-2"])
    job = f"{array}_2"
    slurm.wait_text(tmp_path, job, "epoch  2/20")
    assert slurm.show(job)["JobId"] == array
    slurm.stop(job)
    slurm.wait(job, "PENDING")
    slurm.start_soon(job)
    for task in range(3):
        assert slurm.wait_end(f"{array}_{task}") == ("COMPLETED", DONE), output(tmp_path, job)
        assert slurm.show(f"{array}_{task}")["Restarts"] == ("1" if task == 2 else "0")
    alone = run(tmp_path, config, "--set", "run.seed=2", "--set", "run.dir=alone")
    assert last_hash(tmp_path, "runs/name-seed-0") == last_hash(undisturbed[0])
    assert last_hash(tmp_path, "runs/name-seed-2") == alone.hash != last_hash(undisturbed[0])


def test_array_over_values(slurm, tmp_path):
    (tmp_path / "jobs").symlink_to(ROOT / "jobs")
    array = slurm.submit(tmp_path, "noise.sigma=0.05,0.2", write_config(tmp_path), "--print-config",
                         ranks=1, script=ARRAY, options=["--array=0-2"])
    for task, value in enumerate(["0.05", "0.2"]):
        job = f"{array}_{task}"
        assert slurm.wait_end(job) == ("COMPLETED", DONE), output(tmp_path, job)
        assert f"sigma = {value}\n" in output(tmp_path, job)
        assert f"dir = runs/small-sigma-{value}\n" in output(tmp_path, job)
    assert slurm.wait_end(f"{array}_2") == ("FAILED", USAGE)
    assert "task 2 has none of the 2 values" in output(tmp_path, f"{array}_2")


def test_arguments_are_passed_on(slurm, tmp_path):
    job = slurm.submit(tmp_path, write_config(tmp_path), "--check", "--set", "run.dir=elsewhere")
    assert slurm.wait_end(job) == ("COMPLETED", DONE), output(tmp_path, job)
    assert "elsewhere" in output(tmp_path, job)


def test_ranks_know_the_end(slurm, tmp_path):
    program = tmp_path / "tells"
    program.write_text("#!/bin/sh\necho end $SLURM_JOB_END_TIME\n")
    program.chmod(0o755)
    job = slurm.submit(tmp_path, write_config(tmp_path), ranks=1, options=["--time=30"],
                       AE_DIST=str(program))
    assert slurm.wait_end(job) == ("COMPLETED", DONE), output(tmp_path, job)
    started_s = time.mktime(time.strptime(slurm.show(job)["StartTime"], "%Y-%m-%dT%H:%M:%S"))
    assert f"\nend {started_s + 30 * 60:.0f}\n" in output(tmp_path, job)


@pytest.mark.parametrize("arguments, message", [
    ([], "no configuration given"),
    (["nowhere.ini"], "can't read the configuration nowhere.ini"),
])
def test_configuration_missing(slurm, tmp_path, arguments, message):
    job = slurm.submit(tmp_path, *arguments)
    assert slurm.wait_end(job) == ("FAILED", USAGE)
    assert message in output(tmp_path, job)


def test_time_limit(slurm, limited):
    folder, job = limited
    slurm.wait_text(folder, job, "stopped on request")
    if slurm.wait(job, "PENDING", *ENDED)[0] == "PENDING":
        slurm.start_soon(job)
    assert slurm.wait_end(job) == ("COMPLETED", DONE), output(folder, job)
    alone = run(folder, "small.ini", "--set", "run.dir=alone")
    assert last_hash(folder) == alone.hash


def test_launcher_that_hangs(slurm, hung):
    """It is ended, and the job would be queued again."""
    folder, job = hung
    assert slurm.wait_end(job) == ("FAILED", 128 + signal.SIGKILL), output(folder, job)
    assert "not queued again" in output(folder, job)
