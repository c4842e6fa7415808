"""ae_bench tells of every kernel, and its JSON file holds what it prints. Times aren't judged."""
import json
import os
import subprocess
from pathlib import Path

import support

BENCH = str(Path(support.PROGRAM).with_name("ae_bench"))


def test_bench(tmp_path):
    path = tmp_path / "bench.json"
    done = subprocess.run([support.MPIEXEC, "-np", "2", "--bind-to", "none", BENCH, "--json", path],
                          cwd=tmp_path, env=support.environment(1), text=True, check=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=100)
    found = json.loads(path.read_text())
    assert found["ranks"] == 2 and found["threads"] == 2
    assert found["multiply_adds_per_image"] == 3681504
    assert min(figure["seconds"] for figure in found["figures"]) > 0
    assert found["images_per_s"] > 0 and found["peak_multiply_adds_per_s"] > 0
    for figure in found["figures"]:
        assert done.stdout.count(f"{figure['name']} ") >= 1
    assert done.stdout.count("peak  ") == 1  # by one rank
    assert os.listdir(tmp_path) == ["bench.json"]
