"""A disk that is full, read-only or gone, at any moment or at any call that writes a file.

A submission that meets it must end with one message and the exit code for files; once the disk is
well again, the same command must come to the same end. What fails but once, with an error that may
pass, must not end it."""
import contextlib
import errno
import os
import shutil
import signal
import subprocess

from common import DONE, Campaign, call_fault, check_whole, send, sleep_into
from support import FILES, assert_refused

MOUNTS = "AE_CAMPAIGN_MOUNTS"  # set where this process may mount, in a namespace of its own
TMPFS_KB = 700  # what the run needs, with a new file beside an old one


def enter_namespace(arguments):
    """Starts the campaign again in a mount namespace of its own, where that is allowed."""
    if MOUNTS in os.environ:
        return
    with contextlib.suppress(OSError):
        if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0:
            os.environ[MOUNTS] = "1"
            os.execvp("unshare", ["unshare", "--mount", *arguments])
    print("disk: no right to mount: no tmpfs that is full or read-only", flush=True)


def mount(*arguments):
    subprocess.run(["mount", "-t", "tmpfs", "-o", *map(str, arguments)], check=True)


def empty(folder):
    """Removes what is in it, also while a run goes on making new files."""
    while folder.exists() and any(folder.iterdir()):
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


class Disk(Campaign):
    name, aim = "disk", 100

    def case(self, case):
        kinds = [self.calls_fail, self.call_fails, self.passes, self.removed, self.moved]
        if MOUNTS in os.environ:
            kinds += [self.full, self.read_only, self.covered]
        kind = case.generator.choice(kinds)
        if kind == self.passes:
            self.passes(case)
        else:
            self.end(case, kind)
        case.count(kind.__name__.replace("_", " "))

    def end(self, case, kind):
        """A fault of that kind ends a submission; the next comes to the run's end."""
        case.run_dir.mkdir()
        with contextlib.ExitStack() as stack:
            if kind in (self.full, self.read_only):
                mount("size=64m", "campaign", case.run_dir)
                stack.callback(subprocess.run, ["umount", "-l", case.run_dir], check=True)
            while True:
                run, reason = kind(case)
                if run.code != DONE:
                    break
                case.tell("not met: begun anew")
                case.run_dir.mkdir(exist_ok=True)
                empty(case.run_dir)
            assert_refused(run, FILES, *reason)
            check_whole(case.run_dir)
            case.finish(self.expected)

    def fail(self, case, numbers, count):
        """So many calls from some on, with one of the errnos, which is returned too."""
        number, at = case.generator.choice(numbers), case.generator.randint(1, self.calls)
        case.tell(f"{errno.errorcode[number]} at call {at}")
        return case.wait(case.submit(call_fault(case, at, number, count))), [os.strerror(number)]

    def calls_fail(self, case):
        """All calls from some on."""
        return self.fail(case, [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS], 0)

    def call_fails(self, case):
        """A single call."""
        return self.fail(case, [errno.ENOSPC, errno.EDQUOT, errno.EROFS], 1)

    def passes(self, case):
        """A single call, with what may pass."""
        numbers = [errno.EIO, errno.EBUSY, errno.ESTALE, errno.EACCES, errno.EINTR]
        run, _ = self.fail(case, numbers, 1)
        assert run.code == DONE, f"exit code {run.code}; {run.tail}"
        case.finish(self.expected)

    def removed(self, case):
        run = case.submit()
        sleep_into(run, case, self.usual_s)
        case.tell("folder removed")
        while case.run_dir.exists():
            shutil.rmtree(case.run_dir, ignore_errors=True)
        return case.wait(run), ["No such file or directory"]

    def moved(self, case):
        """Out of sight till the end."""
        run = case.submit()
        sleep_into(run, case, self.usual_s)
        case.tell("folder moved")
        away = case.run_dir.with_name("away")
        case.run_dir.rename(away)
        case.wait(run)
        shutil.rmtree(case.run_dir, ignore_errors=True)
        away.rename(case.run_dir)
        return run, ["No such file or directory"]

    def full(self, case):
        size = case.generator.randint(4, TMPFS_KB)
        case.tell(f"tmpfs of {size} KB")
        mount(f"remount,size={size}k", case.run_dir)
        run = case.wait(case.submit())
        mount("remount,size=64m", case.run_dir)
        return run, [os.strerror(errno.ENOSPC)]

    def read_only(self, case):
        """The next submission finds the folder read-only."""
        run = case.submit()
        sleep_into(run, case, self.usual_s)
        send(run.processes(), signal.SIGKILL)
        if case.wait(run).code == DONE:
            return run, []
        mount("remount,ro", case.run_dir)
        run = case.wait(case.submit())
        mount("remount,rw", case.run_dir)
        return run, [os.strerror(errno.EROFS)]

    def covered(self, case):
        """An empty read-only folder stands in its place till the end."""
        run = case.submit()
        sleep_into(run, case, self.usual_s)
        case.tell("folder covered")
        mount("ro", "campaign", case.run_dir)
        case.wait(run)
        subprocess.run(["umount", "-l", case.run_dir], check=True)
        return run, []
