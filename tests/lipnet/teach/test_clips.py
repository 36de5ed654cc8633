"""Words and pauses of takes: which frames they are, how many pauses, and what is missing."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lipnet.clip import CLIP_FRAMES
from lipnet.crops.crop import CropOptions
from lipnet.errors import InputError
from lipnet.labels import BACKGROUND
from lipnet.teach import clips
from lipnet.teach.clips import APART, PAUSES_PER_WORD, collect_clips, find_pauses
from lipnet.teach.cropping import find_middle
from lipnet.video.decode import VideoError

FRAMES = 75


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files in place of videos; the crop of each frame is its number."""
    for word in ("no", "yes"):
        (tmp_path / word).mkdir()
        for number in range(15):
            (tmp_path / word / f"take-{number:03d}.mp4").write_bytes(b"x")

    def number_frames(video: Path, options: CropOptions, kept: Path) -> NDArray[np.uint8]:
        if video.read_bytes() != b"x":
            raise VideoError("no_face", "no face in any frame")
        return np.full((FRAMES, 4, 4), np.arange(FRAMES)[:, None, None], np.uint8)

    monkeypatch.setattr(clips, "crop_once", number_frames)
    return tmp_path


def test_words_are_in_the_middle_and_pauses_at_the_ends(root: Path) -> None:
    found = collect_clips(root, CropOptions())
    assert found.labels == [BACKGROUND, "no", "yes"]
    starts = {"no": {23}, "yes": {23}, BACKGROUND: {0, FRAMES - CLIP_FRAMES}}
    for own in found.splits.values():
        for cut in own:
            frames_T = cut.crops_THW[:, 0, 0]
            assert len(frames_T) == CLIP_FRAMES
            assert frames_T[0] in starts[cut.clip.label]
            assert (np.diff(frames_T.astype(int)) == 1).all()
    counts = {split: Counter(cut.clip.label for cut in own) for split, own in found.splits.items()}
    assert counts["train"] == {"no": 10, "yes": 10, BACKGROUND: 2 * 20}
    assert counts["test"] == {"no": 3, "yes": 3, BACKGROUND: 2 * 6}
    takes = {split: {cut.clip.unit for cut in own} for split, own in found.splits.items()}
    assert not takes["train"] & takes["test"]  # pauses stay with their take


def test_there_are_not_many_more_pauses_than_takes_of_a_word(root: Path) -> None:
    for word in ("a", "b", "c", "d", "e"):
        (root / word).symlink_to(root / "no")
    found = collect_clips(root, CropOptions())
    pauses = [cut for cut in found.splits["train"] if cut.clip.label == BACKGROUND]
    assert len(pauses) == PAUSES_PER_WORD * 10


def test_takes_that_cannot_be_used_are_listed(root: Path) -> None:
    (root / "yes" / "take-003.mp4").write_bytes(b"no face")
    done: list[tuple[int, int]] = []
    found = collect_clips(root, CropOptions(), on_take=lambda *at: done.append(at))
    assert [(own.clip_id, own.reason) for own in found.failures] == [("yes/take-003", "no_face")]
    assert done == [(number, 30) for number in range(1, 31)]


def test_a_word_without_takes_is_named(root: Path) -> None:
    for path in sorted((root / "yes").iterdir())[2:]:
        path.write_bytes(b"no face")
    with pytest.raises(InputError, match=r"yes has no take left .* 13 takes cannot be used, such"):
        collect_clips(root, CropOptions())


def test_chosen_words_alone_are_used(root: Path) -> None:
    (root / "maybe").symlink_to(root / "no")
    assert collect_clips(root, CropOptions(), ["yes", "no"]).labels == [BACKGROUND, "no", "yes"]


def test_words_with_too_few_takes_are_refused_before_any_is_cropped(root: Path) -> None:
    done: list[tuple[int, int]] = []

    def collect(*words: str) -> None:
        collect_clips(root, CropOptions(), words, on_take=lambda *at: done.append(at))

    with pytest.raises(InputError, match="has no takes of perhaps: it has takes of no, yes$"):
        collect("yes", "perhaps")
    for path in sorted((root / "yes").iterdir())[2:]:
        path.unlink()
    with pytest.raises(InputError, match=r"yes has no take in the split val: of each word three"):
        collect()
    assert not done


@given(st.integers(1, 300))
def test_pauses_are_apart_from_the_word(frames: int) -> None:
    middle = find_middle(frames)
    assert middle.stop - middle.start == min(frames, CLIP_FRAMES)
    for first, last in find_pauses(frames):
        assert (last - first, first >= 0, last <= frames) == (CLIP_FRAMES, True, True)
        assert abs(first - middle.start) >= APART - 1
