"""The images in a node's memory where /dev/shm is too small for them."""
import subprocess

import pytest
import support
from support import Run, write_config

IMAGES = {"data.train_images": 1500, "data.test_images": 100}  # 4.9 MB


def run_with_shared_memory(folder, size):
    """Runs on 2 ranks in a mount namespace whose /dev/shm has `size` bytes."""
    script = f"mount -t tmpfs -o size={size} tmpfs /dev/shm && exec \"$@\""
    command = ["unshare", "--mount", "sh", "-c", script, "sh", support.MPIEXEC, "-np", "2",
               "--bind-to", "none", support.PROGRAM, "small.ini"]
    return subprocess.run(command, cwd=folder, env=support.environment(1), text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=100, check=False)


def can_mount():
    probe = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /dev/shm"]
    try:
        return subprocess.run(probe, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not can_mount(), reason="needs root, or the right to mount a small /dev/shm")
@pytest.mark.parametrize("size, copies", [("11m", True), ("64m", False)])
def test_small_shared_memory(tmp_path, size, copies):
    write_config(tmp_path, IMAGES)
    done = run_with_shared_memory(tmp_path, size)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("/dev/shm has no room") == copies
    found = [line for line in done.stdout.splitlines() if line.startswith("hash ")]
    (tmp_path / "alone").mkdir()
    write_config(tmp_path / "alone", IMAGES)
    with Run(tmp_path / "alone", ["small.ini"], ranks=None) as alone:
        assert found == [f"hash     {alone.wait().hash}"]
