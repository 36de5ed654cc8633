"""GRID's layout: sentences of six words each, cut into clips by the times in .align files."""

import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lipnet.clip import CLIP_FRAMES, Clip, Rejected
from lipnet.errors import InputError
from lipnet.labels import BACKGROUND
from lipnet.sources.background import choose_moments
from lipnet.sources.grid_alignment import SLOTS, Word, parse_alignment, parse_line
from lipnet.sources.names import hash_name
from lipnet.sources.options import (
    check_known,
    read_fraction,
    read_frames,
    read_integer,
    read_names,
    read_text,
)
from lipnet.sources.scan import NAME, find_video_fault, list_entries, list_root, reject
from lipnet.sources.source import CHANGE_FRACTIONS, Published, Source

LAYOUT = "<speaker>/<sentence>.mpg or .mp4, with alignments/<speaker>/<sentence>.align"
ALIGNMENTS = "alignments"
VIDEO_KINDS = ("mpg", "mp4")
# Alignment times count 1/25000 s, so that one frame at 25 fps is a thousand of them.
UNITS_PER_FRAME = 1000
# The middle of a background window is at least this far from the middle of every word. A model's
# peak is within 4 frames of that, but a short word, such as `at`, ends sooner.
MIN_APART = 2 * UNITS_PER_FRAME
BACKGROUND_FRAMES = 6  # about the middle, which take the place of the word: a word's mean length
BACKGROUND_SLOT = "background"
MAX_BACKGROUND = 100  # windows per sentence
SPEAKERS, SENTENCES, WORDS = 33, 1000, 51  # speakers on video, sentences of each, words of all
FOLD = re.compile(r"([0-9]{1,3})/([0-9]{1,3})")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One video with its six words; `name` is <speaker>/<sentence>. `end` is the end of the last
    silence, in alignment units; 0 if there is none after the last word."""

    name: str
    video: str
    words: tuple[Word, ...]
    end: int = 0

    @property
    def speaker(self) -> str:
        """The folder that the video is in."""
        return self.name.split("/")[0]


@dataclass(frozen=True, slots=True)
class Fold:
    """One of `count` folds, from 1: it tests its own part of the sentences."""

    number: int
    count: int


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """Who is trained on, what parts of their sentences are held out, how many windows without a
    word are taken of each sentence, and how many frames a window has.

    With a fold, its own part is the test set and `test_fraction` is not used.
    """

    train_speakers: list[str]
    seed: int
    val_fraction: float
    test_fraction: float
    fold: Fold | None = None
    background: int = 0
    frames: int = CLIP_FRAMES

    def test_part(self, sentences: int) -> tuple[int, int]:
        """The test sentences [first, end) among a speaker's sentences in shuffled order."""
        if self.fold is None:
            first = round(sentences * self.val_fraction)
            return first, first + round(sentences * self.test_fraction)
        number, count = self.fold.number, self.fold.count
        return sentences * (number - 1) // count, sentences * number // count


def discover(root: Path, options: Mapping[str, object]) -> tuple[list[Clip], list[Rejected]]:
    """Six clips per sentence, and its background windows; the options are those of
    `read_options`."""
    chosen = read_options(options)
    speakers = [entry.name for entry in list_root(root) if entry.name != ALIGNMENTS]
    check_speakers(chosen.train_speakers, speakers)
    found: list[Sentence | Rejected] = []
    for speaker in speakers:
        found.extend(scan_speaker(root, speaker))
    sentences = [item for item in found if isinstance(item, Sentence)]
    rejected = [item for item in found if isinstance(item, Rejected)]
    splits = assign_splits({sentence.name for sentence in sentences}, chosen)
    clips = [
        clip
        for sentence in sentences
        for clip in cut_clips(sentence, splits[sentence.name], chosen.frames)
    ]
    clips += [
        cut_background(sentence, middle, splits[sentence.name], chosen.frames)
        for sentence in sentences
        for middle in choose_background(sentence, chosen.background, chosen.seed)
    ]
    return (
        sorted(clips, key=lambda clip: clip.clip_id),
        sorted(rejected, key=lambda record: (record.path, record.reason)),
    )


def read_options(options: Mapping[str, object]) -> SplitOptions:
    """The options, checked: train_speakers (none: all), seed, val_fraction of a speaker's sentences
    and either test_fraction or fold, as in "1/3"; something must be left to train on. background:
    windows without a word per sentence. frames: of each window."""
    check_known(options, tuple(SplitOptions.__slots__))
    fold = read_fold(options)
    if fold and "test_fraction" in options:
        raise InputError("source.options has both fold and test_fraction: remove one of them")
    chosen = SplitOptions(
        train_speakers=read_names(options, "train_speakers"),
        seed=read_integer(options, "seed", 0),
        val_fraction=read_fraction(options, "val_fraction", 0.1),
        test_fraction=1 / fold.count if fold else read_fraction(options, "test_fraction", 0.1),
        fold=fold,
        background=read_background(options),
        frames=read_frames(options),
    )
    if chosen.val_fraction + chosen.test_fraction >= 1:
        test = f"fold {fold.number}/{fold.count}" if fold else "test_fraction"
        raise InputError(
            f"source.options.val_fraction {chosen.val_fraction:g} and {test} "
            f"({chosen.test_fraction:g}) leave nothing to train on; their sum must be below 1"
        )
    return chosen


def read_fold(options: Mapping[str, object]) -> Fold | None:
    """Option `fold`, the text k/n with 1 <= k <= n and n >= 2; None if it is absent or empty."""
    text = read_text(options, "fold", "")
    if not text:
        return None
    found = FOLD.fullmatch(text)
    fold = Fold(int(found[1]), int(found[2])) if found else None
    if fold is None or not 1 <= fold.number <= fold.count or fold.count < 2:
        raise InputError(
            f"source.options.fold must be k/n with k in 1..n and n at least 2, such as 1/3, "
            f"not {text!r}"
        )
    return fold


def read_background(options: Mapping[str, object]) -> int:
    """Option `background`, a number of windows per sentence; 0, the default, is none."""
    count = read_integer(options, "background", 0)
    if not 0 <= count <= MAX_BACKGROUND:
        raise InputError(f"source.options.background must be in 0..{MAX_BACKGROUND}, not {count}")
    return count


def check_speakers(wanted: list[str], present: list[str]) -> None:
    """A training speaker with no folder is an InputError that names those present."""
    missing = sorted(set(wanted) - set(present))
    if missing:
        raise InputError(
            f"source.options.train_speakers names {', '.join(missing)}, with no folder in "
            f"source.root; it has {', '.join(present) or 'none'}"
        )


def scan_speaker(root: Path, speaker: str) -> list[Sentence | Rejected]:
    """The sentences and rejected files of one speaker, alignments without a video included."""
    folder = root / ALIGNMENTS / speaker
    entries = list_entries(folder) if folder.is_dir() else []
    aligned = {entry.name: entry.path for entry in entries}
    found: list[Sentence | Rejected] = []
    used: set[str] = set()
    for entry in list_entries(root / speaker):
        stem, _, kind = entry.name.rpartition(".")
        place = f"{speaker}/{entry.name}"
        used.add(f"{stem}.align")
        if kind in VIDEO_KINDS and NAME.fullmatch(stem) and NAME.fullmatch(speaker):
            found.append(read_sentence(entry, place, aligned.get(f"{stem}.align")))
        else:
            found.append(reject(place, "unexpected_name", f"expected {LAYOUT}"))
    for name in sorted(set(aligned) - used):
        place = f"{ALIGNMENTS}/{speaker}/{name}"
        found.append(reject(place, "no_video", f"nothing in {speaker}/ has this name"))
    return found


def read_sentence(
    video: os.DirEntry[str], place: str, alignment: str | None
) -> Sentence | Rejected:
    """One sentence from its video's entry and its alignment file."""
    fault = find_video_fault(video, place)
    if fault is not None:
        return fault
    if alignment is None:
        stem = place.rpartition(".")[0]
        return reject(place, "no_annotation", f"no {ALIGNMENTS}/{stem}.align")
    if not Path(alignment).is_file():  # to open a pipe would wait for its writer
        return reject(place, "unreadable_alignment", "not a file")
    try:
        text = Path(alignment).read_text("utf-8", errors="replace")
        words = parse_alignment(text)
    except (InputError, OSError) as error:
        return reject(place, "unreadable_alignment", str(error))
    end = max(parse_line(line).end for line in text.splitlines() if line.strip())
    return Sentence(name=place.rpartition(".")[0], video=place, words=words, end=end)


def assign_splits(sentences: set[str], options: SplitOptions) -> dict[str, str]:
    """Each sentence's split, exact for every trained speaker; other speakers are `unseen`.

    The n folds together test each of a speaker's sentences once.
    """
    speakers: dict[str, list[str]] = {}
    for name in sentences:
        speakers.setdefault(name.split("/")[0], []).append(name)
    splits: dict[str, str] = {}
    for speaker, names in speakers.items():
        if options.train_speakers and speaker not in options.train_speakers:
            splits.update(dict.fromkeys(names, "unseen"))
            continue
        names.sort(key=lambda name: (hash_name(name, options.seed), name))
        splits.update(split_speaker(names, options))
    return splits


def split_speaker(names: list[str], options: SplitOptions) -> dict[str, str]:
    """The splits of one speaker's sentences, given in shuffled order.

    Validation is what precedes the test part, from the end of the order if the part is near its
    start.
    """
    val = round(len(names) * options.val_fraction)
    first, end = options.test_part(len(names))
    splits = dict.fromkeys(names, "train")
    for index, name in enumerate(names):
        if first <= index < end:
            splits[name] = "test"
        elif (first - 1 - index) % len(names) < val:
            splits[name] = "val"
    return splits


def cut_clips(sentence: Sentence, split: str, frames: int) -> list[Clip]:
    """The sentence's six clips of `frames` each, all in its split."""
    return [
        cut_clip(sentence, index, slot=slot, split=split, frames=frames)
        for index, slot in enumerate(SLOTS)
    ]


def cut_clip(sentence: Sentence, index: int, *, slot: str, split: str, frames: int) -> Clip:
    """A window of `frames` about the midpoint of word `index`, cut at the video's start.

    Its end is cut where the video's true length is known: when the clip is taken out.
    """
    word = sentence.words[index]
    middle = (word.start + word.end) // 2 // UNITS_PER_FRAME
    first = middle - (frames - 1) // 2
    return Clip(
        clip_id=f"{sentence.name}/{index}-{word.text}",
        video=sentence.video,
        label=word.text,
        split=split,
        speaker=sentence.speaker,
        unit=sentence.name,
        slot=slot,
        first=max(0, first),
        last=first + frames,
        word_first=word.start // UNITS_PER_FRAME,
        word_last=-(-word.end // UNITS_PER_FRAME),
    )


def choose_background(sentence: Sentence, count: int, seed: int) -> list[int]:
    """The middles, in alignment units, of up to `count` windows of a sentence without a word in
    their middle."""
    return choose_moments(
        [(word.start, word.end) for word in sentence.words],
        sentence.end,
        count,
        frame=UNITS_PER_FRAME,
        apart=MIN_APART,
        order=lambda moment: hash_name(f"{sentence.name}/{moment}", seed),
    )


def cut_background(sentence: Sentence, middle: int, split: str, frames: int) -> Clip:
    """A window of `frames` about a moment (in alignment units) at which no word is in the
    middle; BACKGROUND_FRAMES there count as its word."""
    frame = middle // UNITS_PER_FRAME
    first = frame - (frames - 1) // 2
    return Clip(
        clip_id=f"{sentence.name}/background-{middle:06d}",
        video=sentence.video,
        label=BACKGROUND,
        split=split,
        speaker=sentence.speaker,
        unit=sentence.name,
        slot=BACKGROUND_SLOT,
        first=max(0, first),
        last=first + frames,
        word_first=max(0, frame - BACKGROUND_FRAMES // 2),
        word_last=frame + BACKGROUND_FRAMES // 2,
    )


def published(options: Mapping[str, object]) -> Published:
    """33 speakers on video, each with 1,000 sentences of six of 51 words (Cooke et al., 2006)."""
    chosen = read_options(options)
    trained = len(chosen.train_speakers) or SPEAKERS
    names = [str(number) for number in range(SENTENCES)]
    splits = Counter(split_speaker(names, chosen).values())
    per_sentence = len(SLOTS) + chosen.background
    clips = {split: trained * count * per_sentence for split, count in splits.items()}
    if unseen := SPEAKERS - trained:
        clips["unseen"] = unseen * SENTENCES * per_sentence
    return Published(SPEAKERS * SENTENCES, WORDS + (chosen.background > 0), clips)


SOURCE = Source(
    discover,
    LAYOUT,
    published=published,
    frames_per_video=75,
    advise=lambda root, options: f"add videos to source.root or {CHANGE_FRACTIONS}",
    gives_every_word=True,
    attribution="The GRID audiovisual sentence corpus (M. Cooke, J. Barker, S. Cunningham, "
    "X. Shao, J. Acoust. Soc. Am. 120(5), 2006; doi:10.5281/zenodo.3625687), licensed CC BY 4.0.",
    weights_licence="mit",
    shareable=True,
    frames_per_clip=lambda options: read_options(options).frames,
)
