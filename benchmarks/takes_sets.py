"""The takes of the study of `lipnet teach`: of rendered speakers, and of GRID's speaker s1.

Each set is a folder in the layout of `lipnet teach`, written once.
"""
# T frames  H W pixels  C channels (blue, green, red)

from collections import defaultdict
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lipnet.clip import CLIP_FRAMES
from lipnet.errors import InputError
from lipnet.files import write_folder_atomic
from lipnet.sources.grid import UNITS_PER_FRAME, Sentence, scan_speaker
from lipnet.sources.grid_alignment import SLOTS
from lipnet.sources.names import hash_name
from lipnet.sources.synthetic.corpus import encode_movie
from lipnet.sources.synthetic.options import SyntheticOptions
from lipnet.sources.synthetic.render import ClipPlan, render_clip
from lipnet.sources.synthetic.words import DEFAULT_WORDS

SPEAKER = "s1"  # the only one of GRID with hundreds of sentences in the training data
DIGIT = list(SLOTS).index("digit")
TAKES = 62  # of each word: 41 to train on, 9 to choose the epoch by, 12 held back
OTHER_TAKES = 30  # of each of the other words
RENDERED_WORDS = tuple(DEFAULT_WORDS[:10])
STILL = 23  # frames before and after a rendered word: a take of three seconds
TRAIN_SPEAKERS, TRAIN_TAKES = 10, 6  # of the rendered training speakers, and takes of each

Picks = dict[str, list[tuple[Sentence, int]]]  # of each word, sentences and the word's place there


def render_takes(folder: Path, split: str, speakers: Sequence[int], takes: int) -> None:
    """Takes of RENDERED_WORDS by each of a split's speakers; another split has none of them."""
    if folder.is_dir():
        return
    options = SyntheticOptions(words=RENDERED_WORDS, pauses=1.0)
    with write_folder_atomic(folder) as temporary:
        for word, speaker, number in product(RENDERED_WORDS, speakers, range(1, takes + 1)):
            own = temporary / word.lower()
            own.mkdir(exist_ok=True)
            plan = ClipPlan(word, split, number, speaker)
            path = own / f"{split}-{speaker:02d}-{number:03d}.mp4"
            encode_movie(path, render_take(plan, options))


def render_take(plan: ClipPlan, options: SyntheticOptions) -> NDArray[np.uint8]:
    """The rendered word [T, H, W, C] between two stills."""
    frames_THWC, _ = render_clip(plan, options)
    before, after = (np.repeat(frames_THWC[at][None], STILL, axis=0) for at in (0, -1))
    return np.concatenate([before, frames_THWC, after])


def cut_digits(grid: Path, folder: Path, takes: int = TAKES) -> None:
    """`takes` of each digit of SPEAKER, each of its own sentence."""
    _cut(grid, folder, pick_digits(read_sentences(grid), takes))


def cut_other_words(grid: Path, folder: Path, takes: int = OTHER_TAKES) -> None:
    """At most `takes` of each other word of SPEAKER, of sentences that `cut_digits` leaves."""
    sentences = read_sentences(grid)
    digits = pick_digits(sentences, TAKES)
    used = {sentence.name for own in digits.values() for sentence, _ in own}
    _cut(grid, folder, pick_others([own for own in sentences if own.name not in used], takes))


def read_sentences(grid: Path) -> list[Sentence]:
    """The speaker's sentences, in an order by their names' digests."""
    if not (grid / SPEAKER).is_dir():
        raise InputError(f"--grid {grid} has no folder {SPEAKER}: name the folder of GRID")
    found = [own for own in scan_speaker(grid, SPEAKER) if isinstance(own, Sentence)]
    return sorted(found, key=lambda own: (hash_name(own.name, 1), own.name))


def pick_digits(sentences: Sequence[Sentence], takes: int) -> Picks:
    """The first `takes` sentences of each digit; InputError if there are fewer."""
    picks: Picks = defaultdict(list)
    for sentence in sentences:
        own = picks[sentence.words[DIGIT].text]
        if len(own) < takes and is_whole(sentence, DIGIT):
            own.append((sentence, DIGIT))
    few = sorted(word for word, own in picks.items() if len(own) < takes)
    if few or not picks:
        raise InputError(f"{SPEAKER} has fewer than {takes} takes of {few[0] if few else 'digits'}")
    return picks


def pick_others(sentences: Sequence[Sentence], takes: int) -> Picks:
    """At most `takes` of each word that is not a digit."""
    picks: Picks = defaultdict(list)
    for sentence in sentences:
        for place, word in enumerate(sentence.words):
            is_wanted = place != DIGIT and len(picks[word.text]) < takes
            if is_wanted and is_whole(sentence, place):
                picks[word.text].append((sentence, place))
    return {word: own for word, own in picks.items() if own}


def is_whole(sentence: Sentence, place: int) -> bool:
    """Whether a window of CLIP_FRAMES about the word is within the sentence."""
    first = find_first(sentence, place)
    return first >= 0 and first + CLIP_FRAMES <= sentence.end // UNITS_PER_FRAME


def find_first(sentence: Sentence, place: int) -> int:
    """The first frame of the window about the word's middle."""
    word = sentence.words[place]
    return (word.start + word.end) // 2 // UNITS_PER_FRAME - (CLIP_FRAMES - 1) // 2


def _cut(grid: Path, folder: Path, picks: Picks) -> None:
    if folder.is_dir():
        return
    with write_folder_atomic(folder) as temporary:
        for word, own in picks.items():
            (temporary / word).mkdir()
            for sentence, place in own:
                stem = sentence.name.rpartition("/")[2]
                frames_THWC = read_window(grid / sentence.video, find_first(sentence, place))
                encode_movie(temporary / word / f"{stem}.mp4", frames_THWC)


def read_window(video: Path, first: int) -> NDArray[np.uint8]:
    """CLIP_FRAMES of a video, [T, H, W, C], from the frame `first` on; InputError if it is
    shorter."""
    opened = cv2.VideoCapture(str(video))
    read = [opened.read() for _ in range(first + CLIP_FRAMES)]
    opened.release()
    if not all(is_read for is_read, _ in read):
        raise InputError(f"{video} cannot be read up to frame {first + CLIP_FRAMES}")
    return np.asarray([frame for _, frame in read[first:]], np.uint8)
