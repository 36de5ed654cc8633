"""A clip's window: which frames of a video belong to the clip, and which of those to the word."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipnet.clip import FPS, Clip
from lipnet.shards.codec import Crops
from lipnet.shards.index import ClipFailure
from lipnet.shards.meta import ClipMeta
from lipnet.video.boxes import is_cut_short
from lipnet.video.decode import VideoError

# T frames  H W pixels


@dataclass(frozen=True)
class Window:
    """Frames [first, last) of a video, and the word's among them, [word_first, word_last)."""

    first: int
    last: int
    word_first: int
    word_last: int


def check_whole(clips: Iterable[Clip], video: Path) -> None:
    """VideoError "cut_short" if a clip's middle is not known, because its video is not whole.

    A file that cannot be opened is left to the decoder, which states the reason.
    """
    try:
        is_short = any(clip.centred for clip in clips) and is_cut_short(video)
    except OSError:
        return
    if is_short:
        detail = "it ends within its media data, so that its middle is not known; copy it again"
        raise VideoError("cut_short", detail)


def find_window(clip: Clip, length: int) -> Window:
    """The clip's frames in a video of `length` frames at 25 fps.

    VideoError "window_empty" if the video has no frame in the window, "word_missing" if the
    window, cut to the video, holds no frame of the word, or the video ends before its middle.
    """
    rate = FPS / clip.fps
    origin = (length - 1) // 2 if clip.centred else 0
    first = min(max(0, origin + round(clip.first * rate)), length)
    last = length if clip.last < 0 else min(origin + round(clip.last * rate), length)
    if last <= first:
        detail = f"frames {clip.first} to {clip.last} of a video of {length}"
        raise VideoError("window_empty", detail)
    ends = [origin + round(at * rate) for at in (clip.word_first, clip.word_last)]
    word = np.clip(ends, first, last)
    if word[0] >= word[1] or sum(ends) - 1 >= 2 * length:
        detail = f"word in frames {clip.word_first} to {clip.word_last}, video of {length}"
        raise VideoError("word_missing", detail)
    return Window(first, last, int(word[0]), int(word[1]))


def cut_clip(
    clip: Clip,
    crops_THW: Crops,
    label_index: int,
    outside_T: NDArray[np.float64] | None = None,
) -> tuple[Crops, ClipMeta]:
    """The clip's window of the video's crops, and its meta with the word counted from there.

    VideoError if `find_window` raises it. For a precropped clip it is not known what was outside
    of the frame.
    """
    window = find_window(clip, len(crops_THW))
    span = slice(window.first, window.last)
    meta = ClipMeta(
        clip_id=clip.clip_id,
        label=clip.label,
        label_index=label_index,
        speaker=clip.speaker,
        unit=clip.unit,
        slot=clip.slot,
        word_first=window.word_first - window.first,
        word_last=window.word_last - window.first,
        outside=0.0 if outside_T is None else round(float(outside_T[span].mean()), 4),
    )
    return crops_THW[span], meta


def fail_clip(clip: Clip, error: VideoError) -> ClipFailure:
    """The record of a clip that could not be cut."""
    return ClipFailure(clip.clip_id, error.reason, error.detail)
