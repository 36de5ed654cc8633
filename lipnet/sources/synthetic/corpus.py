"""The corpus on disk, in LRW's layout: the list of clips, and the writing of one."""

import errno
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lipnet.clip import FPS
from lipnet.files import write_atomic
from lipnet.sources.synthetic.options import SPLITS, SyntheticOptions
from lipnet.sources.synthetic.render import ClipPlan, render_clip
from lipnet.sources.synthetic.speakers import name_speaker
from lipnet.sources.synthetic.utterance import CLIP_SECONDS

CODEC = "mp4v"  # OpenCV's wheels have no H.264 encoder


def plan_corpus(options: SyntheticOptions) -> list[ClipPlan]:
    """Every clip, by word, split and number; a split's speakers take turns."""
    return [
        ClipPlan(word, split, number, (number - 1) % options.speakers[split])
        for word in sorted(options.words)
        for split in SPLITS
        for number in range(1, options.clips_per_word[split] + 1)
    ]


def is_written(plan: ClipPlan, root: Path) -> bool:
    """Whether the clip is complete: its .txt is written last."""
    return (root / f"{plan.stem}.txt").is_file() and (root / f"{plan.stem}.mp4").is_file()


def write_clip(plan: ClipPlan, options: SyntheticOptions, root: Path) -> None:
    """Render the clip to <root>/<WORD>/<split>/<WORD>_<NNNNN>.mp4, with its .txt."""
    frames_THWC, seconds = render_clip(plan, options)
    with write_atomic(root / f"{plan.stem}.mp4") as temporary:
        # OpenCV chooses the container by the name's ending.
        movie = temporary.with_name(f"{temporary.name}.mp4")
        try:
            encode_movie(movie, frames_THWC)
            movie.replace(temporary)
        finally:
            movie.unlink(missing_ok=True)
    with write_atomic(root / f"{plan.stem}.txt") as temporary:
        temporary.write_text(describe_clip(plan, seconds), encoding="utf-8")


def encode_movie(path: Path, frames_THWC: NDArray[np.uint8]) -> None:
    """MPEG-4 at 25 fps; OSError if it cannot be written (a full disk)."""
    height, width = frames_THWC.shape[1:3]
    fourcc = cv2.VideoWriter.fourcc(*CODEC)
    writer = cv2.VideoWriter(str(path), fourcc, FPS, (width, height))
    for frame in frames_THWC:
        writer.write(frame)
    writer.release()
    check_movie(path, len(frames_THWC))


def check_movie(path: Path, frames: int) -> None:
    """OSError unless the movie has all its frames: the writer reports no error on a full disk."""
    reader = cv2.VideoCapture(str(path))
    found = round(reader.get(cv2.CAP_PROP_FRAME_COUNT)) if reader.isOpened() else 0
    reader.release()
    if found != frames:
        full = shutil.disk_usage(path.parent).free < frames_bytes(frames)
        code = errno.ENOSPC if full else errno.EIO
        raise OSError(code, f"{os.strerror(code)}: {found} of {frames} frames written", str(path))


def frames_bytes(frames: int) -> int:
    """Bytes free below which a failed write means a full disk: more than a movie needs."""
    return frames * 64 * 1024


def describe_clip(plan: ClipPlan, seconds: float) -> str:
    """The .txt of a clip, in LRW's form, with a line for the speaker."""
    start = CLIP_SECONDS / 2 - seconds / 2
    return (
        f"Text:  {plan.word}\n"
        "Conf:  5\n"
        f"Duration: {seconds:.2f} seconds\n"
        f"Speaker: {name_speaker(plan.split, plan.speaker)}\n"
        "\n"
        "WORD START END\n"
        f"{plan.word} {start:.2f} {start + seconds:.2f}\n"
    )
