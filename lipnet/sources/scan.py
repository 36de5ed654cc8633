"""Walking a corpus: the root, entries in order, and records for what cannot be used."""

import os
import re
from pathlib import Path

from lipnet.clip import Rejected
from lipnet.errors import InputError
from lipnet.text import escape

NAME = re.compile(r"[A-Za-z0-9_-]+")


def list_entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """Every entry of a folder, sorted by name; no entry is opened."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as fault:
        raise InputError(f"folder {folder} of the corpus cannot be read: {fault}") from fault


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder or a link to one; a link that loops is not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def list_root(root: Path) -> list[os.DirEntry[str]]:
    """The root's folders that are not hidden, sorted; a missing or empty root is an InputError."""
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise InputError(
            f"source.root {root} {what}; set source.root to the folder that holds the corpus"
        )
    entries = list_entries(root)
    if not entries:
        raise InputError(
            f"source.root {root} is empty; set source.root to the folder that holds the corpus"
        )
    return [entry for entry in entries if is_folder(entry) and not entry.name.startswith(".")]


def reject(path: str, reason: str, detail: str) -> Rejected:
    """A record whose text can be written anywhere: odd characters are escaped."""
    return Rejected(path=escape(path), reason=reason, detail=escape(detail))


def reject_name(path: str) -> Rejected:
    """A record of a name that is not `is_writable`."""
    return reject(
        path,
        "unexpected_name",
        "the name has control or undecodable characters, or starts with one of = + - @, as "
        "formulas of spreadsheets do",
    )


def find_video_fault(entry: os.DirEntry[str], path: str) -> Rejected | None:
    """A record if a video is not a file, or empty; None if nothing is wrong. It is not opened."""
    try:
        size = entry.stat().st_size
        regular = entry.is_file()
    except OSError as fault:
        return reject(path, "unreadable_video", fault.strerror or str(fault))
    if not regular:
        return reject(path, "unexpected_name", "named like a video but not a file")
    if size == 0:
        return reject(path, "zero_bytes", "the video is empty; copy it again")
    return None
