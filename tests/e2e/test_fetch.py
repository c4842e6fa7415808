"""The script that fetches CIFAR-10, with archives that aren't it; nothing is downloaded."""
import shutil
import subprocess

import pytest
from support import BATCH_NAMES, ROOT

SCRIPT = ROOT / "src" / "data" / "cifar10_fetch.cmake"
pytestmark = pytest.mark.skipif(not shutil.which("cmake"), reason="cmake is missing")


def fetch(folder, archive):
    return subprocess.run(["cmake", f"-DDESTINATION={folder}", f"-DARCHIVE={archive}", "-P", SCRIPT],
                          text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_text("<!DOCTYPE html> 404")
    return path


@pytest.mark.parametrize("batches", [None, [], BATCH_NAMES, BATCH_NAMES[:5]],
                         ids=["no folder", "none", "all", "five"])
def test_wrong_batches_are_not_taken(tmp_path, archive, batches):
    """Nor is a wrong archive in their place, which stays where it is."""
    folder = tmp_path / "data" / "cifar-10-batches-bin"
    if batches is not None:
        folder.mkdir(parents=True)
    for name in batches or []:
        (folder / name).write_text("damaged")
    done = fetch(tmp_path / "data", archive)
    said = " ".join(done.stderr.split())
    assert done.returncode != 0 and "already" not in done.stdout, done.stdout
    assert "cifar-10-binary.tar.gz is not the published archive: its MD5 is" in said, said
    assert "It was left where it is" in said and archive.exists(), said


def test_no_archive(tmp_path):
    done = fetch(tmp_path / "data", tmp_path / "none.tar.gz")
    assert done.returncode != 0
    assert "none.tar.gz, which doesn't exist" in " ".join(done.stderr.split())


def test_a_wrong_archive_of_its_own_is_removed(tmp_path, archive):
    """One that it had downloaded itself."""
    (tmp_path / "data").mkdir()
    archive.rename(tmp_path / "data" / archive.name)
    done = fetch(tmp_path / "data", "")
    assert done.returncode != 0 and "It was removed" in " ".join(done.stderr.split()), done.stderr
    assert not (tmp_path / "data" / archive.name).exists()
