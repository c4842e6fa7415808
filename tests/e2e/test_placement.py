"""Where the ranks' threads run, how many they are, and what the environment has to do with it."""
import errno
import os
import re
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
import support
from support import run, write_config

CORES = sorted(os.sched_getaffinity(0))
UNBOUND, BOUND = ["--bind-to", "none"], ["--bind-to", "core"]
FORBID = Path(os.environ.get("AE_BUILD_DIR", support.ROOT / "build")) / "tests" / "e2e_forbid"
SHARING = re.compile(r"\d+ threads share |binds \d+ threads to |(bound|binds) a rank to ")

two_cores = pytest.mark.skipif(len(CORES) < 2 or support.cores() < len(CORES),
                               reason="this machine has one core, or a CPU quota")


def check(folder, ranks, variables, threads=None, launcher=UNBOUND, **how):
    """The plan's workers as (threads, cores) in all, and the warnings."""
    done = run(folder, "--check", write_config(folder), ranks=ranks, threads=threads,
               launcher=launcher, variables=variables, **how)
    found = re.search(r"\((\d+) in all\) on (\d+) core", done.stdout)
    warnings = [line for line in done.stderr.splitlines() if "ae_dist: warning: " in line]
    return (int(found[1]), int(found[2])), warnings


# ---- OpenMP binds the threads ----


BINDING = [{"OMP_PROC_BIND": "true"}, {"OMP_PLACES": "cores"}, {"OMP_PLACES": "threads"},
           {"OMP_PROC_BIND": "spread", "OMP_PLACES": "threads"},
           {"GOMP_CPU_AFFINITY": " ".join(map(str, CORES))}]


def name(variables):
    return " ".join(f"{key}={value}" for key, value in variables.items())


def test_the_warnings_are_seen():
    for text in ("4 threads share 2 cores", "X=1 binds 2 threads to 1 core", "X=1 binds a rank to one core",
                 "mpirun bound a rank to one core"):
        assert SHARING.search(text)
    assert not SHARING.search("a step has 1 block of images for 4 threads")


@two_cores
@pytest.mark.parametrize("variables", BINDING, ids=name)
def test_one_rank_that_openmp_binds_has_all_cores(tmp_path, variables):
    workers, warnings = check(tmp_path, 1, variables)
    assert workers == (len(CORES), len(CORES))
    assert not any(map(SHARING.search, warnings)), warnings


@two_cores
@pytest.mark.parametrize("variables", BINDING, ids=name)
def test_ranks_that_openmp_binds_to_the_same_cores(tmp_path, variables):
    """One thread each, and all of them on the first core: by the variable, and not by mpirun."""
    (threads, cores), warnings = check(tmp_path, 2, variables, threads=1)
    assert threads == 2 and cores < len(CORES)
    text = f"{name(variables)} binds 2 threads to "
    if cores == 1:  # else a core's hardware threads are one place
        assert sum(text in line for line in warnings) == 1, warnings
    assert not any("mpirun bound" in line for line in warnings), warnings


@two_cores
def test_ranks_that_mpirun_binds_may_bind_their_threads(tmp_path):
    (threads, cores), warnings = check(tmp_path, 2, {"OMP_PROC_BIND": "true"}, launcher=BOUND)
    assert threads <= cores and cores >= 2
    assert not any("OMP_PROC_BIND" in line for line in warnings), warnings


@two_cores
@pytest.mark.parametrize("variable, value", [("GOMP_CPU_AFFINITY", "{}"), ("OMP_PLACES", "{{{}}}")])
def test_a_variable_that_leaves_one_core(tmp_path, variable, value):
    value = value.format(CORES[0])
    workers, warnings = check(tmp_path, 1, {variable: value})
    assert workers == (1, 1)
    assert len(warnings) == 1 and f"{variable}={value} binds a rank to one core" in warnings[0]


@two_cores
def test_mpirun_that_leaves_one_core_is_named_beside_a_variable(tmp_path):
    _, warnings = check(tmp_path, 1, {"OMP_PROC_BIND": "true"}, launcher=BOUND)
    if any("idle" in line for line in warnings):  # a core may be two hardware threads
        assert "mpirun bound a rank to one core" in warnings[0]


def test_a_thread_that_is_asked_for_alone_draws_no_warning(tmp_path):
    workers, warnings = check(tmp_path, 1, {"OMP_PROC_BIND": "true"}, threads=1)
    assert workers[0] == 1
    assert not any(map(SHARING.search, warnings)), warnings


# ---- variables that say nothing, or what can't be ----


@pytest.mark.parametrize("value", ["", "0", "2,abc", "-1", "two", "2,", "99999999999999999999", "1.5"])
def test_threads_that_are_no_number_are_as_unset(tmp_path, value):
    unset, _ = check(tmp_path, 2, {})
    workers, warnings = check(tmp_path, 2, {"OMP_NUM_THREADS": value})
    assert workers == unset
    assert sum(f"OMP_NUM_THREADS='{value}' is taken as unset" in line for line in warnings) == 1
    assert not any(map(SHARING.search, warnings)), warnings


@pytest.mark.parametrize("value", ["3", " 3 , 2 ", "3,1"])
def test_threads_as_openmp_takes_them(tmp_path, value):
    (threads, _), warnings = check(tmp_path, 2, {"OMP_NUM_THREADS": value})
    assert threads == 6 and not any("as unset" in line for line in warnings)


def test_bad_threads_of_a_rank_other_than_the_first(tmp_path):
    config = write_config(tmp_path)
    script = 'if [ "$OMPI_COMM_WORLD_RANK" = 1 ]; then export OMP_NUM_THREADS=x; fi; exec "$@"'
    done = run(tmp_path, "--check", config, ranks=2, program=("sh", "-c", script, "sh",
                                                              support.PROGRAM))
    assert re.search(r"warning: rank 1 on \S+: OMP_NUM_THREADS='x' is taken as unset", done.stderr)
    assert done.stderr.count("taken as unset") == 1


def test_no_active_level_is_as_unset(tmp_path):
    """OpenMP would give each rank one thread of those that were asked for."""
    config = write_config(tmp_path)
    plain = run(tmp_path, config, "--set", "run.dir=plain", ranks=2, threads=2)
    levels = run(tmp_path, config, ranks=2, threads=2, variables={"OMP_MAX_ACTIVE_LEVELS": "0"})
    assert "x 2 threads (4 in all)" in levels.stdout
    assert levels.stderr.count("OMP_MAX_ACTIVE_LEVELS=0 is taken as unset") == 1
    assert levels.hash == plain.hash


def test_a_limit_below_what_is_asked_for(tmp_path):
    (threads, _), warnings = check(tmp_path, 2, {"OMP_THREAD_LIMIT": "2"}, threads=3)
    assert threads == 4
    assert sum("OMP_NUM_THREADS asks for 3 threads, of which OMP_THREAD_LIMIT allows 2" in line
               for line in warnings) == 1
    (threads, _), warnings = check(tmp_path, 2, {"OMP_THREAD_LIMIT": "3"}, threads=3)
    assert threads == 6 and not any("OMP_THREAD_LIMIT" in line for line in warnings)


def test_as_many_threads_as_asked_for_whatever_openmp_would_like(tmp_path):
    config = write_config(tmp_path)
    done = run(tmp_path, config, ranks=1, threads=3, variables={"OMP_DYNAMIC": "true"})
    assert "x 3 threads (3 in all)" in done.stdout


@pytest.mark.parametrize("variable", ["AE_KERNELS", "SLURM_JOB_END_TIME", "SLURM_JOB_ID",
                                      "PMI_RANK", "PMI_SIZE", "OMP_THREAD_LIMIT"])
def test_an_empty_variable_is_an_unset_one(tmp_path, variable):
    unset, before = check(tmp_path, 2, {}, threads=1)
    workers, after = check(tmp_path, 2, {variable: ""}, threads=1)
    assert workers == unset and after == before


def test_an_end_of_the_job_that_is_no_time(tmp_path):
    done = run(tmp_path, write_config(tmp_path), ranks=2, variables={"SLURM_JOB_END_TIME": "noon"})
    assert done.stderr.count("SLURM_JOB_END_TIME=noon is taken as unset") == 1


# ---- control groups ----


@contextmanager
def control_group(cores):
    """The procs file of a control group with a quota, below this process's own."""
    groups = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    own = {kind: path.lstrip("/") for _, kinds, path in groups for kind in kinds.split(",")}
    first, second = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
    group = (first if first.is_dir() else second) / own.get("cpu", own.get("", "")) / \
        f"ae_dist-test-{os.getpid()}"
    try:
        group.mkdir()
        try:
            if first.is_dir():
                (group / "cpu.cfs_quota_us").write_text(str(int(cores * 100000)))
            else:
                (group / "cpu.max").write_text(f"{int(cores * 100000)} 100000")
            yield group / "cgroup.procs"
        finally:
            group.rmdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")


def joining(procs):
    """What is put before a command to have it run in a control group."""
    return ["sh", "-c", 'echo $$ >"$0"; exec "$@"', str(procs)]


def cores_of_scripts(before=(), **variables):
    """What jobs/setup.sh takes for the number of cores."""
    script = "set -eu; . jobs/setup.sh; ae_count_cores; echo $AE_CORES"
    done = subprocess.run([*before, "sh", "-c", script], cwd=support.ROOT, text=True,
                          env=support.environment(None, variables=variables), check=True,
                          stdin=subprocess.DEVNULL, capture_output=True)
    return int(done.stdout)


@two_cores
def test_a_quota_caps_the_threads_and_is_named(tmp_path):
    config = write_config(tmp_path)
    with control_group(1) as procs:
        one = run(tmp_path, "--check", config, ranks=1, threads=None, launcher=UNBOUND,
                  before=joining(procs))
        many = run(tmp_path, "--check", config, ranks=2, threads=1, launcher=UNBOUND,
                   before=joining(procs))
        scripts = cores_of_scripts(joining(procs))
    assert scripts == 1
    assert "1 rank x 1 thread (1 in all)" in one.stdout
    assert one.stdout.count("quota    the time of 1 core, by the CPU quota of the ranks' ") == 1
    assert "warning" not in one.stderr
    assert many.stderr.count("2 threads share the time of 1 core, the CPU quota of their ") == 1


@two_cores
def test_a_quota_of_more_than_all_cores_is_none(tmp_path):
    with control_group(len(CORES)) as procs:
        done = run(tmp_path, "--check", write_config(tmp_path), ranks=1, threads=None,
                   launcher=UNBOUND, before=joining(procs))
    assert f"({len(CORES)} in all)" in done.stdout and "quota" not in done.stdout


# ---- what the job scripts read ----


@pytest.mark.parametrize("variables", [{}, {"OMP_NUM_THREADS": "77"}, {"OMP_THREAD_LIMIT": "1"},
                                       {"OMP_NUM_THREADS": ""}], ids=name)
def test_scripts_count_cores_and_not_threads(variables):
    assert cores_of_scripts(**variables) == support.cores()


@pytest.mark.parametrize("script, variable, value", [
    ("local.sh", "RANKS", "two"), ("local.sh", "RANKS", "0"), ("simulate.sh", "RANKS", "16 x"),
    ("scaling.sh", "ROUNDS", "1.5")])
def test_scripts_refuse_what_is_no_number(tmp_path, script, variable, value):
    env = support.environment(None, variables={variable: value, "OUT": str(tmp_path)})
    done = subprocess.run(["sh", support.ROOT / "jobs" / script], env=env, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=support.TIMEOUT_S)
    assert done.returncode == support.USAGE and done.stdout == ""
    assert done.stderr == (f"{script}: {variable}={value.split()[-1]}; it can be a whole number "
                           "from 1\n")


@pytest.mark.parametrize("script, arguments, variables", [
    ("train.sbatch", ["small.ini"], {"SLURM_JOB_ID": "1"}),
    ("train.pbs", [], {"PBS_JOBID": "1", "CONFIG": "small.ini"})])
def test_jobs_refuse_restarts_that_are_no_number(tmp_path, script, arguments, variables):
    """They would go on without end."""
    write_config(tmp_path)
    env = support.environment(None, variables={
        "RESTARTS": "few", "AE_DIST": support.PROGRAM, **variables})
    done = subprocess.run(["bash", support.ROOT / "jobs" / script, *arguments], cwd=tmp_path,
                          env=env, text=True, stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=support.TIMEOUT_S)
    output = tmp_path / "ae_dist-1.out"
    told = output.read_text() if output.exists() else done.stderr
    assert done.returncode == support.USAGE
    assert told == f"{script}: RESTARTS=few; it can be a whole number\n"


# ---- containers ----


COMPLAINT = re.compile(r"Read -1, expected \d+, errno = \d+")


def forbidding(error):
    if not FORBID.exists():
        pytest.skip("e2e_forbid isn't built")
    return [str(FORBID), str(error)]


@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOSYS])
def test_where_ranks_may_not_read_each_others_memory(tmp_path, error):
    """Open MPI would complain twice a step."""
    done = run(tmp_path, write_config(tmp_path), before=forbidding(error))
    assert not COMPLAINT.search(done.text), done.tail
    assert done.hash == run(tmp_path, write_config(tmp_path), "--set", "run.dir=plain").hash


@pytest.mark.parametrize("how", ["variable", "option"])
def test_what_somebody_set_for_ranks_memory_stays(tmp_path, how):
    """And without what the program does of itself the complaints are there."""
    setting = "btl_vader_single_copy_mechanism"
    variables = {f"OMPI_MCA_{setting}": "cma"} if how == "variable" else {}
    options = [*UNBOUND, "--mca", setting, "cma"] if how == "option" else UNBOUND
    done = run(tmp_path, write_config(tmp_path), before=forbidding(errno.EPERM), launcher=options,
               variables=variables)
    if "Open MPI v4" not in run(tmp_path, "--version", ranks=None).stdout:
        pytest.skip("the variable is one of Open MPI 4's")
    assert COMPLAINT.search(done.text), done.tail
