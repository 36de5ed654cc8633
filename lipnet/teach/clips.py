"""What a person's model is trained and measured on: the words of takes, and the pauses around
them."""
# T frames  H W pixels

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipnet.clip import CLIP_FRAMES, Clip
from lipnet.crops.crop import CropOptions
from lipnet.cutting.window import cut_clip, fail_clip
from lipnet.errors import InputError
from lipnet.labels import BACKGROUND
from lipnet.shards.index import ClipFailure
from lipnet.sources.discover import discover_clips
from lipnet.sources.names import hash_name
from lipnet.teach.cropping import crop_once
from lipnet.teach.takes import WORK, check_words, list_words
from lipnet.video.decode import VideoError

SPLITS = ("train", "val", "test")
FRACTIONS: Mapping[str, object] = {"val_fraction": 0.15, "test_fraction": 0.2}  # of 15: 2 and 3
NAMED = 10  # words in a message
APART = 18  # frames at least between the middle of a pause and that of the word
PAUSES_PER_WORD = 4  # pauses for each take of one word: of ten words, as many as of four words


@dataclass(frozen=True, eq=False)
class Cut:
    """A window of a take: its clip, with label and split, and its crops [T, size, size]."""

    clip: Clip
    crops_THW: NDArray[np.uint8]


@dataclass(frozen=True)
class Collected:
    """The windows of all takes that can be used by split, the labels in class order, and the
    failures of the other takes."""

    splits: Mapping[str, Sequence[Cut]]
    labels: list[str]
    failures: Sequence[ClipFailure]

    @property
    def has_background(self) -> bool:
        """Whether the takes have pauses to learn from."""
        return BACKGROUND in self.labels


def collect_clips(
    root: Path,
    options: CropOptions,
    words: Sequence[str] = (),
    on_take: Callable[[int, int], None] = lambda done, total: None,
) -> Collected:
    """Crop every take below the folder (of these words, or of all) and cut out words and pauses.

    InputError if a word is left without a clip to train on, to validate or to measure on.
    """
    if not list_words(root):
        raise InputError(
            f"{root} has no takes: record some on the page of `lipnet teach`, or put videos in "
            f"{root / '<word>'}"
        )
    found, _ = discover_clips("folder", root, FRACTIONS)
    labels = check_words([*words] or sorted({clip.label for clip in found} - {BACKGROUND}))
    clips = [clip for clip in found if clip.label in (*labels, BACKGROUND)]
    _check_words(root, labels, {clip.label for clip in found} - {BACKGROUND})
    _check_splits(clips, labels, [])  # cropping can only lose takes
    failures: list[ClipFailure] = []
    cuts: list[Cut] = []
    for done, clip in enumerate(clips, start=1):
        try:
            crops_THW = crop_once(root / clip.video, options, root / WORK / "crops")
            cuts += cut_take(clip, crops_THW)
        except VideoError as error:
            failures.append(fail_clip(clip, error))
        on_take(done, len(clips))
    splits = {name: balance([cut for cut in cuts if cut.clip.split == name]) for name in SPLITS}
    _check_splits([cut.clip for own in splits.values() for cut in own], labels, failures)
    known = {cut.clip.label for cut in splits["train"]}
    kept = {name: [cut for cut in own if cut.clip.label in known] for name, own in splits.items()}
    return Collected(kept, sorted(known), failures)


def cut_take(clip: Clip, crops_THW: NDArray[np.uint8]) -> Iterator[Cut]:
    """The word, in the take's middle, and the pauses before and after it if the take has them."""
    yield Cut(clip, cut_clip(clip, crops_THW, 0)[0])
    if clip.label == BACKGROUND:  # recorded as such
        return
    for number, (first, last) in enumerate(find_pauses(len(crops_THW)), start=1):
        pause = replace(
            clip,
            clip_id=f"{clip.clip_id}/pause-{number}",
            label=BACKGROUND,
            first=first,
            last=last,
            word_first=first,
            word_last=last,
            centred=False,
        )
        yield Cut(pause, crops_THW[first:last])


def find_pauses(frames: int) -> list[tuple[int, int]]:
    """The first and the last window of a take, as [first, last), if their middles are APART from
    the take's or more."""
    last = frames - CLIP_FRAMES
    apart = frames // 2 - CLIP_FRAMES // 2
    return [(0, CLIP_FRAMES), (last, frames)] if apart >= APART else []


def balance(cuts: Sequence[Cut]) -> list[Cut]:
    """The words, and of the pauses at most PAUSES_PER_WORD times as many as takes per word, drawn
    by name: in a stream most windows are pauses, but a class that is far larger than the others
    would be all that is learned."""
    words = [cut for cut in cuts if cut.clip.label != BACKGROUND]
    pauses = sorted(
        (cut for cut in cuts if cut.clip.label == BACKGROUND),
        key=lambda cut: (hash_name(cut.clip.clip_id, 0), cut.clip.clip_id),
    )
    per_word = Counter(cut.clip.label for cut in words)
    kept = PAUSES_PER_WORD * max(1, round(len(words) / max(1, len(per_word))))
    return sorted([*words, *pauses[:kept]], key=lambda cut: cut.clip.clip_id)


def _check_words(root: Path, labels: Sequence[str], known: Collection[str]) -> None:
    """InputError for a word without takes, with the words that have some."""
    missing = [label for label in labels if label not in known]
    if missing:
        words = sorted(known)
        rest = f" and {len(words) - NAMED} more" if len(words) > NAMED else ""
        raise InputError(
            f"{root} has no takes of {missing[0]}: it has takes of {', '.join(words[:NAMED])}{rest}"
        )


def _check_splits(
    clips: Sequence[Clip], labels: Sequence[str], failures: Sequence[ClipFailure]
) -> None:
    """InputError for a word that some split has no clip of, with what was lost so far."""
    found = {(clip.split, clip.label) for clip in clips}
    for name in SPLITS:
        missing = [label for label in labels if (name, label) not in found]
        if missing:
            left, reason = "", ""
            if failures:
                first = f"{failures[0].clip_id} ({failures[0].detail})"
                left, reason = " left", f"; {len(failures)} takes cannot be used, such as {first}"
            raise InputError(
                f"{missing[0]} has no take{left} in the split {name}: of each word three or more "
                f"are needed, and 15 are better{reason}"
            )
