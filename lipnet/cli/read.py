"""`lipnet read`: the most likely words of videos, by a trained model."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lipnet.cli.face import OF_CARD, add_face, add_landmarks
from lipnet.cli.output import make_printable
from lipnet.errors import InputError

if TYPE_CHECKING:
    from lipnet.inference.clip_model import Leave
    from lipnet.inference.read import Reader, Reading, Span

ABOUT = (
    "Several videos are read by one process, one line per video. A video that fails is a line with "
    "the reason; the exit status is 1 only if no video could be read. A video is read as none of "
    "the model's words if the best probability is below the threshold in the weights file, which "
    "validation chose, or below --reject-below. A warning on standard error names each video of a "
    "length on which the model was not trained."
)


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb's arguments."""
    read = verbs.add_parser(
        "read", help="the most likely words of videos, by a trained model", epilog=ABOUT
    )
    read.add_argument("videos", type=Path, nargs="+", metavar="VIDEO")
    read.add_argument(
        "--weights", type=Path, required=True, help="a weights.safetensors or an exported .onnx"
    )
    read.add_argument("--top", type=int, default=5, help="number of words to print")
    read.add_argument(
        "--word",
        type=float,
        nargs=2,
        metavar=("START", "END"),
        help="the span of the word in seconds, for a model with boundary in its spec or that is "
        "evaluated on the word and its context",
    )
    read.add_argument(
        "--reject-below",
        type=float,
        metavar="P",
        help="the threshold to use instead of the weights file's; 0 never rejects",
    )
    cost = read.add_mutually_exclusive_group()
    cost.add_argument(
        "--budget",
        type=float,
        metavar="GFLOPS",
        help="per clip, of a network of several widths or with exits: its largest part within it "
        "reads",
    )
    cost.add_argument(
        "--battery",
        choices=("low", "medium", "high"),
        help="a quarter, half or all of the network's GFLOPs; at least the cheapest part reads",
    )
    cost.add_argument(
        "--leave-at",
        type=float,
        nargs=2,
        metavar=("EXIT", "P"),
        help="of a network with exits: a clip whose top probability at that exit is at least P "
        "leaves there",
    )
    add_face(read)
    add_landmarks(read, text=f"the landmark model; {OF_CARD}")
    read.add_argument("--json", action="store_true", help="print one JSON object per video")
    read.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Print the most likely words of each video and their probabilities."""
    from lipnet.inference.read import Reader

    videos, word = parsed.videos, tuple(parsed.word) if parsed.word else None
    if word and len(videos) > 1:
        raise InputError("--word is the span in one video: give one video")
    reader = Reader(
        parsed.weights,
        face=parsed.face,
        landmarks=parsed.landmarks,
        reject_below=parsed.reject_below,
        budget=parsed.budget,
        battery=parsed.battery,
        leave=parse_leave(parsed.leave_at),
    )
    reader.check_request(parsed.top, word)
    if reader.warning:
        print(f"warning: {reader.warning}", file=sys.stderr)
    if parsed.budget is not None or parsed.battery is not None:
        print(f"read by {reader.card.spec}", file=sys.stderr)
    if len(videos) == 1 and not parsed.json:
        alone = reader.read(videos[0], top=parsed.top, word=word)
        warn(videos[0], alone)
        print_one(reader, alone)
        return
    read = 0
    for video in videos:
        found = read_or_reason(reader, video, parsed.top, word)
        read += not isinstance(found, str)
        if not parsed.json:
            warn(video, found)
        line = format_json(reader, video, found) if parsed.json else format_line(video, found)
        print(make_printable(line), flush=True)
    if not read:
        raise InputError(f"none of {len(videos)} videos could be read")


def parse_leave(numbers: "list[float] | None") -> "Leave | None":
    """Where clips leave early; InputError for an exit that no network has."""
    from lipnet.inference.clip_model import Leave
    from lipnet.spec import MAX_EXITS

    if numbers is None:
        return None
    number, threshold = numbers
    if number not in range(1, MAX_EXITS + 1):
        raise InputError(f"--leave-at {number:g} {threshold:g}: EXIT is 1 to {MAX_EXITS}")
    return Leave(int(number), threshold)


def read_or_reason(reader: "Reader", video: Path, top: int, word: "Span | None") -> "Reading | str":
    """The reading, or why there is none."""
    try:
        return reader.read(video, top=top, word=word)
    except InputError as error:
        return str(error).removeprefix(f"{video} cannot be read: ")


def warn(video: Path, found: "Reading | str") -> None:
    """Print the warning of a reading, if it has one."""
    if not isinstance(found, str) and found.warning:
        print(make_printable(f"warning: {video}: {found.warning}"), file=sys.stderr)


def print_one(reader: "Reader", found: "Reading") -> None:
    """One word per line, what the threshold makes of them, and how many frames were read."""
    for label, probability in found.answers:
        print(make_printable(f"{probability:6.1%}  {label}"))
    if reader.reject_below is not None:
        below = f"below {reader.reject_below:.1%} none of the words counts as read"
        print(f"none of these: {below}" if found.rejected else f"({below})")
    print(f"({found.frames} frames; the model was trained on {reader.card.lengths.describe()})")


def format_line(video: Path, found: "Reading | str") -> str:
    """One video as one line of text."""
    if isinstance(found, str):
        return f"{video}: failed, {found}"
    words = ", ".join(f"{label} {probability:.1%}" for label, probability in found.answers)
    return f"{video}: none of these ({words})" if found.rejected else f"{video}: {words}"


def format_json(reader: "Reader", video: Path, found: "Reading | str") -> str:
    """One video as one JSON object; `label` is null if it was rejected or failed, `warning` if the
    model was trained on clips of `frames` frames."""
    entry: dict[str, object] = {"video": str(video), "label": None, "reject_below": None}
    if isinstance(found, str):
        return json.dumps({**entry, "frames": 0, "answers": [], "warning": None, "failed": found})
    answers = [{"label": label, "probability": p} for label, p in found.answers]
    entry |= {"label": found.label, "reject_below": reader.reject_below, "frames": found.frames}
    return json.dumps(
        {**entry, "answers": answers, "warning": found.warning or None, "failed": None}
    )
