"""The loader's baseline: one compressed npz per clip and float64 transforms in Python.

All random choices are passed in, so that its batches can be compared with ours. `PlainClips` is a
torch Dataset, to be used with a DataLoader and its workers.
"""
# B batch  T frames  H W pixels

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from lipnet.data.augment import Draws
from lipnet.shards.codec import Crops

CROP, VIEW = 96, 88
MEAN, STD = 0.421, 0.165
Floats = NDArray[np.float64]
Batch = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Choice:
    """The number of a clip, and the position of its view, in frames and pixels."""

    clip: int
    top: int
    left: int
    first: int
    last: int
    flip: bool


def write_npz(folder: Path, clips: Sequence[Crops]) -> list[Path]:
    """Write one compressed file per clip."""
    paths = [folder / f"{number:05d}.npz" for number in range(len(clips))]
    for path, crops in zip(paths, clips, strict=True):
        np.savez_compressed(path, data=crops)
    return paths


def choose_views(
    chosen_B: Tensor, draws: Draws, word: tuple[int, int], frames: int
) -> list[Choice]:
    """The draws as integers, for clips of `frames` frames with the word at `word`."""
    places = (CROP - VIEW + 1, CROP - VIEW + 1, word[0], frames - word[1] + 1)
    drawn = (draws.tops_B, draws.lefts_B, draws.starts_B, draws.ends_B)
    tops, lefts, starts, ends = (
        [int(np.float32(value) * np.float32(count)) for value in values_B.tolist()]
        for values_B, count in zip(drawn, places, strict=True)
    )
    lasts = [word[1] + end for end in ends]
    rows = zip(chosen_B.tolist(), tops, lefts, starts, lasts, draws.flips_B.tolist(), strict=True)
    return [Choice(*row) for row in rows]


def transform(crops_THW: Crops, choice: Choice) -> Floats:
    """A clip's view, by a chain of transforms in float64."""
    pixels_THW = crops_THW / 255.0
    pixels_THW = pixels_THW[choice.first : choice.last]
    rows = slice(choice.top, choice.top + VIEW)
    pixels_THW = pixels_THW[:, rows, choice.left : choice.left + VIEW]
    if choice.flip:
        pixels_THW = pixels_THW[:, :, ::-1]
    return np.ascontiguousarray((pixels_THW - MEAN) / STD)


class PlainClips(Dataset[tuple[Floats, int]]):
    """The views of an epoch as a dataset."""

    def __init__(
        self, paths: Sequence[Path], labels: Sequence[int], order: Sequence[Choice]
    ) -> None:
        self._paths, self._labels, self._order = paths, labels, order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, place: int) -> tuple[Floats, int]:
        choice = self._order[place]
        with np.load(self._paths[choice.clip]) as stored:
            crops_THW = stored["data"]
        return transform(crops_THW, choice), self._labels[choice.clip]


class HeldClips(PlainClips):
    """The same, from unpacked clips in memory."""

    def __init__(
        self, clips: Sequence[Crops], labels: Sequence[int], order: Sequence[Choice]
    ) -> None:
        super().__init__([], labels, order)
        self._clips = clips

    def __getitem__(self, place: int) -> tuple[Floats, int]:
        choice = self._order[place]
        return transform(self._clips[choice.clip], choice), self._labels[choice.clip]


def collate(samples: Sequence[tuple[Floats, int]]) -> Batch:
    """Zero-padded float32 frames [B, T, H, W], lengths and labels."""
    lengths = [len(frames_THW) for frames_THW, _ in samples]
    frames_BTHW = torch.zeros(len(samples), max(lengths), VIEW, VIEW)
    for row, (frames_THW, _) in zip(frames_BTHW, samples, strict=True):
        row[: len(frames_THW)] = torch.from_numpy(frames_THW).float()
    return frames_BTHW, torch.tensor(lengths), torch.tensor([label for _, label in samples])


def mix(frames_BTHW: Tensor, lengths_B: Tensor, draws: Draws) -> Tensor:
    """Mixup; each clip keeps its own length."""
    if draws.share == 1.0:
        return frames_BTHW
    mixed_BTHW = draws.share * frames_BTHW + (1 - draws.share) * frames_BTHW[draws.partners_B]
    for row, length in zip(mixed_BTHW, lengths_B.tolist(), strict=True):
        row[length:] = 0
    return mixed_BTHW
