"""The inventory of a corpus: every file's path and size, in place of the files themselves.

A folder of nothing but numbered images is one entry, `folder/ (<count> images, <digest of their
names and sizes>)` with their bytes in all: otherwise ten million frames would be ten million lines.
"""

import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lipnet.errors import InputError
from lipnet.files import digest_of, write_atomic
from lipnet.sources.scan import is_folder, list_entries, list_root
from lipnet.stills import IMAGE
from lipnet.text import escape

READERS = 8
AGAIN = "run the stage raw again"
SIZE = re.compile(r"-?[0-9]{1,18}")  # -1: it could not be read


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between two inventories, each list sorted by path."""

    added: list[str]
    removed: list[str]
    resized: list[str]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.resized)


def scan_inventory(root: Path) -> dict[str, int]:
    """Size in bytes of every file in the root's folders, by path from the root, sorted.

    Files directly in the root and hidden folders are not part of a corpus.
    """
    folders = [entry.path for entry in list_root(root)]
    sizes: dict[str, int] = {}
    with ThreadPoolExecutor(READERS) as pool:
        for found in pool.map(scan_folder, folders):
            sizes.update(found)
    start = len(os.path.join(root, ""))
    return {escape(path[start:]): size for path, size in sorted(sizes.items())}


def scan_folder(folder: str) -> dict[str, int]:
    """Size of every file or folder of images below a folder, by full path.

    It is -1 for a broken link.
    """
    sizes: dict[str, int] = {}
    for entry in list_entries(folder):
        if is_folder(entry):
            sizes.update(scan_folder(entry.path))
        else:
            try:
                sizes[entry.path] = entry.stat().st_size
            except OSError:
                sizes[entry.path] = -1
    if sizes and all(IMAGE.fullmatch(path.rpartition(os.sep)[2]) for path in sizes):
        digest = digest_of([[path.rpartition(os.sep)[2], sizes[path]] for path in sorted(sizes)])
        summary = f"({len(sizes)} images, {digest})"
        return {f"{os.path.join(folder, '')} {summary}": sum(sizes.values())}
    return sizes


def write_inventory(path: Path, sizes: Mapping[str, int]) -> None:
    """One line `path<TAB>size` per file, sorted by path."""
    with write_atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        out.writelines(f"{name}\t{size}\n" for name, size in sorted(sizes.items()))


def read_inventory(path: Path) -> dict[str, int]:
    """The sizes that `write_inventory` wrote; InputError for another file or none."""
    sizes: dict[str, int] = {}
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            for number, line in enumerate(lines, start=1):
                name, tab, size = line.rstrip("\n").rpartition("\t")
                if not tab or not SIZE.fullmatch(size):
                    raise InputError(f"{path} line {number} is not `path<TAB>size`; {AGAIN}")
                sizes[name] = int(size)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not an inventory ({error}); {AGAIN}") from error
    if not sizes:
        raise InputError(f"{path} is empty; {AGAIN}")
    return sizes


def compare_inventories(before: Mapping[str, int], now: Mapping[str, int]) -> Changes:
    """What was added, removed or given another size since `before`."""
    return Changes(
        added=sorted(now.keys() - before.keys()),
        removed=sorted(before.keys() - now.keys()),
        resized=sorted(p for p in now.keys() & before.keys() if now[p] != before[p]),
    )
