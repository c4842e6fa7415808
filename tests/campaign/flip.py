"""One bit of a checkpoint flipped, or the file cut: noticed, or every value still right."""
import subprocess

from common import BUILD, Campaign, checkpoints

FLIP = BUILD / "tests" / "campaign_flip"
TOGETHER = 10  # damaged files a case


class Flip(Campaign):
    name, aim = "flip", 1000

    def case(self, case):
        first = int(case.folder.name.split("-")[1]) * TOGETHER
        done = subprocess.run(
            [FLIP, self.undisturbed.folder / self.undisturbed.config,
             checkpoints(self.undisturbed.run_dir)[-1], case.folder / "damaged.h5",
             str(self.seed), str(first), str(TOGETHER)], capture_output=True, text=True)
        lines = done.stdout.splitlines()
        assert done.returncode == 0 and len(lines) == TOGETHER, \
            f"exit code {done.returncode}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        refused = sum(not line.endswith(": read") for line in lines)
        case.count("damaged files", TOGETHER)
        case.count("refused", refused)
