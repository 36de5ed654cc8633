"""Batches of clips: `ClipBatch` as they are stored, `View` as a network gets them."""
# N clips  B batch  T frames  H W pixels

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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

    def to(self, device: torch.device) -> "ClipBatch":
        """The same batch with its frames on `device`; the copy is asynchronous if they are
        pinned."""
        if self.frames_NTHW.device.type == device.type:
            return self
        frames_BTHW = self.frames_BTHW.to(device, non_blocking=True)
        return ClipBatch(frames_BTHW, self.lengths_B, self.labels_B, self.words_B2)


@dataclass(frozen=True)
class View:
    """Normalised float frames, zero after each length; the first label has the weight `share`.

    `word_BT` is 1 on the word's frames and 0 around it, mixed like the frames.
    """

    frames_BTHW: Tensor
    lengths_B: Tensor
    word_BT: Tensor
    labels_B: Tensor
    partner_labels_B: Tensor
    share: float


def collate(samples: Sequence[Sample]) -> ClipBatch:
    """One padded batch; zeros after each clip's last frame."""
    lengths = [len(crops) for crops, _ in samples]
    frames_BTHW = np.zeros((len(samples), max(lengths), *samples[0][0].shape[1:]), np.uint8)
    for row, (crops, _) in zip(frames_BTHW, samples, strict=True):
        row[: len(crops)] = crops
    metas = [meta for _, meta in samples]
    words = [[meta.word_first, meta.word_last] for meta in metas]
    return ClipBatch(
        torch.from_numpy(frames_BTHW),
        torch.tensor(lengths),
        torch.tensor([meta.label_index for meta in metas]),
        torch.tensor(words),
    )


def select_rows(rows: Tensor, chosen: Tensor) -> Tensor:
    """The chosen rows; several times as fast on the CPU as rows[chosen]."""
    return rows.index_select(0, chosen.to(rows.device, non_blocking=True))
