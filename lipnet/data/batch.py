"""Batches of clips: `ClipBatch` as they are stored, `View` as a network gets them."""
# N clips  B batch  T frames  H W pixels

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipnet.device import with_index
from lipnet.models.packing import ValidFrames
from lipnet.shards.meta import ClipMeta

Frames = NDArray[np.uint8]
Sample = tuple[Frames, ClipMeta]


@dataclass(frozen=True)
class ClipBatch:
    """Clips as stored: frames uint8, zero after each clip's length; the word in [first, last).

    The clips are the rows `rows_B` of `frames_NTHW`, or all of its rows if `rows_B` is None. The
    frames may be on any device; the other tensors are on the CPU.
    """

    frames_NTHW: Tensor
    lengths_B: Tensor
    labels_B: Tensor
    words_B2: Tensor
    rows_B: Tensor | None = None

    @property
    def frames_BTHW(self) -> Tensor:
        """The batch's own frames: a copy if `rows_B` selects some of `frames_NTHW`."""
        if self.rows_B is None:
            return self.frames_NTHW
        return select_rows(self.frames_NTHW[:, : int(self.lengths_B.max())], self.rows_B)

    def selected(self) -> "ClipBatch":
        """The same clips without the frames of others."""
        return ClipBatch(self.frames_BTHW, self.lengths_B, self.labels_B, self.words_B2)

    def to(self, device: torch.device) -> "ClipBatch":
        """The same clips with their frames on `device`; waits for the copy."""
        if self.frames_NTHW.device == with_index(device):
            return self
        own = self.selected()
        return replace(own, frames_NTHW=own.frames_NTHW.to(device))


@dataclass(frozen=True)
class View:
    """Normalised float frames, zero after each length; the first label has the weight `share`.

    `word_BT` is 1 on the word's frames and the one before, 0 elsewhere, mixed like the frames.
    `lengths_B` is on the CPU; the other tensors, and those of `valid`, are on the device of the
    frames.
    """

    frames_BTHW: Tensor
    lengths_B: Tensor
    word_BT: Tensor
    labels_B: Tensor
    partner_labels_B: Tensor
    share: float
    valid: ValidFrames

    def device_tensors(self) -> list[Tensor]:
        """All tensors that are on the device of the frames."""
        own = [self.frames_BTHW, self.word_BT, self.labels_B, self.partner_labels_B]
        return [*own, *self.valid.device_tensors()]


def collate(samples: Sequence[Sample]) -> ClipBatch:
    """One padded batch; zeros after each clip's last frame."""
    lengths = [len(crops) for crops, _ in samples]
    frames_BTHW = np.zeros((len(samples), max(lengths), *samples[0][0].shape[1:]), np.uint8)
    for row, (crops, _) in zip(frames_BTHW, samples, strict=True):
        row[: len(crops)] = crops
    return as_batch(frames_BTHW, [(len(crops), meta) for crops, meta in samples])


def as_batch(frames_NTHW: Frames, clips: Sequence[tuple[int, ClipMeta]]) -> ClipBatch:
    """Padded frames and each clip's length and metadata as a batch."""
    return ClipBatch(
        torch.from_numpy(frames_NTHW),
        torch.tensor([length for length, _ in clips]),
        torch.tensor([meta.label_index for _, meta in clips]),
        torch.tensor([[meta.word_first, meta.word_last] for _, meta in clips]),
    )


def select_rows(rows: Tensor, chosen: Tensor) -> Tensor:
    """The chosen rows; several times as fast on the CPU as rows[chosen]."""
    return rows.index_select(0, chosen.to(rows.device, non_blocking=True))
