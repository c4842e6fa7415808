"""SIGKILL to a rank, to mpirun or to all, at any moment, or at any call that writes a file."""
import signal

from common import DONE, Campaign, call_fault, send, sleep_into


class Kill(Campaign):
    name, aim = "kill", 500

    def case(self, case):
        def once():
            target = case.generator.choice(["rank", "mpirun", "all", "call"])
            position = case.newest()
            run = self.at_call(case) if target == "call" else self.at_moment(case, target)
            case.wait(run)
            case.check_goes_on(run, position)
            killed = run.code != DONE
            case.count("kills", killed)
            case.count(f"to {target}", killed)
            return killed

        self.disturb(case, case.generator.randint(1, 3), once)
        case.finish(self.expected)

    def at_moment(self, case, target):
        run = case.submit()
        sleep_into(run, case, self.usual_s)
        processes = run.processes()
        ranks = [pid for pid in processes if pid != run.process.pid]
        if target == "all":
            send(processes, signal.SIGKILL)
        elif target == "rank" and ranks:
            send([case.generator.choice(ranks)], signal.SIGKILL)
        else:
            run.send(signal.SIGKILL)
        case.tell(f"SIGKILL to {target}")
        return run

    def at_call(self, case):
        at = case.generator.randint(1, self.calls)
        case.tell(f"SIGKILL at call {at}")
        return case.submit(call_fault(case, at))
