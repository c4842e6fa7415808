"""Several hosts over TCP, which hosts.sh brings up for each test: the same bits, images read once a
host, and links, hosts, ranks and daemons that fail."""
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import h5py
import pytest
import support
from support import (DATA, DONE, STOPPED, Run, assert_refused, checkpoints, differences, epoch_line,
                     numbers, run, write_config)

HOSTS_SH = Path(__file__).with_name("hosts.sh")
TOOLS = "ip nsenter unshare".split()
SBIN = "/usr/sbin:/sbin"
HOSTS = ["n1", "n2", "n3", "n4"]  # mpirun and rank 0 are on n1
RANKS_PER_HOST = 2
LIFE_S = 200  # of the hosts, should nobody end them
END_S = 60  # a job that lost a host, a rank or a daemon ends in 10 s; a longer one hangs

# Open MPI's daemons find a silent peer after 3 s to 5 s.
KEEPALIVES = {"oob_tcp_keepalive_time": 2, "oob_tcp_keepalive_intvl": 1,
              "oob_tcp_keepalive_probes": 3}
# Long enough to lose something on the way.
EPOCHS = 30
TRAINING = {"train.pretrain_epochs": 0, "train.epochs": EPOCHS}
EPOCH_STEPS = 7


def why_not():
    """Why there can be no hosts here, or None."""
    if os.geteuid() != 0:
        return "hosts in network namespaces need root"
    missing = [tool for tool in TOOLS if not shutil.which(tool, path=f"{os.environ['PATH']}:{SBIN}")]
    return f"{', '.join(missing)} missing: install iproute2, util-linux" if missing else None


pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


class Hosts:
    """The tests' hosts, and runs on them."""

    def __init__(self, folder):
        self.folder = folder

    def call(self, command, *arguments, check=True):
        return subprocess.run(["sh", HOSTS_SH, command, self.folder, *arguments], text=True,
                              check=check, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)

    def run(self, folder, config, hosts=tuple(HOSTS), keepalives=None):
        """The program under way on `hosts`, started on the first of them."""
        launcher = ["--bind-to", "none",
                    "--host", ",".join(f"{host}:{RANKS_PER_HOST}" for host in hosts)]
        for name, value in (keepalives or KEEPALIVES).items():
            launcher += ["--mca", name, str(value)]
        return Run(folder, [config], ranks=RANKS_PER_HOST * len(hosts), launcher=launcher,
                   before=["sh", HOSTS_SH, "on", self.folder, hosts[0], "exec"],
                   variables={"OMPI_MCA_plm_rsh_agent": f"sh {HOSTS_SH} on {self.folder}"})

    def first_process(self, host):
        """A process of the host that lives as long as it does."""
        return Path("/proc") / (self.folder / host).read_text().strip()

    def processes(self, host, program):
        """Numbers of the host's processes that run `program`."""
        numbers = self.call("processes", host).stdout.split()
        return [int(pid) for pid in numbers if program_of(pid) == os.path.realpath(program)]

    def received_bytes(self, host):
        lines = (self.first_process(host) / "net" / "dev").read_text().splitlines()
        [fields] = [line.split() for line in lines if line.split()[0] == "eth0:"]
        return int(fields[1])

    def shared_memory_bytes(self, host):
        disk = os.statvfs(self.first_process(host) / "root" / "dev" / "shm")
        return (disk.f_blocks - disk.f_bfree) * disk.f_frsize

    def wait_for_end(self, started, hosts):
        """Waits until the job has ended, in time, and nothing of it is left on `hosts`."""
        end = time.monotonic() + END_S
        started.wait(END_S)
        for host in hosts:
            while pids := self.call("processes", host).stdout.split()[1:]:
                assert time.monotonic() < end, f"still on {host}: {list(map(program_of, pids))}"
                time.sleep(0.1)


def program_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:  # it ended meanwhile
        return None


@pytest.fixture
def hosts(tmp_path):
    hosts = Hosts(tmp_path / "hosts")
    try:
        up = hosts.call("up", str(len(HOSTS)), str(LIFE_S), check=False)
        if up.returncode != 0:
            pytest.skip(f"no hosts come up here: {up.stdout[-2000:]}")
        yield hosts
    finally:
        hosts.call("down")


@pytest.fixture(scope="module")
def one_host(tmp_path_factory):
    """The numbers of one rank on one host."""
    folder = tmp_path_factory.mktemp("one_host")
    done = run(folder, write_config(folder, TRAINING), ranks=1)
    return {"printed": done.hash, **numbers(folder / "run")}


def assert_same_numbers(done, run_dir, one_host):
    assert done.code == DONE, done.tail
    assert differences({"printed": done.hash, **numbers(run_dir)}, one_host) == []


def assert_goes_on(hosts, folder, left, one_host):
    """What is there is whole, and the run ends on the hosts that are left as if nothing had been."""
    assert all(support.arrays(path, "parameters") for path in checkpoints(folder / "run"))
    assert len(checkpoints(folder / "run")) >= 1
    with hosts.run(folder, "small.ini", left) as again:
        again.wait()
    assert "goes on" in again.stdout
    assert_same_numbers(again, folder / "run", one_host)
    assert not list((folder / "run").rglob("*.tmp.*"))


def provenance(run_dir, column):
    with h5py.File(run_dir / "results.h5", "r") as file:
        return file["provenance"][column][()].tolist()


def test_four_hosts(hosts, one_host, tmp_path):
    with hosts.run(tmp_path, write_config(tmp_path, TRAINING)) as done:
        done.wait()
    assert_same_numbers(done, tmp_path / "run", one_host)
    assert provenance(tmp_path / "run", "hosts") == [b"n1:2,n2:2,n3:2,n4:2"]
    # Each host's network carried the gradients: 1,611 int64 a step.
    steps = EPOCH_STEPS * EPOCHS
    assert min(map(hosts.received_bytes, HOSTS)) > steps * 1611 * 8


# ---- the images of each host ----


def once(counted, size):
    """Is this the size of the images, and what else is read or kept besides (libraries, messages),
    and not twice their size?"""
    return size <= counted < 1.5 * size


def bytes_read(pids):
    """By these processes."""
    words = [Path(f"/proc/{pid}/io").read_text().split() for pid in pids]
    return sum(int(word[word.index("rchar:") + 1]) for word in words)


def test_images_are_read_and_kept_once_a_host(hosts, tmp_path):
    """Counted by the kernel; and SIGUSR1 reaches all hosts."""
    support.write_cifar10(tmp_path / "cifar")
    images = {"data.train_images": 9900, "data.test_images": 100}
    size = sum(images.values()) * support.RECORD_SIZE
    options = {**images, "data.source": "cifar10", "data.dir": "cifar", "train.batch": 1000,
               "train.pretrain_epochs": 0, "train.epochs": 1000}
    with hosts.run(tmp_path, write_config(tmp_path, options)) as started:
        started.wait_for(epoch_line(1, 1000))
        for host in HOSTS:
            ranks = hosts.processes(host, support.PROGRAM)
            assert len(ranks) == RANKS_PER_HOST
            assert once(bytes_read(ranks), size)
            assert once(hosts.shared_memory_bytes(host), size)
            assert not once(bytes_read(ranks[:1]), size)
            assert not once(2 * hosts.shared_memory_bytes(host), size)
        started.send(signal.SIGUSR1)
        assert started.wait().code == STOPPED, started.tail


def test_a_host_with_other_images(hosts, tmp_path):
    support.write_cifar10(tmp_path / "cifar")
    support.write_cifar10(tmp_path / "other", images=190)
    hosts.call("on", "n3", f"mount --bind {tmp_path}/other {tmp_path}/cifar")
    options = {"data.source": "cifar10", "data.dir": "cifar", "data.train_images": 200}
    with hosts.run(tmp_path, write_config(tmp_path, options)) as done:
        done.wait()
    assert_refused(done, DATA, "rank 4 on n3: its images", "are not those of rank 0",
                   "give every host the same files in data.dir")


# ---- failures ----


def test_link_down_for_seconds(hosts, one_host, tmp_path):
    """The job waits, and goes on by itself."""
    keepalives = {**KEEPALIVES, "oob_tcp_keepalive_time": 30}
    with hosts.run(tmp_path, write_config(tmp_path, TRAINING), keepalives=keepalives) as started:
        started.wait_for(epoch_line(2, EPOCHS))
        hosts.call("unplug", "n3")
        time.sleep(1)  # what it had said by then has been read
        said = started.stdout
        time.sleep(2)
        assert started.stdout == said and epoch_line(EPOCHS, EPOCHS) not in said, "it doesn't need n3"
        hosts.call("plug", "n3")
        started.wait()
    assert_same_numbers(started, tmp_path / "run", one_host)
    assert len(provenance(tmp_path / "run", "hosts")) == 1


@pytest.mark.parametrize("how, host", [("unplug", "n4"), ("unplug", "n1"), ("fail", "n1")],
                         ids=lambda value: value)
def test_host_lost_for_good(hosts, one_host, tmp_path, how, host):
    """The job ends, on a host that is cut off too."""
    with hosts.run(tmp_path, write_config(tmp_path, TRAINING)) as started:
        started.wait_for(epoch_line(2, EPOCHS))
        hosts.call(how, host)
        left = [name for name in HOSTS if name != host]
        hosts.wait_for_end(started, left if how == "fail" else HOSTS)
    assert started.code not in (DONE, STOPPED), started.tail
    assert_goes_on(hosts, tmp_path, left, one_host)


@pytest.mark.parametrize("victim", ["rank", "daemon"])
def test_killed_on_another_host(hosts, one_host, tmp_path, victim):
    program = support.PROGRAM if victim == "rank" else shutil.which("orted")
    with hosts.run(tmp_path, write_config(tmp_path, TRAINING)) as started:
        started.wait_for(epoch_line(2, EPOCHS))
        os.kill(hosts.processes("n4", program)[0], signal.SIGKILL)
        hosts.wait_for_end(started, HOSTS)
    assert started.code not in (DONE, STOPPED), started.tail
    assert_goes_on(hosts, tmp_path, HOSTS[:1], one_host)
