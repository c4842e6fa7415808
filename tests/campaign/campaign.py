#!/usr/bin/env python3
"""Campaigns: one experiment repeated hundreds of times, each time at another random moment.

    python3 tests/campaign/campaign.py kill                   # SIGKILL
    python3 tests/campaign/campaign.py signal                 # SIGUSR1, SIGTERM
    python3 tests/campaign/campaign.py disk                   # full, read-only, gone
    python3 tests/campaign/campaign.py flip                   # damaged checkpoints
    python3 tests/campaign/campaign.py table                  # how far they have come

A campaign goes on until as many cases as it aims at are judged. In the background, and stopped:

    nohup nice python3 tests/campaign/campaign.py kill >kill.log 2>&1 &
    kill $!                                       # after the cases in hand; a next start goes on

Needs a build with tests in build/ (or AE_BUILD_DIR). State and the folders of failed cases are in
runs/campaigns/NAME.
"""
import argparse
import json
import sys
from pathlib import Path

from common import ROOT
from disk import Disk, enter_namespace
from flip import Flip
from kill import Kill
from signals import Signal

CAMPAIGNS = {campaign.name: campaign for campaign in (Kill, Signal, Disk, Flip)}


def print_table(folder):
    print(f"{'campaign':<10}{'passed':>8}{'failed':>8}{'aim':>8}{'minutes':>9}  of these")
    for name, campaign in CAMPAIGNS.items():
        path = folder / name / "state.json"
        values = json.loads(path.read_text()) if path.exists() else \
            {"passed": 0, "failures": [], "seconds": 0, "events": {}}
        events = ", ".join(f"{count} {what}" for what, count in sorted(values["events"].items()))
        print(f"{name:<10}{values['passed']:>8}{len(values['failures']):>8}{campaign.aim:>8}"
              f"{values['seconds'] / 60:>9.1f}  {events}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=[*CAMPAIGNS, "table"])
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "campaigns")
    parser.add_argument("--cases", type=int, help="stop after so many in all (default: the aim)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--jobs", type=int, default=2, help="cases at a time (default: 2)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    failed = 0
    if options.what == "disk":
        enter_namespace([sys.executable, *sys.argv])
    if options.what != "table":
        campaign = CAMPAIGNS[options.what](options.folder / options.what, options.seed)
        campaign.stop_on_signals()
        state = campaign.run(options.cases or campaign.aim, options.seconds, options.jobs)
        failed = len(state.values["failures"])
    print_table(options.folder)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
