"""`lipnet evaluate`: a trained model's accuracy on raw videos."""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from lipnet.cli.face import OF_CARD, add_face, add_landmarks
from lipnet.errors import InputError
from lipnet.labels import BACKGROUND
from lipnet.records import parse_json
from lipnet.sources.discover import SOURCES
from lipnet.text import describe_failed, format_counts

if TYPE_CHECKING:
    from lipnet.data.clip_set import KnownClips
    from lipnet.inference.conditions import ConditionScore
    from lipnet.inference.evaluate import Evaluation
    from lipnet.measure.accuracy import Estimate

TOP = 5  # labels among which top-5 looks for the right one


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb's arguments."""
    verb = verbs.add_parser("evaluate", help="a model's accuracy on raw video, with intervals")
    verb.add_argument(
        "model",
        type=Path,
        metavar="MODEL",
        help="a weights file (.safetensors) or an exported .onnx",
    )
    sources = [name for name, source in SOURCES.items() if not source.cropped]
    verb.add_argument("--source", required=True, choices=sources, help="the videos' layout")
    verb.add_argument("--root", type=Path, required=True, metavar="DIR", help="the videos' folder")
    verb.add_argument(
        "--split",
        default="",
        help="one of the source's splits, or all; by default the test split if the layout has one",
    )
    verb.add_argument("--options", default="{}", metavar="JSON", help="the source's options")
    add_face(verb)
    add_landmarks(verb, text=f"the landmark model; {OF_CARD}")
    verb.add_argument(
        "--context",
        metavar="N,...",
        help="also the accuracy on the word with N frames on each side of it, as far as the clip "
        "has them, for each N of a list such as 0,2,4,6,8,whole",
    )
    verb.add_argument(
        "--robustness",
        action="store_true",
        help="also the accuracy on the clips with other brightness, scale, place and frame rate",
    )
    verb.add_argument("--json", action="store_true")
    verb.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Print counts and accuracies."""
    from lipnet.inference.conditions import ROBUSTNESS, parse_contexts, vary_context
    from lipnet.inference.crop import shared_detector
    from lipnet.inference.evaluate import Corpus, evaluate
    from lipnet.lease import lease_device

    if not parsed.root.is_dir():
        what = "is not a folder" if parsed.root.exists() else "does not exist"
        raise InputError(f"--root {parsed.root} {what}: name the folder that holds the videos")
    options = read_options(parsed.options)
    given = parsed.context is not None
    conditions = vary_context(parse_contexts(parsed.context)) if given else []
    conditions += ROBUSTNESS if parsed.robustness else ()
    corpus = Corpus(parsed.source, parsed.root, parsed.split, options)
    detector = shared_detector(parsed.landmarks) if parsed.landmarks else None
    # ONNX Runtime uses the CPU.
    with nullcontext() if parsed.model.suffix == ".onnx" else lease_device():
        found = evaluate(
            parsed.model,
            corpus,
            detector,
            face=parsed.face,
            conditions=conditions,
            on_video=show_progress,
        )
    print(json.dumps(to_json(found)) if parsed.json else "\n".join(format_lines(found)))


def read_options(text: str) -> dict[str, object]:
    """A JSON object; InputError for anything else."""
    try:
        options = parse_json(text)
    except ValueError as error:
        raise InputError(f"--options {text}: not JSON ({error})") from None
    if not isinstance(options, dict):
        raise InputError(f"--options {text}: must be a JSON object such as '{{\"seed\": 0}}'")
    return options


def show_progress(done: int, total: int) -> None:
    """Print the videos done, if on a terminal."""
    if sys.stderr.isatty():
        print(f"\r{done} of {total} videos", end="\n" * (done == total), file=sys.stderr)


def to_json(found: "Evaluation") -> dict[str, object]:
    """Counts and fractions (0 to 1): `clips` of `split` were read, `failed` were not, `failures`
    are their reasons; `rejected` counts the files of the corpus that are not clips. `trained_on`
    counts clips with the name of a training clip, by its digest, null if those are not known, and
    `trained_on_by_chance` is how many would have one if all were new; `background` counts windows
    without a word, `other_lengths` clips that were read at a length on which the model was not
    trained. `warning` is null if `landmarks`, the landmark model that was used, is that of
    the model's training crops. `conditions` are those that were asked for, each with `frames`, the
    mean number of frames that the model read per clip, and the paired `difference` of its top-1 to
    that of the clips as they are."""
    return {
        "split": found.split,
        "clips": found.clips,
        **known_to_json(found.trained_on),
        "background": found.background,
        "failed": sum(found.failed.values()),
        "failures": dict(found.failed),
        "rejected": dict(found.rejected),
        "units": found.top1.units,
        "top1": found.top1.value,
        "top1_95": [found.top1.low, found.top1.high],
        "top5": found.top5.value,
        "top5_95": [found.top5.low, found.top5.high],
        "per_slot": {slot: own.value for slot, own in found.per_slot.items()},
        "landmarks": found.landmarks,
        "other_lengths": found.other_lengths,
        "warning": found.warning or None,
        "conditions": [
            {
                "name": own.name,
                "kind": own.kind,
                "frames": own.frames,
                "top1": own.top1.value,
                "top1_95": [own.top1.low, own.top1.high],
                "difference": own.difference.value,
                "difference_95": [own.difference.low, own.difference.high],
            }
            for own in found.conditions
        ],
    }


def format_lines(found: "Evaluation") -> list[str]:
    """The same as lines of text; without top-5 if the model has no more labels than that."""
    return [
        f"{found.clips} clips of {found.top1.units} units read, {describe_failed(found.failed)} "
        f"(split: {found.split})",
        format_known(found.trained_on),
        *format_background(found),
        *format_lengths(found),
        *([f"warning: {found.warning}"] if found.warning else []),
        *([f"not clips of the layout: {format_counts(found.rejected)}"] if found.rejected else []),
        f"top-1  {format_estimate(found.top1)}",
        *([f"top-5  {format_estimate(found.top5)}"] if found.labels > TOP else []),
        *(f"{slot:<12} {format_estimate(own)}" for slot, own in found.per_slot.items()),
        *format_conditions(found.conditions),
    ]


def format_known(known: "KnownClips | None") -> str:
    """How many of the clips the model was trained on, as a sentence."""
    if known is None:
        return "the model's file does not list its training clips: some of these may be among them"
    if not known.found:
        return "none of these clips has the name of one of the model's training clips"
    if known.can_be_chance:
        return (
            f"{known.found} of these clips may have the names of training clips, of which the "
            f"model's file has short digests: of {known.asked} other clips about "
            f"{known.by_chance:.1f} match one"
        )
    return (
        f"{known.found} of these clips have the names of clips that the model was trained on (by "
        f"chance about {known.by_chance:.1f}): unless these are other recordings, this is not its "
        "accuracy on new clips"
    )


def known_to_json(known: "KnownClips | None") -> dict[str, object]:
    """Clips with the name of a training clip, and how many would have one by chance."""
    return {
        "trained_on": None if known is None else known.found,
        "trained_on_by_chance": None if known is None else known.by_chance,
    }


def format_lengths(found: "Evaluation") -> list[str]:
    """How many of the clips have other lengths than training clips; no line if there are none."""
    if not found.other_lengths:
        return []
    return [
        f"warning: {found.other_lengths} of these clips were read at a length on which the model "
        f"was not trained: it was trained on {found.lengths.describe()}"
    ]


def format_background(found: "Evaluation") -> list[str]:
    """How many of the clips are windows without a word; no line if there are none."""
    if not found.background:
        return []
    return [
        f"{found.background} of these clips are windows without a word, which the accuracies "
        f"count (label {BACKGROUND})"
    ]


def format_estimate(own: "Estimate") -> str:
    """A fraction as percent, with its interval."""
    return f"{own.value:6.1%}  (95 %: {own.low:.1%} to {own.high:.1%}, {own.clips} clips)"


def format_conditions(scores: "Sequence[ConditionScore]") -> list[str]:
    """A table of the conditions; no line if there are none."""
    if not scores:
        return []
    heading = f"{'condition':<21} frames   top-1 [95 %]           difference [95 %]"
    return ["", heading, *map(format_condition, scores)]


def format_condition(own: "ConditionScore") -> str:
    """The mean number of frames that were read, top-1 in percent, and its difference to the clips
    as they are in points."""
    name = f"{own.kind} {own.name}" if own.kind == "context" else own.name
    top1, change = own.top1, own.difference
    span = f"{100 * top1.value:5.1f} [{100 * top1.low:.1f}, {100 * top1.high:.1f}]"
    return (
        f"{name:<21} {own.frames:6.1f}   {span:<22} "
        f"{100 * change.value:+5.1f} [{100 * change.low:+.1f}, {100 * change.high:+.1f}]"
    )
