"""What the person sees: help, versions, the plan, progress, and what is said but once."""
import os
import pty
import re
import shlex
import subprocess
import threading

import numpy as np
import pytest
import support
from support import Run, run, write_config

RANKS = 4
SECTIONS = {"run", "data", "model", "train", "noise", "mask", "optimizer", "schedule", "output"}


def lines_once(text):
    """The lines; none may be there twice."""
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) == len(set(lines)), "lines are repeated:\n" + text[-3000:]
    return lines


def values(text):
    """The "section.key": value of an ini text."""
    found, section, name = {}, None, None
    for line in text.splitlines():
        if line.startswith("["):
            section = line[1:-1]
        elif line.startswith(" "):
            found[name] += line
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            name = f"{section}.{key.strip()}"
            found[name] = value.strip()
    return found


@pytest.mark.parametrize("ranks", [None, RANKS])
def test_help(tmp_path, ranks):
    text = run(tmp_path, "--help", ranks=ranks).stdout
    lines_once(text)
    assert text.startswith("Usage: mpirun -np RANKS ae_dist [options] CONFIG")
    for option in ("--set", "--check", "--print-config", "--quiet", "--version", "--help"):
        assert text.count(f"\n  {option} ") == 1
    for code in (0, 2, 3, 4, 5, 75):
        assert re.search(rf"\b{code} [a-z]", text.partition("Exit codes:")[2]), code
    keys = re.findall(r"^  ([a-z]+)\.\w+ ", text, re.MULTILINE)
    assert set(keys) == SECTIONS and len(keys) > 30


@pytest.mark.parametrize("ranks", [None, RANKS])
def test_version(tmp_path, ranks):
    lines = lines_once(run(tmp_path, "--version", ranks=ranks).stdout)
    assert re.fullmatch(r"ae_dist \d+\.\d+\.\d+", lines[0])
    fields = dict(line.split(None, 1) for line in lines[1:])
    assert list(fields) == ["revision", "compiler", "MPI", "HDF5", "kernels"]
    assert re.fullmatch(r"([0-9a-f]{12}(-dirty)?|unknown)", fields["revision"])
    assert re.fullmatch(r"1\.\d+\.\d+", fields["HDF5"])
    assert fields["kernels"] in support.KERNELS


def test_version_tells_the_kernels_in_use(tmp_path):
    assert "kernels   ref\n" in run(tmp_path, "--version", ranks=None, kernels="ref").stdout


# ---- the configuration ----


def test_printed_configuration_gives_itself(tmp_path):
    config = write_config(tmp_path, {"optimizer.lr": 0.1, "noise.clamp_min": -0.3})
    first = run(tmp_path, "--print-config", config, ranks=RANKS).stdout
    assert values(first)["optimizer.lr"] == "0.1"
    assert values(first)["noise.test_sigma"] == "0.1"  # follows noise.sigma
    assert first.count("\n# ") == len(values(first)), "a line of help a key"
    assert {key.partition(".")[0] for key in values(first)} == SECTIONS
    (tmp_path / "again.ini").write_text(first)
    assert run(tmp_path, "--print-config", "again.ini", ranks=None).stdout == first
    assert not (tmp_path / "run").exists()


SHIPPED = sorted((support.ROOT / "configs").rglob("*.ini"))
BENCH = [path for path in SHIPPED if path.parent.name == "bench"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_configurations(tmp_path, path):
    """Each is valid, names its run after itself, and is the defaults with what it says."""
    said = values(path.read_text())
    if said.get("data.source") == "pictures":  # the networks' channels are those of the pictures
        for folder in said["data.train"], said["data.test"]:
            (tmp_path / folder).mkdir(parents=True)
            support.write_png(tmp_path / folder / "one.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / path.name).write_text("")
    defaults = values(run(tmp_path, "--print-config", path.name, ranks=None).stdout)
    found = values(run(tmp_path, "--print-config", path, ranks=None).stdout)
    assert found["run.dir"] == f"runs/{path.stem}"
    changed = {key for key in found if found[key] != defaults[key]}
    changed -= {"noise.test_sigma", "noise.test_level"}  # which follow others
    assert changed <= said.keys() <= found.keys()


@pytest.mark.parametrize("path", BENCH, ids=lambda path: path.name)
def test_networks_to_measure(tmp_path, path):
    """Each can be trained as it is, without files, in whole batches."""
    told = run(tmp_path, "--check", path, ranks=None).stdout
    found = values(path.read_text())
    assert int(found["data.train_images"]) % int(found["train.batch"]) == 0
    assert found["data.source"] == "deadleaves" and f", {found['train.batch']} images a step" in told
    assert os.listdir(tmp_path) == []


def test_the_manual_tells_every_key(tmp_path):
    """Its default, which the file has, and its help, with which its comment begins."""
    manual = support.ROOT / "configs" / "manual.ini"
    text = manual.read_text().replace("\n# dir = runs/manual\n", "\ndir = runs/manual\n")
    (tmp_path / "manual.ini").write_text("")
    defaults = run(tmp_path, "--print-config", "manual.ini", ranks=None).stdout
    assert run(tmp_path, "--print-config", manual, ranks=None).stdout == defaults
    assert list(values(text)) == list(values(defaults))
    for helped, key in re.findall(r"^# (.*) \(.*\)\n(\w+) =", defaults, re.M):
        comments = re.findall(r"((?:^#.*\n)+)" + key + " =", text, re.M)
        told = [" ".join(comment.replace("#", " ").split()) for comment in comments]
        assert any(comment.startswith(helped.partition(" (")[0]) for comment in told), key


def test_run_folder_is_named_after_the_file(tmp_path):
    (tmp_path / "mine.ini").write_text("[train]\nepochs = 1\n")
    found = values(run(tmp_path, "--print-config", "mine.ini", ranks=None).stdout)
    assert found["run.dir"] == "runs/mine"


def test_set_is_repeatable_and_the_last_wins(tmp_path):
    config = write_config(tmp_path)
    before = values(run(tmp_path, "--print-config", config, ranks=None).stdout)
    after = values(run(tmp_path, "--set", "train.batch=30", "--print-config", config, "--set",
                       "noise.sigma = 0.2", "--set", "train.batch=40", ranks=None).stdout)
    changed = {key: value for key, value in after.items() if before[key] != value}
    assert changed == {"train.batch": "40", "noise.sigma": "0.2", "noise.test_sigma": "0.2"}


def printed(folder, *arguments, **how):
    return values(run(folder, "--print-config", *arguments, ranks=None, **how).stdout)


def test_paths_are_what_a_shell_would_make_of_them(tmp_path):
    options = {"run.dir": "~/runs/x", "data.dir": '"${SCRATCH}/Run #3/x" # the images'}
    config = write_config(tmp_path, options)
    where = {"HOME": "/there", "SCRATCH": "/disk 1"}
    found = printed(tmp_path, config, variables=where)
    assert (found["run.dir"], found["data.dir"]) == ("/there/runs/x", "'/disk 1/Run #3/x'")
    by_set = printed(tmp_path, "--set", "run.dir=$SCRATCH/ae", config, variables=where)
    assert by_set["run.dir"] == "/disk 1/ae"
    (tmp_path / "a #3.ini").write_text("")
    assert printed(tmp_path, "a #3.ini")["run.dir"] == "'runs/a #3'"
    text = run(tmp_path, "--print-config", config, ranks=None, variables=where).stdout
    (tmp_path / "again.ini").write_text(text)
    assert run(tmp_path, "--print-config", "again.ini", ranks=None).stdout == text


def with_rank(script):
    """A program that does `script` with the rank in $rank, and then is the program."""
    return ["sh", "-c", f'rank=${{OMPI_COMM_WORLD_RANK-$PMI_RANK}}; {script}; exec "$0" "$@"',
            support.PROGRAM]


def test_the_environment_of_rank_0_counts(tmp_path):
    config = write_config(tmp_path, {"run.dir": "$BASE/run"})
    run(tmp_path, config, program=with_rank('export BASE="of rank $rank"'))
    run(tmp_path, config, "--set", "run.dir=${BASE}/again",
        program=with_rank('[ "$rank" != 0 ] || export BASE="of rank $rank"'))
    assert {path.name for path in tmp_path.iterdir()} == {config, "of rank 0"}
    assert {path.name for path in (tmp_path / "of rank 0").iterdir()} == {"run", "again"}
    refused = run(tmp_path, config, expect=None,
                  program=with_rank('[ "$rank" = 0 ] || export BASE="of rank $rank"'))
    support.assert_refused(refused, support.USAGE, "small.ini:2: [run] dir: $BASE stands for the "
                           "environment variable BASE, which is not set where rank 0 runs; set it")


def test_a_path_that_a_comment_would_cut(tmp_path):
    config = write_config(tmp_path, {"run.dir": "out/Run #3/x"})
    support.assert_refused(run(tmp_path, config, expect=None), support.USAGE,
                           "[run] dir: 'out/Run' would be cut by a comment, '#3/x'")
    config = write_config(tmp_path, {"run.dir": "out/Run # 3"})
    said = run(tmp_path, "--check", config).stderr
    assert said.count("warning: ") == said.count("the path is 'out/Run', and '# 3' a comment") == 1


def test_characters_that_mislead_are_shown(tmp_path):
    (tmp_path / "x.ini").write_text("[noise]\nsigma\u00a0= 0.1\n")
    support.assert_refused(run(tmp_path, "x.ini", expect=None), support.USAGE,
                           "x.ini:2: unknown key sigma<U+00A0> in [noise], the nearest is [noise] "
                           "sigma;")
    config = write_config(tmp_path)
    for arguments, told in (
            (["--set", "noise.clamp_min=\u22121", config], "'<U+2212>1' is not a number"),
            (["\u2013check", config], "<U+2013>check: one configuration file is enough"),
            ([config, "\u2212\u2212check"], "<U+2212><U+2212>check: one configuration file"),
            ([config, "\u2212\u2212set", "run.seed=1"], "<U+2212><U+2212>set: one configuration file"),
            (["\u2212\u2212set", "run.seed=1", config], "<U+2212><U+2212>set: one configuration file"),
            (["a\u200b.ini"], "can't read the configuration file a<U+200B>.ini: "),
            ([config, "--che\u0441k"], "unknown option --che<U+0441>k;")):
        done = run(tmp_path, *arguments, expect=support.USAGE, ranks=None)
        support.assert_refused(done, support.USAGE, told)


def test_configuration_of_1_MiB(tmp_path):
    """Its end counts; one byte more is refused."""
    end = b"\n[train]\nbatch = 7"
    (tmp_path / "x.ini").write_bytes(b"\n" * ((1 << 20) - len(end)) + end)
    assert printed(tmp_path, "x.ini")["train.batch"] == "7"
    (tmp_path / "x.ini").write_bytes(b"\n" * ((1 << 20) - len(end)) + end + b"0")
    support.assert_refused(run(tmp_path, "x.ini", expect=None), support.USAGE,
                           "x.ini: is too large for a configuration; allowed: at most 1048576 bytes")


# ---- options in any place ----


@pytest.mark.parametrize("variables", [{}, {"POSIXLY_CORRECT": "1"}])
def test_options_may_follow_the_file(tmp_path, variables):
    config = write_config(tmp_path)
    found = printed(tmp_path, config, "--set", "train.batch=30", variables=variables)
    assert found["train.batch"] == "30"
    refused = run(tmp_path, config, "--set", "train.batch=30", "-np", "2", expect=None,
                  variables=variables)
    support.assert_refused(refused, support.USAGE, "unknown option -np; the launcher's options "
                           "stand before the program, as in mpirun -np 2 ae_dist; see ae_dist --help")


@pytest.mark.parametrize("option, told", [
    ("-set", "unknown option -set; it is written --set; see ae_dist --help"),
    ("-qx", "unknown option -qx; see ae_dist --help"),
    ("--bind-to", "unknown option --bind-to; the launcher's options stand before the program"),
    ("--check=yes", "--check=yes: --check takes no value"),
    ("train.batch=3", "train.batch=3: one configuration file is enough")])
@pytest.mark.parametrize("before", [True, False])
def test_the_wrong_option_is_named(tmp_path, option, told, before):
    config = write_config(tmp_path)
    arguments = [option, config] if before else [config, option]
    support.assert_refused(run(tmp_path, *arguments, expect=None, ranks=None), support.USAGE, told)


# ---- the plan ----


def test_check_prints_the_plan(tmp_path):
    config = write_config(tmp_path)
    done = run(tmp_path, "--check", config, ranks=3, threads=2)
    lines = {line.split(None, 1)[0]: line.split(None, 1)[1] for line in lines_once(done.stdout)}
    host = re.escape(os.uname().nodename.split(".")[0]) + r"[\w.-]*"
    assert re.match(r"3 ranks x 2 threads \(6 in all\) on \d+ cores? of 1 host \(" + host + r":3\); "
                    r"6 to 7 blocks of a step a rank; kernels (" + "|".join(support.KERNELS) + ")$",
                    lines["workers"])
    assert lines["images"] == "dead leaves, 130 to train on and 20 to test on"
    assert lines["steps"].endswith("7 steps each, 20 images a step")
    assert lines["total"] == "14 steps"
    megabytes = re.match(r"([\d.]+) MB a rank and ([\d.]+) MB of images a node", lines["memory"])
    assert megabytes and abs(float(megabytes[2]) - 150 * support.RECORD_SIZE / 1e6) < 0.06
    assert sorted(path.name for path in tmp_path.iterdir()) == [config], "nothing is written"


def test_check_leaves_a_run_alone(tmp_path):
    config = write_config(tmp_path)
    run(tmp_path, config)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    run(tmp_path, "--check", config)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("block, warned", [(1, False), (20, True)])
def test_more_threads_than_blocks(tmp_path, block, warned):
    done = run(tmp_path, "--check", "--set", f"train.block={block}", write_config(tmp_path),
               ranks=RANKS)
    assert done.stderr.count("a step has 1 block of images for 4 threads") == warned
    assert done.stderr.count("raise train.batch, lower train.block, or start fewer") == warned


@pytest.mark.parametrize("threads, warned", [(1, False), (4096, True)])
def test_more_threads_than_cores(tmp_path, threads, warned):
    done = run(tmp_path, "--check", write_config(tmp_path), ranks=1, threads=threads)
    assert done.stderr.count(f"{threads} threads share ") == warned
    assert done.stderr.count("or a lower OMP_NUM_THREADS, are faster") == warned


def test_threads_where_none_are_asked_for(tmp_path):
    """Cores that the rank may use, over the ranks that share them, and at least one."""
    cores = support.cores()
    config = write_config(tmp_path)
    for ranks, total in ((1, cores), (cores + 1, cores + 1)):
        said = run(tmp_path, "--check", config, ranks=ranks, threads=None).stdout
        assert f"({total} in all)" in said


def test_binding_to_one_core_is_warned_of(tmp_path):
    """What mpirun does of itself for one rank; --bind-to none is the cure it names."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("this machine has one core")
    config = write_config(tmp_path)
    bound = run(tmp_path, config, ranks=1, threads=None, launcher=[])
    assert bound.stderr.count("mpirun bound a rank to one core") == 1
    assert bound.stderr.count("start it as mpirun --bind-to none, or --map-by slot:PE=n") == 1
    cured = run(tmp_path, "--check", config, ranks=1, threads=None)
    assert "bound a rank" not in cured.stderr


# ---- a run's output ----


def test_eight_ranks_run_to_the_end_and_say_everything_once(tmp_path):
    done = run(tmp_path, write_config(tmp_path), ranks=8, threads=None, launcher=[])
    lines = lines_once(done.stdout)
    assert [line.split()[0] for line in lines] == ["ae_dist", "run", "network", "images", "steps",
                                                   "workers", "epoch", "epoch", "hash", "results",
                                                   "figures"]
    assert re.fullmatch(r"epoch  1/2  loss \d\.\d{5}  test \d\.\d{5}  PSNR [\d.]+ dB  "
                        r"SSIM -?[\d.]+  \d+ images/s  allreduce \d+ %", lines[6])
    assert lines[9] == "results  run/results.h5, the network in run/model.h5"
    assert lines[10] == "figures  python3 analysis/figures.py run"
    assert "\r" not in done.text and "\033" not in done.text
    lines_once(done.stderr)


def test_hints_can_be_pasted(tmp_path):
    config = write_config(tmp_path, {"run.dir": "\"my runs/it's #3\""})
    lines = run(tmp_path, config, ranks=1).stdout.splitlines()
    words = {line.split()[0]: shlex.split(line) for line in lines if line.startswith(("re", "fi"))}
    assert words["figures"] == ["figures", "python3", "analysis/figures.py", "my runs/it's #3"]
    assert words["results"][1] == "my runs/it's #3/results.h5,"
    assert (tmp_path / "my runs" / "it's #3" / "results.h5").exists()


def test_scripts_quote_what_they_print():
    words = ["sh", "a b", "it's", "", "$HOME", "a=b,c", "#", "~", "x\ny'", "-n"]
    done = subprocess.run(["sh", "-c", '. jobs/setup.sh; ae_quote "$@"', "sh", *words], check=True,
                          cwd=support.ROOT, capture_output=True, text=True)
    assert shlex.split(done.stdout) == words
    assert done.stdout.startswith("sh 'a b' ")


def test_quiet(tmp_path):
    config = write_config(tmp_path)
    done = run(tmp_path, "--quiet", config, ranks=1)
    assert done.text == ""
    assert len(support.checkpoints(tmp_path / "run")) == 2
    refused = run(tmp_path, "--quiet", "none.ini", expect=support.USAGE, ranks=RANKS)
    assert refused.stderr.count("ae_dist: error: ") == 1 and refused.stdout == ""


def on_terminal(folder, *arguments, **how):
    """What a person at a terminal would see, and the run."""
    terminal, program = pty.openpty()
    pieces = []

    def read():
        try:
            while piece := os.read(terminal, 4096):
                pieces.append(piece)
        except OSError:  # the other side is closed
            pass

    with Run(folder, arguments, stdout=program, **how) as started:
        os.close(program)
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        started.wait()
        reader.join(10)
    os.close(terminal)
    return b"".join(pieces).decode(), started


@pytest.mark.parametrize("ranks", [None, 2])
def test_progress_on_a_terminal(tmp_path, ranks):
    config = write_config(tmp_path, {"data.train_images": 6110, "train.epochs": 3})
    text, done = on_terminal(tmp_path, config, ranks=ranks)
    assert done.code == support.DONE, text[-2000:]
    moves = re.findall(r"\repoch (\d)/4  step (\d+)/306  (\d+) images/s  loss (\d\.\d{5})  "
                       r"[\w ]+ left\033\[K", text)
    assert len(moves) >= 4, text[-2000:]
    places = [(int(epoch), int(step)) for epoch, step, _, _ in moves]
    assert places == sorted(places)
    assert all(0.001 < float(loss) < 1 for _, _, _, loss in moves)
    # A terminal ends lines with \r\n, and shows of a line what follows its last other \r.
    shown = [line.rpartition("\r")[2].replace("\033[K", "") for line in text.split("\r\n")]
    assert [line.split()[1] for line in shown if line.startswith("epoch")] == \
        ["1/4", "2/4", "3/4", "4/4"]
    assert shown[-2].startswith("figures  ")


def test_no_progress_line_when_quiet(tmp_path):
    text, done = on_terminal(tmp_path, "--quiet", write_config(tmp_path), ranks=1)
    assert done.code == support.DONE and text == ""
