"""`lipnet report`: a study's tables, figures and page, rebuilt from its saved logits."""

import argparse
from pathlib import Path


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb's arguments."""
    verb = verbs.add_parser("report", help="rebuild a study's report from its saved logits")
    verb.add_argument("study", type=Path, metavar="STUDY", help="such as data/synthetic")
    verb.add_argument(
        "--out", type=Path, metavar="DIR", help="the folder to write (default: STUDY/report)"
    )
    verb.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help="also keep there what the report is made of: logits, histories, choices; no weights",
    )
    verb.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Write the report and print its leaderboard."""
    from lipnet.report.keep import keep_study
    from lipnet.report.leaderboard import write_leaderboard
    from lipnet.report.study import Study
    from lipnet.report.terminal import print_leaderboard
    from lipnet.report.write import read_corpus, write_report

    study = Study(parsed.study, parsed.out)
    write_report(study, read_corpus(study))
    rows = write_leaderboard(study)
    if parsed.keep:
        keep_study(study, parsed.keep)
    print_leaderboard(study, rows)
