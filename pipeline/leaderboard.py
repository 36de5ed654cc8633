"""Print the leaderboard, and write the parts of the report that DVC does not track."""

from lipnet.report.leaderboard import print_leaderboard, write_leaderboard
from pipeline.params import load_params
from pipeline.paths import Paths
from pipeline.program import run_program


def main() -> None:
    """Update the untracked files, print the leaderboard and where to look next."""
    study = Paths(load_params().profile).study
    write_leaderboard(study)
    print_leaderboard(study)


if __name__ == "__main__":
    run_program(main)
