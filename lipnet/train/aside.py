"""Work of other trainings, kept under another name until its own training continues."""

import os
import shutil
from pathlib import Path

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
    others = path.parent.glob(f"{path.name}.{'[0-9a-f]' * len(wanted)}")
    for old in sorted(others, key=lambda own: own.stat().st_mtime_ns)[:-MAX_KEPT]:
        _remove(old)
    return is_kept


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
