"""LRW-1000's layout: three label files, and folders of numbered images with the mouth cut out."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from lipnet.clip import FPS, Clip, Rejected
from lipnet.errors import InputError
from lipnet.sources.names import make_id, normalise
from lipnet.sources.options import check_known, read_folder, read_names
from lipnet.sources.scan import list_root, reject
from lipnet.sources.source import Published, Source
from lipnet.stills import FrameMissing, choose_images, list_images
from lipnet.text import is_writable

LAYOUT = (
    "info/trn_1000.txt, val_1000.txt and tst_1000.txt with lines `folder,word,pinyin,start,end` or "
    "`folder,pinyin,start,end` in seconds, and images/<folder>/<n>.jpg"
)
LABEL_FILES = {"trn_1000.txt": "train", "val_1000.txt": "val", "tst_1000.txt": "test"}
KEPT_FIRST = ("test", "val", "train")  # which split keeps a window that is in several
FIELDS = (4, 5)
UNDECODABLE = re.compile("[\udc80-\udcff]")
READERS = 8
MENTIONED = 5

Images = dict[int, list[str]]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a label file; frames [first, last), frame 0 being image 1. `repeat` counts equal
    lines of the test split."""

    place: str
    split: str
    folder: str
    label: str
    first: int
    last: int
    repeat: int = 1


def discover(root: Path, options: Mapping[str, object]) -> tuple[list[Clip], list[Rejected]]:
    """A clip or a record for each line that is not blank.

    Options: `labels` and `images`, the folders below the root that hold the label files and the
    frames' folders; `words` keeps only lines of those words.
    """
    check_known(options, ("labels", "images", "words"))
    list_root(root)
    labels, images = (
        read_folder(options, "labels", "info"),
        read_folder(options, "images", "images"),
    )
    found = [item for name in LABEL_FILES for item in read_label_file(root, labels, name)]
    lines = [item for item in found if isinstance(item, Line)]
    rejected = [item for item in found if isinstance(item, Rejected)]
    chosen, repeated = reject_repeated(choose_words(lines, read_names(options, "words")))
    results = list(check_lines(root, images, chosen))
    clips = [item for item in results if isinstance(item, Clip)]
    rejected += repeated + [item for item in results if isinstance(item, Rejected)]
    return (
        sorted(clips, key=lambda clip: clip.clip_id),
        sorted(rejected, key=lambda record: (record.path, record.reason)),
    )


def read_label_file(root: Path, folder: str, name: str) -> Iterator[Line | Rejected]:
    """Each line that is not blank; InputError if there is no such file, or a label or folder in it
    is not UTF-8. The word before the label may be in any encoding."""
    path = root / folder / name
    if PurePosixPath(folder) == PurePosixPath():
        # Files directly in the root are not in the inventory of a corpus.
        raise InputError("source.options.labels must name a folder below source.root, such as info")
    try:
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise InputError(
            f"label file {path} cannot be read ({error.strerror}); source.options.labels names "
            f"the folder of the three below source.root; expected layout: {LAYOUT}"
        ) from error
    for number, line in enumerate(text.splitlines(), start=1):
        if has_undecodable_name(line):
            raise InputError(
                f"label file {path} line {number}: its label or folder is not UTF-8; convert the "
                "file, such as by `iconv -f GB18030 -t UTF-8`"
            )
        if line.strip():
            yield parse_line(line, f"{folder}/{name}:{number}", LABEL_FILES[name])


def has_undecodable_name(line: str) -> bool:
    """Whether the folder or the label has bytes that are not UTF-8, as "surrogateescape" has
    them."""
    fields = line.split(",")
    if len(fields) not in FIELDS:
        return False
    return UNDECODABLE.search(fields[0] + fields[-3]) is not None


def parse_line(line: str, place: str, split: str) -> Line | Rejected:
    """One line; a record if it is not a clip or its window has no frame."""
    fields = [field.strip() for field in line.split(",")]
    if len(fields) not in FIELDS:
        return reject(place, "bad_line", f"{len(fields)} fields; 4 or 5 are expected")
    folder, label = str(PurePosixPath(fields[0])), normalise(fields[-3])
    if not label or not is_inside(folder) or not all(map(is_writable, (label, folder))):
        return reject(
            place, "bad_line", f"{folder!r} is not a folder's name or {label!r} not a word"
        )
    start, end = map(parse_seconds, fields[-2:])
    if start is None or end is None or end < start:
        return reject(place, "bad_times", f"no time from {fields[-2]!r} to {fields[-1]!r}")
    # As the corpus's users count, including floating-point rounding: images int(start * 25) + 1 to
    # int(end * 25), no context.
    first, last = int(start * FPS), int(end * FPS)
    if first >= last:
        return reject(place, "empty_window", f"no frame between {start:g} s and {end:g} s")
    return Line(place, split, folder, label, first, last)


def is_inside(folder: str) -> bool:
    """Whether a folder's name stays below the folder that it is joined to."""
    parts = PurePosixPath(folder).parts
    return bool(parts) and not folder.startswith("/") and ".." not in parts


def parse_seconds(text: str) -> float | None:
    """A time of 0 or more whose frame can be counted; None for anything else."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds * FPS) and seconds >= 0 else None


def choose_words(lines: list[Line], wanted: list[str]) -> list[Line]:
    """The lines of the wanted words, or all; a wanted word without a line is an InputError."""
    present = {line.label for line in lines}
    missing = sorted(set(wanted) - present)
    if missing:
        raise InputError(
            f"source.options.words names {', '.join(missing)}, which no label file has; they have "
            f"{len(present)} words, such as {', '.join(sorted(present)[:MENTIONED])}"
        )
    return [line for line in lines if line.label in wanted] if wanted else lines


def reject_repeated(lines: list[Line]) -> tuple[list[Line], list[Rejected]]:
    """The lines without repetitions, and a record for each line that is left out.

    The official test split stays whole, so that accuracies are comparable: a window that is also in
    it is left out of val and train, one of val is left out of train, and a line that val or train
    repeats is left out. A line that test repeats is another clip.
    """
    counts: Counter[tuple[str, str, int, int]] = Counter()
    first: dict[tuple[str, str, int, int], Line] = {}
    windows: dict[tuple[str, int, int], Line] = {}
    kept: list[Line] = []
    repeated: list[Rejected] = []
    for line in sorted(lines, key=lambda line: KEPT_FIRST.index(line.split)):
        window = (line.folder, line.first, line.last)
        key = (line.label, *window)
        earliest, earlier = windows.setdefault(window, line), first.setdefault(key, line)
        counts[key] += 1
        if earliest.split != line.split:
            repeated.append(reject(line.place, "split_leak", f"the frames of {earliest.place}"))
        elif earlier is not line and line.split != "test":
            repeated.append(reject(line.place, "repeated_line", f"the clip of {earlier.place}"))
        else:
            kept.append(replace(line, repeat=counts[key]))
    return kept, repeated


def check_lines(root: Path, images: str, lines: list[Line]) -> Iterator[Clip | Rejected]:
    """A clip for each line whose images are all there; each folder is listed once."""
    folders: dict[str, list[Line]] = {}
    for line in lines:
        folders.setdefault(line.folder, []).append(line)
    with ThreadPoolExecutor(READERS) as pool:
        for found in pool.map(partial(check_folder, root, images), folders.values()):
            yield from found


def check_folder(root: Path, images: str, lines: list[Line]) -> Iterable[Clip | Rejected]:
    """A clip or a record for each of the lines that name one folder."""
    video = str(PurePosixPath(images) / lines[0].folder)
    try:
        listed = list_images(root / video)
    except OSError as error:
        detail = f"folder {video}: {error.strerror}"
        return [reject(line.place, "no_frames", detail) for line in lines]
    return [make_clip(line, video, listed) for line in lines]


def make_clip(line: Line, video: str, listed: Images) -> Clip | Rejected:
    """The clip of a line: its window is the word; the folder is the independent unit."""
    try:
        choose_images(listed, range(line.first + 1, line.last + 1))
    except FrameMissing as error:
        return reject(line.place, "frame_missing", f"{video}: {error}")
    name = f"{line.first}-{line.last}-{make_id(line.label)}"
    name += f"_{line.repeat}" if line.repeat > 1 else ""  # an id of a label has no underscore
    return Clip(
        clip_id=f"{line.split}/{make_id(line.folder)}/{name}",
        video=video,
        label=line.label,
        split=line.split,
        speaker="",
        unit=video,
        slot="",
        first=line.first,
        last=line.last,
        word_first=line.first,
        word_last=line.last,
        ready=True,
    )


# Yang et al., FG 2019: 718,018 samples of 1,000 words
WHOLE = Published(718_018, 1000, {"train": 603_193, "val": 63_237, "test": 51_588})
SOURCE = Source(
    discover,
    LAYOUT,
    counted="lines",
    published=lambda options: None if read_names(options, "words") else WHOLE,
    frames_per_clip=lambda options: 8,  # the mean; a clip is its word, without context
    gives_splits=lambda root: True,
    cropped=True,
    paper_name="LRW-1000",
)
