"""`lipnet cascade`: two of a study's models, of which the large one reads what is hard."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lipnet.cli.evaluate import format_estimate
from lipnet.cli.pair import format_points

if TYPE_CHECKING:
    from lipnet.report.cascade import JudgedCascade

ABOUT = (
    "The small model answers a clip if its top probability is at least a threshold, else the large "
    "one does. The threshold is the lowest that keeps the large model's accuracy on validation. "
    "Only saved logits are read."
)


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb's arguments."""
    verb = verbs.add_parser(
        "cascade", help="a small model, and a large one for what it cannot read", epilog=ABOUT
    )
    verb.add_argument("study", type=Path, metavar="STUDY", help="such as data/synthetic")
    verb.add_argument("--small", required=True, metavar="MODEL")
    verb.add_argument("--large", required=True, metavar="MODEL")
    verb.add_argument("--split", default="test", choices=("val", "test", "unseen"))
    verb.add_argument("--json", action="store_true")
    verb.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Print accuracy, shares and cost."""
    from lipnet.report.cascade import judge_cascade
    from lipnet.report.study import Study

    found = judge_cascade(Study(parsed.study), parsed.small, parsed.large, split=parsed.split)
    print(json.dumps(asdict(found)) if parsed.json else "\n".join(format_lines(found)))


def format_lines(found: "JudgedCascade") -> list[str]:
    """The same as lines of text."""
    share = found.gflops / found.large_gflops
    chosen = ", whose clips also chose the threshold" if found.split == "val" else ""
    return [
        f"threshold {found.threshold}: {found.small} answers {found.leaves_val:.1%} of the "
        f"validation clips and {found.leaves:.1%} on {found.split}{chosen}",
        f"cascade  {format_estimate(found.top1)}",
        f"small    {format_estimate(found.top1_small)}",
        f"large    {format_estimate(found.top1_large)}",
        f"over the small model {format_points(found.over_small)}",
        f"over the large model {format_points(found.over_large)}",
        f"GFLOPs per clip: mean {found.gflops:.3f} ({share:.0%} of the large model's), worst case "
        f"{found.worst_gflops:.3f}",
    ]
