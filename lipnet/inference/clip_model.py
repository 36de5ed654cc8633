"""ClipModel: a model ready for inference, from a weights file or from an exported ONNX file."""
# B batch  T frames  H W pixels  K classes

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from lipnet.errors import InputError
from lipnet.inference.budget import choose_part
from lipnet.inference.onnx_reader import load_onnx
from lipnet.models.exits import ExitingLipreader
from lipnet.models.fold import fold_batchnorm
from lipnet.models.lipreader import Lipreader
from lipnet.models.weights import ModelCard, load_card, load_model

ONNX = ".onnx"


class ClipModel(Protocol):
    """Logits of clips; `boundary` is whether it takes the frames of the word."""

    @property
    def boundary(self) -> bool: ...

    @property
    def device(self) -> torch.device:
        """Where its inputs have to be."""
        ...

    def __call__(
        self, frames_BTHW: Tensor, lengths_B: Tensor, word_BT: Tensor | None = None
    ) -> Tensor:
        """Normalised frames [B, T, H, W] and their lengths -> logits [B, K]."""
        ...


@dataclass(frozen=True)
class TorchClipModel:
    """A Lipreader with its BatchNorms folded."""

    model: Lipreader

    @property
    def boundary(self) -> bool:
        return self.model.boundary

    @property
    def device(self) -> torch.device:
        return self.model.classifier.weight.device

    def __call__(
        self, frames_BTHW: Tensor, lengths_B: Tensor, word_BT: Tensor | None = None
    ) -> Tensor:
        logits_BK: Tensor = self.model(frames_BTHW, lengths_B, word_BT)
        return logits_BK


@dataclass(frozen=True)
class Leave:
    """A clip leaves at this exit, the first being 1, if its top probability is at least that."""

    exit: int
    threshold: float


@dataclass(frozen=True)
class EarlyClipModel:
    """A network with exits, its BatchNorms folded, that clips may leave early."""

    model: ExitingLipreader
    leave: Leave
    boundary = False

    @property
    def device(self) -> torch.device:
        return self.model.classifier.weight.device

    def __call__(
        self, frames_BTHW: Tensor, lengths_B: Tensor, word_BT: Tensor | None = None
    ) -> Tensor:
        own = self.leave
        return self.model.leave_early(
            frames_BTHW, lengths_B, exit=own.exit, threshold=own.threshold
        )


def load_early_model(
    path: Path | str, leave: Leave, device: str = "cpu"
) -> tuple[EarlyClipModel, ModelCard]:
    """The model of a weights file with exits, and its card without thresholds, which validation
    chose for the whole network alone; InputError if it has no such exit."""
    if Path(path).suffix == ONNX:
        raise InputError(f"{path}: a graph has no exits; take the weights file")
    if leave.exit < 1:
        raise InputError(f"leave at exit {leave.exit}: the first one is 1")
    load_model(path, exit=leave.exit)  # InputError if the file has no such exit
    if not 0 <= leave.threshold <= 1:
        raise InputError(f"leave at {leave.threshold:g}: a probability, 0 to 1")
    model, card = load_model(path, device)
    folded = fold_batchnorm(model)
    assert isinstance(folded, ExitingLipreader)
    return EarlyClipModel(folded, leave), card.without_thresholds()


def load_clip_model(
    path: Path | str,
    device: str = "cpu",
    *,
    budget: float | None = None,
    battery: str | None = None,
) -> tuple[ClipModel, ModelCard]:
    """The model of a weights file, or of an .onnx of `lipnet export`, and its card.

    An .onnx runs in onnxruntime on the CPU with torch's number of threads, on any `device`.
    `budget` and `battery` are those of `choose_part`; an .onnx is one model.
    """
    path = Path(path)
    if path.suffix == ONNX:
        if budget is not None or battery is not None:
            raise InputError(f"{path} is one model: only a weights file has a choice of parts")
        reader, card, _ = load_onnx(path, threads=torch.get_num_threads())
        return reader, card
    part = choose_part(load_card(path), budget=budget, battery=battery)
    model, card = load_model(path, device, width=part.width, exit=part.exit)
    return TorchClipModel(fold_batchnorm(model)), card


def read_card(path: Path) -> ModelCard:
    """The card of a weights file, or of an .onnx of `lipnet export`."""
    return load_onnx(path)[1] if path.suffix == ONNX else load_card(path)
