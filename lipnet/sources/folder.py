"""One folder per word: the user's own videos of one word each, without annotations."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lipnet.clip import Clip, Rejected
from lipnet.errors import InputError
from lipnet.sources.names import hash_name, make_id, normalise
from lipnet.sources.options import check_known, read_fraction, read_frames, read_integer, read_text
from lipnet.sources.scan import (
    find_video_fault,
    is_folder,
    list_entries,
    list_root,
    reject,
    reject_name,
)
from lipnet.sources.source import CHANGE_FRACTIONS, Source, add_videos
from lipnet.text import escape, is_writable

LAYOUT = (
    "<word>/<any name>.mp4 (or avi, m4v, mkv, mov, mpeg, mpg, webm, wmv), split by fractions; or "
    "<train|val|test>/<word>/<any name>.mp4, with the splits given"
)
VIDEO_KINDS = ("avi", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "webm", "wmv")
SPLIT_FOLDERS = ("train", "val", "test")
MIN_TO_SPLIT = 3  # with fewer, all are for training


@dataclass(frozen=True, slots=True)
class Video:
    """One video; `split` is empty if it will be drawn."""

    place: str
    word: str
    stem: str
    split: str


@dataclass(frozen=True, slots=True)
class FolderOptions:
    """How splits are drawn, how many frames are used, and who speaks.

    Of a video with more than `frames`, the middle ones are used. The part of a file's name before
    `speaker_until` is its speaker, and then speakers are split, not videos, and a file without a
    speaker is rejected; empty: not known.
    """

    val_fraction: float
    test_fraction: float
    seed: int
    frames: int
    speaker_until: str


def discover(root: Path, options: Mapping[str, object]) -> tuple[list[Clip], list[Rejected]]:
    """A clip for each video of each word's folder, and a record for everything else there."""
    chosen = read_options(options)
    found = require_speakers(list(scan_root(root)), chosen)
    videos = [item for item in found if isinstance(item, Video)]
    rejected = [item for item in found if isinstance(item, Rejected)]
    splits = assign_splits([video for video in videos if not video.split], chosen)
    clips = [make_clip(video, splits.get(video.place, video.split), chosen) for video in videos]
    return (
        sorted(clips, key=lambda clip: clip.clip_id),
        sorted(rejected, key=lambda record: (record.path, record.reason)),
    )


def read_options(options: Mapping[str, object]) -> FolderOptions:
    """The options, checked."""
    check_known(options, tuple(FolderOptions.__slots__))
    chosen = FolderOptions(
        val_fraction=read_fraction(options, "val_fraction", 0.15),
        test_fraction=read_fraction(options, "test_fraction", 0.15),
        seed=read_integer(options, "seed", 0),
        frames=read_frames(options),
        speaker_until=read_text(options, "speaker_until", ""),
    )
    if chosen.val_fraction + chosen.test_fraction >= 1:
        raise InputError(
            f"source.options.val_fraction {chosen.val_fraction:g} and test_fraction "
            f"{chosen.test_fraction:g} leave nothing to train on; their sum must be below 1"
        )
    return chosen


def scan_root(root: Path) -> Iterator[Video | Rejected]:
    """Every video and rejected entry; if all folders have the names of splits, they are splits."""
    folders = [entry.name for entry in list_root(root)]
    for entry in list_entries(root):
        if kind_of(entry.name) in VIDEO_KINDS and not is_folder(entry):
            yield reject(entry.name, "no_word", f"not in a word's folder: {LAYOUT}")
    if has_split_folders(root):
        for split in folders:
            yield from scan_split(root, split)
        return
    for word in folders:
        yield from scan_word(root, word, word, split="")


def has_split_folders(root: Path) -> bool:
    """Whether the root's folders are splits, not words."""
    names = {entry.name for entry in list_root(root)}
    return bool(names) and names <= set(SPLIT_FOLDERS)


def scan_split(root: Path, split: str) -> Iterator[Video | Rejected]:
    """The words of one split's folder, without hidden ones."""
    for entry in list_entries(root / split):
        if is_folder(entry) and entry.name.startswith("."):
            continue
        place = f"{split}/{entry.name}"
        if is_folder(entry):
            yield from scan_word(root, place, entry.name, split=split)
        else:
            yield reject(place, "no_word", f"not in a word's folder: {LAYOUT}")


def scan_word(root: Path, folder: str, word: str, *, split: str) -> Iterator[Video | Rejected]:
    """The videos of one word's folder, and a record for each other entry."""
    entries = list_entries(root / folder)
    if not entries:
        yield reject(folder, "no_clips", "the word's folder is empty")
    for entry in entries:
        place = f"{folder}/{entry.name}"
        if is_folder(entry):
            yield from reject_folder(entry.path, place)
        else:
            yield read_video(entry, place, word, split)


def reject_folder(folder: str, place: str) -> Iterator[Rejected]:
    """A record for each file below an unexpected folder, or for the folder if it is empty."""
    entries = list_entries(folder)
    if not entries:
        yield reject(place, "unexpected_folder", f"a folder in a word's folder: {LAYOUT}")
    for entry in entries:
        inner = f"{place}/{entry.name}"
        if is_folder(entry):
            yield from reject_folder(entry.path, inner)
        else:
            yield reject(inner, "unexpected_folder", f"deeper than a word's folder: {LAYOUT}")


def read_video(entry: os.DirEntry[str], place: str, word: str, split: str) -> Video | Rejected:
    """One video from its entry; nothing of it is opened."""
    if kind_of(entry.name) not in VIDEO_KINDS or entry.name.startswith("."):
        return reject(place, "not_a_video", f"its ending is not one of: {', '.join(VIDEO_KINDS)}")
    if not (is_writable(place) and is_writable(word)):
        return reject_name(place)
    fault = find_video_fault(entry, place)
    if fault is not None:
        return fault
    stem = normalise(entry.name.rpartition(".")[0])
    return Video(place=place, word=normalise(word), stem=stem, split=split)


def kind_of(name: str) -> str:
    """A file name's ending, in lower case."""
    return name.rpartition(".")[2].lower()


def require_speakers(
    found: list[Video | Rejected], options: FolderOptions
) -> list[Video | Rejected]:
    """The same, with a record in place of each video whose name has no speaker, if its speaker
    decides its split; InputError if none of these has one."""
    videos = [item for item in found if isinstance(item, Video) and not item.split]
    nameless = {video.place for video in videos if not name_speaker(video, options)}
    if not options.speaker_until or not nameless:
        return found
    if len(nameless) == len(videos):
        raise InputError(
            f"source.options.speaker_until is {options.speaker_until!r}, but no video's name has a "
            f"speaker before it (such as {escape(min(nameless))}): set it to what follows the "
            "speaker in the names, or leave it empty"
        )
    detail = f"no speaker before {options.speaker_until!r} (source.options.speaker_until)"
    return [
        reject(item.place, "no_speaker", detail)
        if isinstance(item, Video) and item.place in nameless
        else item
        for item in found
    ]


def assign_splits(videos: list[Video], options: FolderOptions) -> dict[str, str]:
    """Each video's split by its place: fractions of each word's videos, or of the speakers."""
    if options.speaker_until:
        speakers = {name_speaker(video, options) for video in videos}
        drawn = draw_splits({speaker: speaker for speaker in speakers}, options)
        return {video.place: drawn[name_speaker(video, options)] for video in videos}
    words: dict[str, dict[str, str]] = {}
    for video in videos:
        words.setdefault(video.word, {})[video.place] = f"{video.word}/{video.stem}"
    splits: dict[str, str] = {}
    for names in words.values():
        splits |= draw_splits(names, options)
    return splits


def draw_splits(names: Mapping[str, str], options: FolderOptions) -> dict[str, str]:
    """Splits by key, in an order that depends on each key's name and the seed only.

    Of three or more, a fraction above 0 gets at least one, and one is left to train on.
    """
    order = sorted(names, key=lambda key: (hash_name(names[key], options.seed), key))
    val_end = count_held(len(order), options.val_fraction, room=len(order) - 2)
    test = count_held(len(order), options.test_fraction, room=len(order) - 1 - val_end)
    ends = ("val",) * val_end + ("test",) * test
    return {key: ends[i] if i < len(ends) else "train" for i, key in enumerate(order)}


def count_held(count: int, fraction: float, *, room: int) -> int:
    """How many of `count` a fraction holds out, `room` at most."""
    if fraction == 0 or count < MIN_TO_SPLIT:
        return 0
    return min(max(1, round(count * fraction)), room)


def name_speaker(video: Video, options: FolderOptions) -> str:
    """The file's name up to the separator; empty if there is none."""
    if not options.speaker_until:
        return ""
    speaker, separator, _ = video.stem.partition(options.speaker_until)
    return speaker if separator else ""


def make_clip(video: Video, split: str, options: FolderOptions) -> Clip:
    """The middle of a video, all of it the word."""
    first = -((options.frames - 1) // 2)
    names = [make_id(part) for part in (video.word, video.stem)]
    # Split folders may have videos of the same name. A drawn split is not in the id, so that the id
    # stays the same in another draw.
    clip_id = "/".join([video.split, *names] if video.split else names)
    return Clip(
        clip_id=clip_id,
        video=video.place,
        label=video.word,
        split=split,
        speaker=name_speaker(video, options),
        unit=clip_id,
        slot="",
        first=first,
        last=first + options.frames,
        word_first=first,
        word_last=first + options.frames,
        centred=True,
    )


def advise(root: Path, options: Mapping[str, object]) -> str:
    """What helps if a split has no clip: it depends on what is split."""
    if has_split_folders(root):
        return add_videos(root, options)
    what = "speakers" if read_options(options).speaker_until else "videos of a word"
    return f"add videos to source.root ({MIN_TO_SPLIT} {what} are needed) or {CHANGE_FRACTIONS}"


SOURCE = Source(
    discover,
    LAYOUT,
    frames_per_clip=lambda options: read_options(options).frames,
    gives_splits=has_split_folders,
    advise=advise,
)
