"""Files written whole or not at all, and digests of values and files."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lipnet.records import MAX_JSON, parse_json


@contextmanager
def write_atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; rename it to `path` on success, remove it on error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_path(path)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def write_folder_atomic(path: Path) -> Iterator[Path]:
    """Yield an empty folder next to `path`; it replaces `path` on success, is removed on error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):  # of a killed process
        shutil.rmtree(leftover, ignore_errors=True)
    temporary = _temporary_path(path)
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            shutil.rmtree(path)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def is_same_path(one: Path, other: Path) -> bool:
    """Whether both name one file, present or not, directly or by links."""
    return os.path.realpath(one) == os.path.realpath(other)


def _temporary_path(path: Path) -> Path:
    """A unique name next to `path`: on a shared disk, pids of different nodes may be equal."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")


def write_json(path: Path, value: object) -> None:
    """Write `value` as sorted, indented JSON, atomically; equal values give equal bytes."""
    with write_atomic(path) as temporary:
        text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> object:
    """Read one JSON file; ValueError if it is not JSON, or as large as none of ours."""
    with path.open("rb") as file:
        return parse_json(file.read(MAX_JSON + 1))


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
