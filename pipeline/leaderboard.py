"""Not a DVC stage: what is untracked of the report, for this machine, and the leaderboard."""

from lipnet.report.leaderboard import print_leaderboard, write_leaderboard
from pipeline.command import run_stage
from pipeline.params import load_params
from pipeline.paths import Paths


def main() -> None:
    """Bring what is untracked up to date, print the leaderboard and where to look next."""
    study = Paths(load_params().profile).study
    write_leaderboard(study)
    print_leaderboard(study)


if __name__ == "__main__":
    run_stage(main)
