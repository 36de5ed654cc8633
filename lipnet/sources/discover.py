"""The table of sources: every corpus adapter by name, and discovery with its checks."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from lipnet.clip import Clip, Rejected
from lipnet.errors import InputError
from lipnet.sources import folder, grid, lrw, lrw1000, rendered
from lipnet.sources.scan import is_folder, list_entries, reject_name
from lipnet.sources.source import Discovered, Source
from lipnet.text import escape, is_writable

MENTIONED = 8


# A new corpus is a file with its SOURCE, and a row here.
SOURCES: dict[str, Source] = {
    "folder": folder.SOURCE,
    "grid": grid.SOURCE,
    "lrw": lrw.SOURCE,
    "lrw1000": lrw1000.SOURCE,
    "synthetic": rendered.SOURCE,
}


def discover_clips(name: str, root: Path, options: Mapping[str, object]) -> Discovered:
    """One clip or more, with unique ids, and the rejected files, among them videos with a name, a
    label or a speaker that no table can hold; InputError if there is no clip."""
    source = find_source(name)
    clips, rejected = source.discover(root, options)
    odd = {
        clip.video
        for clip in clips
        if not all(map(is_writable, (clip.video, clip.label, clip.speaker)))
    }
    clips = [clip for clip in clips if clip.video not in odd]
    records = [*rejected, *map(reject_name, odd)]
    rejected = sorted(records, key=lambda record: (record.path, record.reason))
    if not clips:
        raise InputError(describe_nothing(root, rejected, source.layout))
    check_unique(clips)
    return clips, rejected


def find_source(name: str) -> Source:
    """The adapter of that name; InputError lists the known ones for any other name."""
    if name not in SOURCES:
        raise InputError(f"unknown source.name {name!r}; known: {', '.join(sorted(SOURCES))}")
    return SOURCES[name]


def check_unique(clips: list[Clip]) -> None:
    """Raise InputError, with both videos, if two clips have the same id."""
    videos: dict[str, str] = {}
    for clip in clips:
        if clip.clip_id in videos:
            raise InputError(
                f"{videos[clip.clip_id]} and {clip.video} are both clip {clip.clip_id}; "
                "remove or rename one of them"
            )
        videos[clip.clip_id] = clip.video


def describe_nothing(root: Path, rejected: list[Rejected], layout: str) -> str:
    """What a root without clips holds, why each file was rejected, and what was expected."""
    names = [escape(entry.name) + "/" * is_folder(entry) for entry in list_entries(root)]
    shown = ", ".join(names[:MENTIONED]) + (", ..." if len(names) > MENTIONED else "")
    reasons = Counter(record.reason for record in rejected)
    why = "".join(f"; {reason}: {count}" for reason, count in sorted(reasons.items()))
    example = f" (such as {rejected[0].path}: {rejected[0].detail})" if rejected else ""
    return (
        f"no clip in source.root {root}: it holds {shown}{why}{example}; expected layout: {layout}"
    )
