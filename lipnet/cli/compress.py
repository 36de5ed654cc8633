"""`lipnet compress`: a trained model in a smaller file."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lipnet.cli.pair import describe_pair, format_pair
from lipnet.cli.unused import refuse_unused
from lipnet.how import GRAPH, STEPS

if TYPE_CHECKING:
    from lipnet.measure.accuracy import Estimate
    from lipnet.recipe import Recipe
    from lipnet.single.compress import Compared, Compressed
    from lipnet.train.history import EpochRecord

ABOUT = (
    "Steps: "
    + "; ".join(f"{name}{kind.form}: {kind.about}" for name, kind in STEPS.items() if name != GRAPH)
    + ". prune_<share> goes with int<bits> or cluster<bits>, as in 'prune_0.5 + cluster4'. The "
    "file is used like any weights file."
)

LR, BATCH, SPLIT = 5e-4, 16, "val"


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb's arguments."""
    verb = verbs.add_parser("compress", help="a trained model in a smaller file", epilog=ABOUT)
    verb.add_argument("weights", type=Path, metavar="WEIGHTS", help="a weights.safetensors")
    verb.add_argument("--how", required=True, metavar="STEPS", help='such as "int4"')
    verb.add_argument("--out", type=Path, required=True, metavar="FILE.safetensors")
    verb.add_argument(
        "--shards",
        type=Path,
        metavar="DIR",
        help="crops of the model's own preprocessing: training clips to measure BatchNorm's "
        "statistics on again, validation clips to choose by",
    )
    verb.add_argument(
        "--epochs",
        type=int,
        default=0,
        help="epochs to tune the stored weights, on --shards, taught by WEIGHTS (default: none)",
    )
    verb.add_argument(
        "--lr", type=float, help=f"of the tuning: the rate that falls to 0 (default: {LR:g})"
    )
    verb.add_argument(
        "--batch", type=int, metavar="CLIPS", help=f"of the tuning (default: {BATCH})"
    )
    verb.add_argument("--split", help=f"of --shards: where top-1 is compared (default: {SPLIT})")
    verb.add_argument("--json", action="store_true")
    verb.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Write the file and print its size and accuracy."""
    from lipnet.lease import lease_device
    from lipnet.single.compress import compress_model

    if not parsed.epochs:
        refuse_unused(
            {"--lr": parsed.lr, "--batch": parsed.batch}, "nothing is tuned without --epochs"
        )
    if parsed.shards is None:
        refuse_unused({"--split": parsed.split}, "nothing is compared without --shards")
    with lease_device():
        made = compress_model(
            parsed.weights,
            parsed.out,
            parsed.how,
            shards=parsed.shards,
            split=parsed.split or SPLIT,
            tune=make_recipe(parsed) if parsed.epochs else None,
            on_epoch=show_epoch,
        )
    print(json.dumps(to_json(made)) if parsed.json else "\n".join(format_lines(made)))


def make_recipe(parsed: argparse.Namespace) -> "Recipe":
    """The recipe of the tuning: whole clips, at the model's own input, without mixup."""
    from lipnet.models.weights import load_card
    from lipnet.recipe import Recipe

    return replace(
        Recipe.for_input(load_card(parsed.weights).preprocessing),
        epochs=parsed.epochs,
        lr=LR if parsed.lr is None else parsed.lr,
        batch=BATCH if parsed.batch is None else parsed.batch,
        schedule="cosine_by_step",
        mixup=0.0,
        variable_length=False,
    )


def show_epoch(record: "EpochRecord") -> None:
    """Print one epoch."""
    text = (
        f"epoch {record.epoch + 1}: loss {record.train_loss:.3f}, validation {record.val_top1:.1%}"
    )
    print(text, file=sys.stderr, flush=True)


def to_json(made: "Compressed") -> dict[str, object]:
    """Size and accuracy; accuracies are fractions."""
    found = made.compared
    return {
        "path": str(made.path),
        "spec": made.card.spec,
        "how": str(made.how),
        "bytes": made.file_bytes,
        "ratio": made.ratio,
        "bits_per_weight": made.bits_per_weight,
        "left_out_widths": list(made.left_out),
        "accuracy": found
        and {
            "batchnorm": found.statistics,
            "split_also_chose": found.also_chose or None,
            **describe_pair(found.split, _accuracies(found), found.difference),
        },
    }


def format_lines(made: "Compressed") -> list[str]:
    """The same as lines of text."""
    whole = "the whole network " if made.how.is_part else ""
    missing = ", ".join(f"{width:g}" for width in made.left_out)
    return [
        f"{made.path}: {made.card.spec}, {made.how}",
        f"{made.file_bytes:,} bytes, {made.ratio:.1f} times smaller than {whole}in single "
        f"precision, {made.bits_per_weight:.2f} bits per weight",
        *([f"the widest network alone, without the widths {missing}"] if missing else []),
        *([] if made.compared is None else _compared_lines(made.compared)),
    ]


def _compared_lines(found: "Compared") -> list[str]:
    chosen = f", whose clips also chose {found.also_chose}" if found.also_chose else ""
    return [
        f"BatchNorm's statistics: {found.statistics}; top-1 on {found.split}{chosen}:",
        *format_pair(_accuracies(found), found.difference),
    ]


def _accuracies(found: "Compared") -> dict[str, "Estimate"]:
    return {"source": found.source, "compressed": found.compressed}
