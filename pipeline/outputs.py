"""A stage's outputs: jobs write them to data/tmp, and all move into place when all are done."""

import csv
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lipnet.files import write_atomic
from pipeline.inputs import check_inputs


class EarlierJobs:
    """Which of the jobs were done by an earlier run: their indexes were there before, and stay."""

    def __init__(self, state: Path, names: Iterable[str]) -> None:
        self._state = state
        self._written = {name: self._read_time(name) for name in names}

    def __contains__(self, name: str) -> bool:
        written = self._written[name]
        return written is not None and written == self._read_time(name)

    def _read_time(self, name: str) -> int | None:
        try:
            return (self._state / f"{name}.json").stat().st_mtime_ns
        except OSError:
            return None


def write_failures(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write failures as sorted CSV: the same failures give the same bytes."""
    ordered = sorted([row[column] for column in columns] for row in rows)
    with write_atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out, lineterminator="\n")
        lines.writerows([list(columns), *ordered])


def move_into_place(state: Path, place: Path, keep: Iterable[str]) -> None:
    """Rename the folder `state` to `place`, with only the files `keep` (relative names) in it.

    The old contents of `place` are removed, and so are files of earlier work in `state`.
    RuntimeError if one of the files is missing; InputError, and nothing moves, if the inputs of the
    stage changed while it ran: DVC would delete what it did not record.
    """
    check_inputs()
    kept = {state / name for name in keep}
    missing = sorted(str(path) for path in kept if not path.is_file())
    if missing:
        raise RuntimeError(f"all jobs are done, but these files are missing: {', '.join(missing)}")
    for path in sorted(state.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in kept:
            path.unlink()
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    state.rename(place)
