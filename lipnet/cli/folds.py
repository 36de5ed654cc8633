"""`lipnet folds`: two models compared over the folds of one corpus."""

import argparse
import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from lipnet.errors import InputError

if TYPE_CHECKING:
    from lipnet.report.folds import FoldedStudy

KINDS = (".png", ".svg")


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
    verb.add_argument(
        "--figure",
        type=Path,
        metavar="FILE",
        help="also draw the models' validation accuracy by epoch (.png or .svg)",
    )
    verb.add_argument("--json", action="store_true")
    verb.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Print each pair's difference with its interval over folds and units."""
    from dataclasses import asdict

    from rich.console import Console

    from lipnet.report.folds import compare_folds, folds_table, read_folds

    pairs = [(first, second) for first, second in parsed.pair]
    if parsed.figure is not None and parsed.figure.suffix not in KINDS:
        raise InputError(
            f"--figure {parsed.figure}: the file name must end in {' or '.join(KINDS)}"
        )
    study = read_folds(parsed.studies)
    found = compare_folds(study, pairs, split=parsed.split, slot=parsed.slot)
    if parsed.json:
        rows = [{**asdict(pair), "verdict": pair.difference.verdict} for pair in found]
        print(json.dumps(rows, indent=1))
    else:
        Console(width=None if Console().is_terminal else 160).print(folds_table(found))
    if parsed.figure is not None:
        write_figure(parsed.figure, study, list(dict.fromkeys(chain(*pairs))))


def write_figure(path: Path, study: "FoldedStudy", names: Sequence[str]) -> None:
    """Draw the models of these names."""
    from lipnet.report.figures.folds import draw_folds
    from lipnet.report.figures.style import house_style, save_figure

    path.parent.mkdir(parents=True, exist_ok=True)
    with house_style():
        figure = draw_folds([(name, study.find(name)) for name in names])
        save_figure(figure, path.with_suffix(""), kinds=(path.suffix.removeprefix("."),))
