"""SIGUSR1 or SIGTERM to mpirun, to a rank or to all ranks, at any moment."""
import re
import signal

from common import DONE, Campaign, send, sleep_into
from support import STOPPED


class Signal(Campaign):
    name, aim = "signal", 200

    def case(self, case):
        def once():
            number = case.generator.choice([signal.SIGUSR1, signal.SIGTERM])
            target = case.generator.choice(["mpirun", "rank", "ranks"])
            position = case.newest()
            run = case.submit()
            sleep_into(run, case, self.usual_s)
            ranks = run.ranks()
            if target == "mpirun" or not ranks:
                run.send(number)
            else:
                send(ranks if target == "ranks" else [case.generator.choice(ranks)], number)
            case.tell(f"{number.name} to {target}")
            case.wait(run)
            case.check_goes_on(run, position)
            self.check_stopped(case, run, number)
            stopped = run.code != DONE
            case.count("signals", stopped)
            case.count(number.name, stopped)
            case.count("with 75", run.code == STOPPED)
            return stopped

        self.disturb(case, case.generator.randint(1, 3), once)
        case.finish(self.expected)

    @staticmethod
    def check_stopped(case, run, number):
        """It left as the signal asks. Where it says that it stopped, the checkpoint is of where it
        says it did; so the next start, which goes on from there, repeats no step and leaves none
        out."""
        said = re.findall(r"stopped on request after (\d+) whole epochs and (\d+) steps",
                          run.stdout)
        assert len(said) == (run.code == STOPPED) or number == signal.SIGTERM, run.tail
        if said:
            assert [case.newest()] == [tuple(map(int, words)) for words in said], run.tail
        if number == signal.SIGUSR1:
            # Before a process has come to heed signals, they end it.
            early = "ae_dist" not in run.stdout and run.code in (-number, 128 + number)
            assert early or run.code in (DONE, STOPPED), f"exit code {run.code}; {run.tail}"
