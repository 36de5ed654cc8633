"""`lipnet crop`: the mouths of any videos, cropped as training data is."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lipnet.cli.face import add_landmarks
from lipnet.cli.output import make_printable
from lipnet.errors import InputError
from lipnet.files import is_same_path
from lipnet.landmark_names import DLIB

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from lipnet.inference.crop import CropRecord

ABOUT = (
    "Writes <out>/<stem>.npz for each video: crops [T, size, size] uint8 at 25 frames per second, "
    "the matrices from frames to crops, points, seen, score, fps. A video that fails is a line "
    "with the reason; the exit status is 1 only if no video could be cropped. --request FILE "
    "writes the crops of all of them as the JSON that a model served by MLflow takes."
)


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb's arguments."""
    crop = verbs.add_parser(
        "crop", help="the mouths of videos, cropped as training data is", epilog=ABOUT
    )
    crop.add_argument("videos", type=Path, nargs="+", metavar="VIDEO")
    crop.add_argument("--out", type=Path, help="the folder to write into")
    crop.add_argument(
        "--request", type=Path, metavar="FILE.json", help="the request of a served model"
    )
    crop.add_argument(
        "--draw",
        action="store_true",
        help="also <stem>-drawn.mp4 with landmarks, face and mouth marked",
    )
    crop.add_argument("--size", type=int, default=96, help="side of a crop in pixels")
    crop.add_argument(
        "--prefer", default="largest", help="which of several faces: largest or centre"
    )
    add_landmarks(crop, default=DLIB, text="the landmark model; dlib by default")
    crop.add_argument("--json", action="store_true", help="print one JSON object per video")
    crop.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Crop each video and print its outcome."""
    from lipnet.crops.crop import CropOptions
    from lipnet.inference.crop import crop_videos
    from lipnet.landmarks.models import load_landmark_model
    from lipnet.landmarks.options import LandmarkOptions

    check_outputs(parsed)
    landmarks = LandmarkOptions(model=parsed.landmarks, prefer=parsed.prefer)
    kept: list[NDArray[np.uint8]] = []
    records = crop_videos(
        parsed.videos,
        parsed.out,
        load_landmark_model(landmarks),
        crops=CropOptions(size=parsed.size),
        landmarks=landmarks,
        draw=parsed.draw,
        keep=kept if parsed.request else None,
    )
    cropped = 0
    while (record := take_next(records, parsed.out)) is not None:
        cropped += not record.reason
        print(make_printable(format_json(record) if parsed.json else format_line(record)))
    if not cropped:
        raise InputError(f"none of {len(parsed.videos)} videos could be cropped")
    if parsed.request:
        write(parsed.request, kept)


def check_outputs(parsed: argparse.Namespace) -> None:
    """InputError if there is nothing to write, or no folder to write it into."""
    if parsed.out is None and (parsed.request is None or parsed.draw):
        raise InputError("name the folder to write into with --out")
    if parsed.request is not None and not parsed.request.absolute().parent.is_dir():
        raise InputError(f"--request {parsed.request}: a file in a folder that exists")
    if parsed.request is not None and any(is_same_path(parsed.request, v) for v in parsed.videos):
        raise InputError(f"--request {parsed.request} is a video to be cropped: name another file")


def write(path: Path, clips: "Sequence[NDArray[np.uint8]]") -> None:
    """Write the request; InputError if that fails."""
    from lipnet.inference.request import write_request

    try:
        write_request(path, clips)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error}") from None


def take_next(records: "Iterator[CropRecord]", out: Path) -> "CropRecord | None":
    """The next record, None after the last; InputError if `out` cannot be written."""
    try:
        return next(records, None)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error}") from None


def format_line(record: "CropRecord") -> str:
    """One line of text."""
    if record.reason:
        return f"{record.video}: failed, {record.reason} ({record.detail})"
    files = " ".join(filter(None, (record.crops, record.drawing)))
    counts = f"{record.frames} frames, {record.seen} seen, {record.interpolated} interpolated"
    return f"{record.video}: {counts}" + (f" -> {files}" if files else "")


def format_json(record: "CropRecord") -> str:
    """One JSON object."""
    return json.dumps({**asdict(record), "interpolated": record.interpolated})
