"""The part of the report that is not tracked, for this machine: leaderboard, latency and page.

Not a DVC stage: it runs after them, and is the only writer of the leaderboard.
"""

from lipnet.report.columns import Place, format_rows
from lipnet.report.leaderboard import write_leaderboard
from lipnet.report.saved import read_leaderboard
from lipnet.report.terminal import print_leaderboard
from pipeline.params import load_params
from pipeline.paths import Paths
from pipeline.program import run_program
from pipeline.trainings import collect_trainings


def main() -> None:
    """Write the leaderboard and the page, print the leaderboard and where to look next."""
    paths = Paths(load_params().profile)
    collect_trainings(paths)
    study = paths.study
    print_leaderboard(study, write_leaderboard(study))


def prefect_rows(paths: Paths) -> list[dict[str, str]]:
    """The leaderboard that was written last, by heading, as Prefect shows it."""
    return format_rows(Place.PREFECT, read_leaderboard(paths.study))


if __name__ == "__main__":
    run_program(main)
