"""Windows: words counted from their start, and a reason for a clip without frames."""

from pathlib import Path

import numpy as np
import pytest

from lipnet.cutting.window import check_whole, cut_clip
from lipnet.video.decode import VideoError
from tests.lipnet.cutting.clips import clip

CROPS = np.arange(75, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)


@pytest.mark.parametrize(
    ("window", "word", "frames", "inside"),
    [
        ((0, -1), (5, 9), range(75), (5, 9)),
        ((10, 39), (20, 28), range(10, 39), (10, 18)),
        ((-4, 25), (1, 6), range(25), (1, 6)),
        ((60, 89), (70, 80), range(60, 75), (10, 15)),
        ((10, 39), (5, 60), range(10, 39), (0, 29)),
    ],
)
def test_windows_end_with_the_video_and_words_count_from_their_start(
    window: tuple[int, int], word: tuple[int, int], frames: range, inside: tuple[int, int]
) -> None:
    wanted = clip(first=window[0], last=window[1], word_first=word[0], word_last=word[1])
    crops, meta = cut_clip(wanted, CROPS, 7)
    assert crops[:, 0, 0].tolist() == list(frames)
    assert (meta.word_first, meta.word_last) == inside
    assert meta.label_index == 7


def test_indices_of_another_rate_are_converted() -> None:
    wanted = clip(first=50, last=100, word_first=60, word_last=70, fps=50.0)
    crops, meta = cut_clip(wanted, CROPS, 0)
    assert crops[:, 0, 0].tolist() == list(range(25, 50))
    assert (meta.word_first, meta.word_last) == (5, 10)


def test_a_file_that_cannot_be_opened_is_left_to_the_decoder(tmp_path: Path) -> None:
    wanted = clip(first=-14, last=15, word_first=-2, word_last=3, centred=True)
    for place in (tmp_path, tmp_path / "missing.mp4"):
        check_whole([wanted], place)


@pytest.mark.parametrize(
    ("length", "frames"),
    [(1, range(1)), (6, range(6)), (29, range(29)), (30, range(29)), (75, range(23, 52))],
)
def test_a_centred_clip_is_the_middle_of_its_video(length: int, frames: range) -> None:
    wanted = clip(first=-14, last=15, word_first=-2, word_last=3, centred=True)
    crops, meta = cut_clip(wanted, CROPS[:length], 0)
    assert crops[:, 0, 0].tolist() == list(frames)
    middle = (length - 1) // 2 - frames.start
    word = range(max(0, middle - 2), min(length, middle + 3))
    assert (meta.word_first, meta.word_last) == (word.start, word.stop)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"first": 75, "last": 104, "word_first": 80, "word_last": 90}, "window_empty"),
        ({"first": 60, "last": 89, "word_first": 76, "word_last": 80}, "word_missing"),
        ({"first": 60, "last": 89, "word_first": 71, "word_last": 81}, "word_missing"),
        ({"word_first": 9, "word_last": 9}, "word_missing"),
    ],
)
def test_a_clip_without_frames_or_word_has_a_reason(
    changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(VideoError) as caught:
        cut_clip(clip(**changes), CROPS, 0)
    assert caught.value.reason == reason
