"""LRW's layout: one word in the middle of each video, and its duration in a .txt file."""

import math
import os
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from lipnet.clip import FPS, Clip, Rejected
from lipnet.errors import InputError
from lipnet.sources.options import check_known, read_names
from lipnet.sources.scan import NAME, find_video_fault, is_folder, list_entries, list_root, reject
from lipnet.sources.source import Published, Source

LAYOUT = "<WORD>/<train|val|test>/<WORD>_<NNNNN>.mp4, and next to it a .txt with a Duration line"
LRW_SPLITS = ("train", "val", "test")
EARLIEST = -(10**6)  # counted from the middle: before the first frame of any video
MAX_SECONDS = 60.0
DURATION = re.compile(rb"^[ \t]*duration[ \t]*:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
SECONDS = re.compile(rb"([0-9.eE+-]+)[ \t]*(?:s|sec|seconds?)?", re.IGNORECASE)
SPEAKER = re.compile(rb"^[ \t]*speaker[ \t]*:[ \t]*([A-Za-z0-9_-]+)", re.IGNORECASE | re.MULTILINE)
# Reading half a million small files is bound by the disk's latency, above all on a network.
READERS = 8
TEXT_BYTES = 1 << 16

Found = list[Clip | Rejected]


def discover(root: Path, options: Mapping[str, object]) -> tuple[list[Clip], list[Rejected]]:
    """Every clip and rejected file of the tree; option `words` keeps only those word folders."""
    check_known(options, ("words",))
    words = choose_words([entry.name for entry in list_root(root)], read_names(options, "words"))
    found: Found = []
    with ThreadPoolExecutor(READERS) as pool:
        for part in pool.map(partial(scan_word, str(root)), words):
            found.extend(part)
    clips = [item for item in found if isinstance(item, Clip)]
    rejected = [item for item in found if isinstance(item, Rejected)]
    return (
        sorted(clips, key=lambda clip: clip.clip_id),
        sorted(rejected, key=lambda record: (record.path, record.reason)),
    )


def choose_words(present: list[str], wanted: list[str]) -> list[str]:
    """The wanted words, or all if none is named; InputError for a word without a folder."""
    missing = sorted(set(wanted) - set(present))
    if missing:
        raise InputError(
            f"source.options.words names {', '.join(missing)}, with no folder in source.root; "
            f"it has {len(present)} words, such as {', '.join(present[:5])}"
        )
    return wanted or present


def scan_word(root: str, word: str) -> Found:
    """The clips and rejected files of one word's folder."""
    found: Found = []
    for entry in list_entries(os.path.join(root, word)):
        place = f"{word}/{entry.name}"
        if not is_folder(entry):
            found.append(reject(place, "unexpected_name", f"not in a split's folder: {LAYOUT}"))
        elif entry.name not in LRW_SPLITS:
            found.extend(reject_folder(entry.path, place))
        else:
            found.extend(scan_split(entry.path, word, entry.name))
    return found or [reject(word, "no_clips", "the word's folder holds no video")]


def reject_folder(folder: str, place: str) -> Iterable[Rejected]:
    """A record for each video of a folder that is not a split; one for the folder if it has none.

    A folder of videos counts by its videos, so that the files seen add up.
    """
    detail = f"the split folders are {', '.join(LRW_SPLITS)}"
    videos = [e.name for e in list_entries(folder) if e.name.endswith(".mp4")]
    paths = [f"{place}/{name}" for name in videos] or [place]
    return [reject(path, "unknown_split", detail) for path in paths]


def scan_split(folder: str, word: str, split: str) -> Found:
    """The clips and rejected files of one word's folder for one split."""
    entries = {entry.name: entry for entry in list_entries(folder)}
    expected = re.compile(re.escape(word) + r"_[0-9]+") if NAME.fullmatch(word) else None
    found: Found = []
    for name, entry in entries.items():
        stem, _, kind = name.rpartition(".")
        place = f"{word}/{split}/{name}"
        if expected is None or not expected.fullmatch(stem) or kind not in ("mp4", "txt"):
            if not (kind == "txt" and f"{stem}.mp4" in entries):
                found.append(reject(place, "unexpected_name", f"expected {LAYOUT}"))
        elif kind == "mp4":
            text = entries.get(f"{stem}.txt")
            found.append(read_clip(entry, place, text))
        elif f"{stem}.mp4" not in entries:
            found.append(reject(place, "no_video", "no .mp4 next to this .txt"))
    return found


def read_clip(
    video: os.DirEntry[str], place: str, text: os.DirEntry[str] | None
) -> Clip | Rejected:
    """One clip from its video's entry and its .txt; `place` is <WORD>/<split>/<name>.mp4."""
    fault = find_video_fault(video, place)
    if fault is not None:
        return fault
    if text is None:
        return reject(place, "no_annotation", "no .txt next to the video")
    try:
        if not text.is_file():  # to open a pipe would wait for its writer
            return reject(place, "unreadable_annotation", "the .txt is not a file")
        content = read_text(text.path)
    except OSError as error:
        return reject(place, "unreadable_annotation", error.strerror or str(error))
    found = DURATION.search(content)
    value = found[1].strip() if found else b""
    if not value:
        return reject(place, "no_duration", "the .txt has no line `Duration: <seconds> seconds`")
    seconds = parse_seconds(value)
    if seconds is None:
        shown = value[:40].decode("utf-8", "replace")
        return reject(place, "bad_duration", f"{shown!r} is not the length of a word in seconds")
    speaker = SPEAKER.search(content)
    return make_clip(place, seconds, speaker[1].decode() if speaker else "")


def read_text(path: str) -> bytes:
    """The head of a small file, with as few system calls as possible."""
    handle = os.open(path, os.O_RDONLY)
    try:
        return os.read(handle, TEXT_BYTES)
    finally:
        os.close(handle)


def parse_seconds(text: bytes) -> float | None:
    """A duration above 0 and at most MAX_SECONDS, with or without its unit; else None."""
    found = SECONDS.fullmatch(text)
    try:
        seconds = float(found[1]) if found else math.nan
    except ValueError:
        return None
    return seconds if 0 < seconds <= MAX_SECONDS else None


def make_clip(place: str, seconds: float, speaker: str) -> Clip:
    """The clip of a whole video, with its word around its middle frame, (frames - 1) // 2."""
    clip_id = place.removesuffix(".mp4")
    word, split, _ = clip_id.split("/")
    half = int(seconds / 2 * FPS)
    return Clip(
        clip_id=clip_id,
        video=place,
        label=word,
        split=split,
        speaker=speaker,
        unit=clip_id,
        slot="",
        first=EARLIEST,
        last=-1,
        word_first=-half,
        word_last=half + 1,
        centred=True,
    )


# The speaker is in the middle of the frame.
def published(options: Mapping[str, object]) -> Published:
    """The clips of 500 words (Chung and Zisserman, ACCV 2016), or the share of the chosen ones."""
    words = len(read_names(options, "words")) or 500
    clips = {"train": 488_763, "val": 25_000, "test": 25_000}
    chosen = {split: count * words // 500 for split, count in clips.items()}
    return Published(sum(chosen.values()), words, chosen)


SOURCE = Source(
    discover,
    LAYOUT,
    published=published,
    gives_splits=lambda root: True,
    face="centre",
    paper_name="LRW",
)
