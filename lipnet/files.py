"""Files written whole or not at all, and the digests that say what made them."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast


@contextmanager
def write_atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it into place on success, remove it on error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = _name_beside(path)
    try:
        yield beside
        with beside.open("rb") as written:
            os.fsync(written.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def write_folder_atomic(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`; it replaces `path` on success, vanishes on error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):  # of a process that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    beside = _name_beside(path)
    beside.mkdir()
    try:
        yield beside
        if path.exists():
            shutil.rmtree(path)
        beside.replace(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _name_beside(path: Path) -> Path:
    """A name of this write alone: on a shared disk another node may write with the same pid."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")


def write_json(path: Path, value: object) -> None:
    """Write `value` as sorted, indented JSON, atomically; equal values give equal bytes."""
    with write_atomic(path) as beside:
        text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False)
        beside.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> object:
    """Read one JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def read_finished(index: Path, fingerprint: str) -> dict[str, Any] | None:
    """The index of a finished unit if it was made by exactly this work, else None."""
    try:
        found = read_json(index)
    except (OSError, ValueError):
        return None
    if isinstance(found, dict) and found.get("fingerprint") == fingerprint:
        return cast(dict[str, Any], found)
    return None


def digest_of(value: object) -> str:
    """16 hex characters of the SHA-256 of the value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest_files(paths: Iterable[Path]) -> str:
    """16 hex characters of the SHA-256 over the files' contents, in the order given."""
    total = hashlib.sha256()
    for path in paths:
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]
