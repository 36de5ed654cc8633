"""`lipnet release`: a model of a study as a small file with a model card."""

import argparse
from pathlib import Path


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb's arguments."""
    verb = verbs.add_parser("release", help="half-precision or packed weights and a model card")
    verb.add_argument("study", type=Path, metavar="STUDY", help="such as data/synthetic")
    verb.add_argument("models", nargs="+", metavar="MODEL", help="such as rn18-mstcn-g1")
    verb.add_argument("--out", type=Path, default=Path("data/released"), metavar="DIR")
    verb.add_argument(
        "--data",
        default="",
        metavar="TEXT",
        help="what they were trained on and its licence, if the source does not state it",
    )
    verb.add_argument(
        "--curves",
        action="store_true",
        help="measure accuracy by context, brightness, scale, place and frame rate on the study's "
        "test shards, for the card and the report",
    )
    verb.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Write each model's files and print where they are."""
    from lipnet.report.release import release_model
    from lipnet.report.study import Study

    study, attribution = Study(parsed.study), parsed.data
    for model in parsed.models:
        path = release_model(
            study, model, parsed.out, attribution=attribution, curves=parsed.curves
        )
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, card in {path.with_suffix('.md').name}")
