"""`lipnet crop`: the mouths of any videos, cut as training data is, and pictures of how."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lipnet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lipnet.inference.crop import CropRecord

ABOUT = (
    "Writes <out>/<stem>.npz for each video: crops [T, size, size] uint8 at 25 frames a second, "
    "the matrices that cut them, points, seen, score, fps. A video that fails is a line with the "
    "reason; the exit status is 1 only where none could be cropped."
)


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb's arguments."""
    crop = verbs.add_parser(
        "crop", help="the mouths of videos, as training sees them", epilog=ABOUT
    )
    crop.add_argument("videos", type=Path, nargs="+", metavar="VIDEO")
    crop.add_argument("--out", type=Path, required=True, help="the folder to write into")
    crop.add_argument(
        "--draw",
        action="store_true",
        help="also <stem>-drawn.mp4 with landmarks, face and mouth marked",
    )
    crop.add_argument("--size", type=int, default=96, help="pixels of a crop's side")
    crop.add_argument("--prefer", default="largest", help="of several faces: largest or centre")
    crop.add_argument("--json", action="store_true", help="one JSON object a line")
    crop.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Crop each video and say what became of it."""
    from lipnet.crops.crop import CropOptions
    from lipnet.inference.crop import crop_videos
    from lipnet.landmarks.detector import DlibDetector, find_predictor
    from lipnet.landmarks.track import LandmarkOptions

    landmarks = LandmarkOptions(prefer=parsed.prefer)
    records = crop_videos(
        parsed.videos,
        parsed.out,
        DlibDetector(find_predictor(landmarks.predictor)),
        crops=CropOptions(size=parsed.size),
        landmarks=landmarks,
        draw=parsed.draw,
    )
    cropped = 0
    while (record := take_next(records, parsed.out)) is not None:
        cropped += not record.reason
        print(make_printable(tell_as_json(record) if parsed.json else tell(record)))
    if not cropped:
        raise InputError(f"none of {len(parsed.videos)} videos could be cropped")


def take_next(records: "Iterator[CropRecord]", out: Path) -> "CropRecord | None":
    """The next record, None after the last; InputError where `out` cannot be written."""
    try:
        return next(records, None)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error}") from None


def make_printable(line: str) -> str:
    r"""The line with what the terminal's encoding lacks as \x.. or \u...."""
    encoding = sys.stdout.encoding or "utf-8"
    return line.encode(encoding, "backslashreplace").decode(encoding)


def tell(record: "CropRecord") -> str:
    """One line for people."""
    if record.reason:
        return f"{record.video}: failed, {record.reason} ({record.detail})"
    places = " ".join(filter(None, (record.crops, record.drawing)))
    return (
        f"{record.video}: {record.frames} frames, {record.seen} seen, "
        f"{record.interpolated} interpolated -> {places}"
    )


def tell_as_json(record: "CropRecord") -> str:
    """One line for programs."""
    return json.dumps({**asdict(record), "interpolated": record.interpolated})
