"""Work of other trainings, kept under another name until its own training continues."""

import os
import shutil
from pathlib import Path

DIGEST = 16  # characters of a fingerprint
MAX_KEPT = 3  # of each name: a checkpoint can have hundreds of megabytes


def aside_path(path: Path, fingerprint: str) -> Path:
    """Where `path`, a file or folder, is kept for the training with this fingerprint."""
    return path.with_name(f"{path.name}.{fingerprint}")


def exchange(path: Path, *, found: str | None, wanted: str) -> bool:
    """Set aside `path`, which belongs to the training `found` (None: there is nothing), and bring
    back what was set aside for the training `wanted`; returns whether there was anything.

    Of all that was set aside from `path`, the latest MAX_KEPT stay.
    """
    if found is not None:
        aside = aside_path(path, found)
        _remove(aside)
        path.replace(aside)
        os.utime(aside)
    own = aside_path(path, wanted)
    is_kept = own.exists()
    if is_kept:
        own.replace(path)
    for old in sorted(_find(path), key=lambda own: own.stat().st_mtime_ns)[:-MAX_KEPT]:
        _remove(old)
    return is_kept


def remove_others(path: Path) -> None:
    """Remove all that was set aside from `path`."""
    for old in _find(path):
        _remove(old)


def _find(path: Path) -> list[Path]:
    return list(path.parent.glob(f"{path.name}.{'[0-9a-f]' * DIGEST}"))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
