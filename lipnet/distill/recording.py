"""A teacher's logits over the stream, kept the first time they are said.

A step of distillation costs the teacher's forward pass, often more than the student's whole step.
But the stream is a function of (seed, epoch, step): each student with the same teacher, stream and
labels would hear the same. An epoch of N clips takes 2 N K bytes.
"""
# N clips of an epoch  R rows  K classes

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipnet.errors import InputError

Halves = NDArray[np.float16]


def recording_bytes(epochs: int, clips: int, classes: int) -> int:
    """What a whole recording takes on the disk."""
    return epochs * clips * classes * np.dtype(np.float16).itemsize


def make_room(folder: Path, needed: int, budget: int) -> bool:
    """Whether a recording of so many bytes may stand in `folder`: beside it, the recordings that
    were used last stay as far as they fit the budget too.

    Whoever still hears one that goes asks the teacher itself from the next epoch on.
    """
    if needed > budget:
        return False
    left = budget - needed
    others = [other for other in folder.parent.glob("*") if other != folder]
    for other in sorted(others, key=lambda one: _stat(one).st_mtime, reverse=True):
        left -= sum(_stat(file).st_size for file in other.glob("*"))
        if left < 0:
            shutil.rmtree(other, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    folder.touch()
    return True


def _stat(path: Path) -> os.stat_result:
    """What the system says of a path; all 0 for one that another training has just removed."""
    try:
        return path.stat()
    except FileNotFoundError:
        return os.stat_result([0] * 10)


class Recording:
    """One file an epoch, [N, K] in half precision, in the folder of one teacher and stream.

    A file is written while the first student hears its epoch, and takes its name when it is whole;
    until then others hear the teacher itself.
    """

    def __init__(self, folder: Path, *, clips: int, classes: int, writer: str = "") -> None:
        """`writer` names who writes, so that two at once never share a file; "": only read."""
        self._folder = folder
        self._shape = (clips, classes)
        self._writer = writer
        self._epoch = -1
        self._whole: Halves | None = None
        self._begun: Halves | None = None

    def read(self, epoch: int, rows_R: Tensor) -> Tensor | None:
        """The rows [R, K], or None where this epoch was not recorded whole."""
        self._turn_to(epoch)
        if self._whole is None:
            return None
        return torch.from_numpy(self._whole[rows_R.numpy()])

    def write(self, epoch: int, rows_R: Tensor, said_RK: Tensor) -> None:
        """Keep rows of an epoch that is not recorded yet."""
        self._turn_to(epoch)
        if self._begun is not None:
            self._begun[rows_R.numpy()] = said_RK.numpy()

    def flush(self) -> None:
        """What was written stays, whatever happens to the machine."""
        if isinstance(self._begun, np.memmap):
            self._begun.flush()

    def finish(self, epoch: int) -> None:
        """The epoch has come to its end: its file is published if no row is missing."""
        self._turn_to(epoch)
        if self._begun is None:
            return
        missing = bool(np.isnan(self._begun[:, 0]).any())
        self.flush()
        self._begun = None
        with suppress(FileNotFoundError):  # another training may have needed the room
            if missing:
                self._part(epoch).unlink()
            else:
                self._part(epoch).replace(self._file(epoch))
        self._epoch = -1

    def _turn_to(self, epoch: int) -> None:
        if epoch == self._epoch:
            return
        self._epoch = epoch
        self._begun = None
        self._whole = self._open(self._file(epoch), "r")
        if self._whole is None and self._writer:
            begun = self._open(self._part(epoch), "r+")
            self._begun = self._create(self._part(epoch)) if begun is None else begun

    def _open(self, path: Path, mode: Literal["r", "r+"]) -> Halves | None:
        """The file's rows; None where there is none, or one that is not of this stream's shape."""
        try:
            found = np.load(path, mmap_mode=mode)
        except (FileNotFoundError, ValueError, EOFError):
            return None
        return found if found.shape == self._shape and found.dtype == np.float16 else None

    def _create(self, path: Path) -> Halves:
        path.parent.mkdir(parents=True, exist_ok=True)
        bare = path.with_suffix(".bare")  # until every row says that it is missing
        begun = np.lib.format.open_memmap(bare, "w+", np.float16, self._shape)
        try:
            with bare.open("r+b") as file:
                # A hole in the file would be a killed process, not an error, on a full disk.
                os.posix_fallocate(file.fileno(), 0, bare.stat().st_size)
        except OSError as error:
            bare.unlink(missing_ok=True)
            raise InputError(
                f"no room for {begun.nbytes / 2**30:.1f} GiB of a teacher's logits in "
                f"{self._folder} ({error.strerror}): free it, or set compute.record_gib to 0"
            ) from error
        begun[:] = np.nan
        begun.flush()
        bare.replace(path)
        return begun

    def _file(self, epoch: int) -> Path:
        return self._folder / f"epoch-{epoch:03d}.npy"

    def _part(self, epoch: int) -> Path:
        return self._folder / f"epoch-{epoch:03d}.{self._writer}.part"
