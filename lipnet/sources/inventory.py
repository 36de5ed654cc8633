"""The inventory of a corpus: every file's path and size, in place of the files themselves.

Annotations, which are small and may be corrected without another size, have a digest as well.
A folder of nothing but numbered images is one entry, `folder/ (<count> images, <digest of their
names and sizes>)` with their bytes in all: otherwise ten million frames would be ten million lines.
"""

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lipnet.errors import InputError
from lipnet.files import digest_of, write_atomic
from lipnet.sources.scan import is_folder, list_entries, list_root
from lipnet.stills import IMAGE
from lipnet.text import escape

READERS = 8
AGAIN = "run the stage raw again"
ENTRY = re.compile(r"(.+?)\t(-?[0-9]{1,18})(?:\t([0-9a-f]{16}))?", re.DOTALL)
ANNOTATIONS = (".align", ".txt")  # what the sources read words and times from
CHUNK = 1 << 20  # bytes


class Entry(NamedTuple):
    """A file's size in bytes, -1 if it could not be read, and of an annotation its digest.

    Inventories of earlier versions have no digests.
    """

    size: int
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between two inventories, each list sorted by path."""

    added: list[str]
    removed: list[str]
    resized: list[str]
    edited: list[str]  # of the same size

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.resized or self.edited)


def scan_inventory(root: Path) -> dict[str, Entry]:
    """The entry of every file in the root's folders, by path from the root, sorted.

    Files directly in the root and hidden folders are not part of a corpus.
    """
    folders = [entry.path for entry in list_root(root)]
    entries: dict[str, Entry] = {}
    with ThreadPoolExecutor(READERS) as pool:
        for found in pool.map(scan_folder, folders):
            entries.update(found)
    start = len(os.path.join(root, ""))
    return {escape(path[start:]): entry for path, entry in sorted(entries.items())}


def scan_folder(folder: str) -> dict[str, Entry]:
    """The entry of every file or folder of images below a folder, by full path."""
    entries: dict[str, Entry] = {}
    for found in list_entries(folder):
        if is_folder(found):
            entries.update(scan_folder(found.path))
        else:
            entries[found.path] = look_at(found)
    if entries and all(IMAGE.fullmatch(path.rpartition(os.sep)[2]) for path in entries):
        sizes = [[path.rpartition(os.sep)[2], entries[path].size] for path in sorted(entries)]
        summary = f"({len(entries)} images, {digest_of(sizes)})"
        whole = Entry(sum(entry.size for entry in entries.values()))
        return {f"{os.path.join(folder, '')} {summary}": whole}
    return entries


def look_at(file: os.DirEntry[str]) -> Entry:
    """The entry of one file; of size -1 for a broken link."""
    try:
        found = file.stat()
    except OSError:
        return Entry(-1)
    is_read = file.name.endswith(ANNOTATIONS) and stat.S_ISREG(found.st_mode)
    return Entry(found.st_size, digest_annotation(file.path) if is_read else "")


def digest_annotation(path: str) -> str:
    """16 hex characters of the SHA-256 of a file's contents, with as few system calls as possible;
    empty if it cannot be read."""
    digest = hashlib.sha256()
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            while content := os.read(handle, CHUNK):
                digest.update(content)
        finally:
            os.close(handle)
    except OSError:
        return ""
    return digest.hexdigest()[:16]


def write_inventory(path: Path, entries: Mapping[str, Entry]) -> None:
    """One line `path<TAB>size`, of an annotation `path<TAB>size<TAB>digest`, per file, sorted by
    path."""
    with write_atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        for name, (size, digest) in sorted(entries.items()):
            out.write(f"{name}\t{size}\t{digest}\n" if digest else f"{name}\t{size}\n")


def read_inventory(path: Path) -> dict[str, Entry]:
    """The entries that `write_inventory` wrote; InputError for another file or none."""
    entries: dict[str, Entry] = {}
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            for number, line in enumerate(lines, start=1):
                found = ENTRY.fullmatch(line.rstrip("\n"))
                if found is None:
                    raise InputError(f"{path} line {number} is not `path<TAB>size`; {AGAIN}")
                entries[found[1]] = Entry(int(found[2]), found[3] or "")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not an inventory ({error}); {AGAIN}") from error
    if not entries:
        raise InputError(f"{path} is empty; {AGAIN}")
    return entries


def compare_inventories(before: Mapping[str, Entry], now: Mapping[str, Entry]) -> Changes:
    """What was added, removed, or given another size or other contents since `before`."""
    both = sorted(now.keys() & before.keys())
    same = [path for path in both if now[path].size == before[path].size]
    return Changes(
        added=sorted(now.keys() - before.keys()),
        removed=sorted(before.keys() - now.keys()),
        resized=sorted(set(both).difference(same)),
        # An inventory of an earlier version has no digests to compare.
        edited=[p for p in same if before[p].digest and now[p].digest != before[p].digest],
    )
