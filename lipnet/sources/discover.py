"""The table of sources: every corpus adapter by name, and discovery with its checks."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from lipnet.clip import Clip, Rejected
from lipnet.errors import InputError
from lipnet.sources import folder, grid, lrw, lrw1000
from lipnet.sources.scan import escape, is_folder, list_entries

MENTIONED = 8


class Source(Protocol):
    """A corpus adapter: the layout that it reads, in words, and discovery in that layout."""

    LAYOUT: str

    def discover(
        self, root: Path, options: Mapping[str, object]
    ) -> tuple[list[Clip], list[Rejected]]:
        """Clips sorted by id and records of what was left out; equal trees give equal lists."""
        ...


# Synthetic clips are rendered in LRW's layout; their .txt files also name the speaker.
SOURCES: dict[str, Source] = {
    "folder": folder,
    "grid": grid,
    "lrw": lrw,
    "lrw1000": lrw1000,
    "synthetic": lrw,
}


def discover_clips(
    name: str, root: Path, options: Mapping[str, object]
) -> tuple[list[Clip], list[Rejected]]:
    """At least one clip, with unique ids, and the rejected; else an InputError with the reason."""
    source = find_source(name)
    clips, rejected = source.discover(root, options)
    if not clips:
        raise InputError(describe_nothing(root, rejected, source.LAYOUT))
    check_unique(clips)
    return clips, rejected


def find_source(name: str) -> Source:
    """The adapter of that name; an unknown one is an InputError that lists the known."""
    if name not in SOURCES:
        raise InputError(f"unknown source.name {name!r}; known: {', '.join(sorted(SOURCES))}")
    return SOURCES[name]


def check_unique(clips: list[Clip]) -> None:
    """Two clips of one id are an InputError that names both videos."""
    videos: dict[str, str] = {}
    for clip in clips:
        if clip.clip_id in videos:
            raise InputError(
                f"clip {clip.clip_id} comes twice, from {videos[clip.clip_id]} and "
                f"{clip.video}; keep one of them"
            )
        videos[clip.clip_id] = clip.video


def describe_nothing(root: Path, rejected: list[Rejected], layout: str) -> str:
    """What lies in a root that gave no clip, why nothing of it served, and what was expected."""
    names = [escape(entry.name) + "/" * is_folder(entry) for entry in list_entries(root)]
    shown = ", ".join(names[:MENTIONED]) + (", ..." if len(names) > MENTIONED else "")
    reasons = Counter(record.reason for record in rejected)
    why = "".join(f"; {reason}: {count}" for reason, count in sorted(reasons.items()))
    example = f" (such as {rejected[0].path}: {rejected[0].detail})" if rejected else ""
    return (
        f"no clip in source.root {root}: it holds {shown}{why}{example}; expected layout: {layout}"
    )
