"""Recordings of a teacher's logits over the stream, so that each is computed only once.

The teacher's forward pass often costs more than the student's whole training step. But the stream
is a function of (seed, epoch, step): all students with the same teacher, stream and labels need
the same logits. An epoch of N clips and K classes takes 2 N K bytes.
"""
# N clips of an epoch  R rows  K classes

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipnet.errors import InputError
from lipnet.locks import lock_file

PLANNED = "planned.txt"  # the bytes of the complete recording
REMOVED = ".removed"
Logits = NDArray[np.float16]


def recording_bytes(epochs: int, clips: int, classes: int) -> int:
    """The size on disk of a complete recording."""
    return epochs * clips * classes * np.dtype(np.float16).itemsize


def make_room(folder: Path, needed: int, budget: int) -> bool:
    """Create `folder` for a recording of `needed` bytes; False if they exceed the budget.

    The least recently used of the other recordings are removed as far as the budget requires; one
    that is being made counts with the size that it will have. A training that reads or writes one
    of them computes its logits from the next epoch on.
    """
    if needed > budget:
        return False
    with _lock(folder.parent):
        for leftover in folder.parent.glob(f"*{REMOVED}"):  # of a killed process
            shutil.rmtree(leftover, ignore_errors=True)
        planned = max(needed, _read_planned(folder))
        if planned > budget:  # by a larger budget, and a recipe of more epochs
            _remove(folder)
            planned = needed
        left = budget - planned
        others = [own for own in folder.parent.glob("*") if own != folder and own.suffix != REMOVED]
        for other in sorted(others, key=lambda path: _stat(path).st_mtime, reverse=True):
            held = sum(_stat(file).st_size for file in other.glob("*"))
            left -= max(held, _read_planned(other))
            if left < 0:
                _remove(other)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PLANNED).write_text(f"{planned}\n", encoding="utf-8")
        folder.touch()
    return True


@contextmanager
def _lock(recordings: Path) -> Iterator[None]:
    """One training of the machine at a time; a lock ends with its process."""
    recordings.parent.mkdir(parents=True, exist_ok=True)
    path = recordings.with_name(f"{recordings.name}.lock")
    with path.open("w") as file:
        lock_file(file, path, wait=True)
        yield


def _read_planned(folder: Path) -> int:
    """The bytes that a recording was started for; 0 if that is not known."""
    try:
        return int((folder / PLANNED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0


def _remove(folder: Path) -> None:
    """Remove a recording. It is renamed first, so that a training cannot add to it meanwhile."""
    gone = folder.with_name(f"{folder.name}.{time.time_ns()}{REMOVED}")
    with suppress(FileNotFoundError):
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _stat(path: Path) -> os.stat_result:
    """The path's status; all zeros if another training has just removed it."""
    try:
        return path.stat()
    except FileNotFoundError:
        return os.stat_result([0] * 10)


class Recording:
    """One file per epoch, [N, K] in half precision, in a folder for one teacher and stream.

    A file is written during the first training that needs its epoch and renamed when it is
    complete; until then other trainings compute their own logits. Nothing is written any more once
    the folder is gone.
    """

    def __init__(self, folder: Path, *, clips: int, classes: int, writer: str = "") -> None:
        """`writer` names the training that writes, so that no two share a file; "": read only."""
        self._folder = folder
        self._shape = (clips, classes)
        self._writer = writer
        self._epoch = -1
        self._complete: Logits | None = None
        self._partial: Logits | None = None

    def read(self, epoch: int, rows_R: Tensor) -> Tensor | None:
        """The rows [R, K], or None if there is no complete recording of this epoch."""
        self._open_epoch(epoch)
        if self._complete is None:
            return None
        return torch.from_numpy(self._complete[rows_R.numpy()])

    def write(self, epoch: int, rows_R: Tensor, logits_RK: Tensor) -> None:
        """Store rows of an epoch that is not complete yet."""
        self._open_epoch(epoch)
        if self._partial is not None:
            self._partial[rows_R.numpy()] = logits_RK.numpy()

    def flush(self) -> None:
        """Write to disk what was stored so far."""
        if isinstance(self._partial, np.memmap):
            self._partial.flush()

    def finish(self, epoch: int) -> None:
        """Rename the file of a finished epoch into place, or remove it if rows are missing."""
        self._open_epoch(epoch)
        if self._partial is None:
            return
        missing = bool(np.isnan(self._partial[:, 0]).any())
        self.flush()
        self._partial = None
        with suppress(FileNotFoundError):  # another training may have needed the space
            if missing:
                self._partial_file(epoch).unlink()
            else:
                self._partial_file(epoch).replace(self._complete_file(epoch))
        self._epoch = -1

    def _open_epoch(self, epoch: int) -> None:
        if epoch == self._epoch:
            return
        self._epoch = epoch
        with suppress(FileNotFoundError):  # another training needed the space
            os.utime(self._folder)  # `make_room` keeps what was used last, and reading is a use
        self._partial = None
        self._complete = self._open(self._complete_file(epoch), "r")
        if self._complete is None and self._writer:
            path = self._partial_file(epoch)
            found = self._open(path, "r+")
            try:
                self._partial = self._create(path) if found is None else found
            except FileNotFoundError:  # another training needed the space
                self._writer = ""

    def _open(self, path: Path, mode: Literal["r", "r+"]) -> Logits | None:
        """The file's rows; None if it is missing, damaged or of another shape."""
        try:
            found = np.load(path, mmap_mode=mode)
        except (FileNotFoundError, ValueError, EOFError):
            return None
        return found if found.shape == self._shape and found.dtype == np.float16 else None

    def _create(self, path: Path) -> Logits:
        """A file of NaN: the mark of a missing row."""
        unmarked = path.with_suffix(".bare")
        created = np.lib.format.open_memmap(unmarked, "w+", np.float16, self._shape)
        try:
            with unmarked.open("r+b") as file:
                # On a full disk, writing to a hole in a mapped file kills the process.
                os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
        except FileNotFoundError:
            raise
        except OSError as error:
            unmarked.unlink(missing_ok=True)
            raise InputError(
                f"no room for {created.nbytes / 2**30:.1f} GiB of a teacher's logits in "
                f"{self._folder} ({error.strerror}): free some space, or set compute.record_gib "
                "to 0"
            ) from error
        created[:] = np.nan
        created.flush()
        unmarked.replace(path)
        return created

    def _complete_file(self, epoch: int) -> Path:
        return self._folder / f"epoch-{epoch:03d}.npy"

    def _partial_file(self, epoch: int) -> Path:
        return self._folder / f"epoch-{epoch:03d}.{self._writer}.part"
