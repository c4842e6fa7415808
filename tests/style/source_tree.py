"""The project's own files, for the tests of style."""
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def git_files(*options, root=ROOT):
    """Paths, relative to the top folder, of the files git knows; the test is skipped without git.

    With "--others", also of new files that git isn't told to ignore."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--exclude-standard",
               *options]
    try:
        listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"not in a git checkout, or no git: {error}")
    paths = [Path(name) for name in listed.stdout.split("\0") if name]
    return sorted(path for path in paths if (root / path).exists())


def c_files():
    return [path for path in git_files("--others") if path.suffix in (".c", ".h")]
