"""Finished units wait in data/tmp until all are there; then they move into place at once."""

import csv
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lipnet.files import write_atomic


def write_failures(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Failures as CSV, sorted; equal failures give equal bytes."""
    ordered = sorted([row[column] for column in columns] for row in rows)
    with write_atomic(path) as beside, beside.open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out, lineterminator="\n")
        lines.writerows([list(columns), *ordered])


def move_into_place(state: Path, place: Path, keep: Iterable[str]) -> None:
    """Rename the folder `state` to `place`, with only the files `keep` (relative names) in it.

    What lay at `place` goes; files in `state` left over from other work go too.
    """
    kept = {state / name for name in keep}
    missing = sorted(str(path) for path in kept if not path.is_file())
    if missing:
        raise RuntimeError(f"not made, though all units are done: {', '.join(missing)}")
    for path in sorted(state.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in kept:
            path.unlink()
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    state.rename(place)
