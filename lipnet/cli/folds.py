"""`lipnet folds`: two models compared over the folds of one corpus."""

import argparse
import json
from pathlib import Path


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb's arguments."""
    verb = verbs.add_parser("folds", help="compare models over the folds of one corpus")
    verb.add_argument(
        "studies", type=Path, nargs="+", metavar="STUDY", help="one folder per fold, with logits"
    )
    verb.add_argument(
        "--pair",
        nargs=2,
        action="append",
        required=True,
        metavar=("FIRST", "SECOND"),
        help="two models, or lineages by their best generation on validation",
    )
    verb.add_argument("--split", default="test", choices=("val", "test", "unseen"))
    verb.add_argument("--slot", default="", help="only the clips of one slot, such as letter")
    verb.add_argument("--json", action="store_true")
    verb.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Print each pair's difference with its interval over folds and units."""
    from dataclasses import asdict

    from rich.console import Console

    from lipnet.report.folds import compare_folds, folds_table

    pairs = [(first, second) for first, second in parsed.pair]
    found = compare_folds(parsed.studies, pairs, split=parsed.split, slot=parsed.slot)
    if parsed.json:
        rows = [{**asdict(pair), "verdict": pair.difference.verdict} for pair in found]
        print(json.dumps(rows, indent=1))
    else:
        Console(width=None if Console().is_terminal else 160).print(folds_table(found))
