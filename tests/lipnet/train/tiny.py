"""Small trainings for tests: models that learn in seconds, in float64 if needed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from lipnet.distill.teacher import NoTeacher, Teacher
from lipnet.models.build import build_model
from lipnet.recipe import Recipe
from lipnet.spec import ModelSpec
from lipnet.train.engine import Engine
from lipnet.train.history import EpochRecord
from lipnet.train.loop import Training
from tests.lipnet.clips import make_store

RECIPE = Recipe(lr=3e-3, batch=8, epochs=2, input_size=24, mixup=0.4, seed=5)
SPEC = ModelSpec.parse("resnet18_0.125x + tcn_0.125x")
LABELS = 3


class Minutes:
    """A clock on which a minute passes per look."""

    def __init__(self) -> None:
        self._minutes = 0

    def __call__(self) -> float:
        self._minutes += 1
        return 60.0 * self._minutes


class Quiet:
    """A listener that keeps the warnings and can run a function after each batch."""

    def __init__(self, on_batch: Callable[[int], None] = lambda _: None) -> None:
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self._then = on_batch

    def on_batch(self, done: int, total: int) -> None:
        self._then(done)

    def on_epoch(self, record: EpochRecord) -> None: ...

    def on_note(self, text: str) -> None:
        self.notes.append(text)

    def on_warning(self, text: str) -> None:
        self.warnings.append(text)


class Double(nn.Module):
    """A model in float64, for clips of any precision."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model.double()

    def forward(
        self, frames_BTHW: Tensor, lengths_B: Tensor, word_BT: Tensor, valid: object = None
    ) -> Tensor:
        out: Tensor = self.model(frames_BTHW.double(), lengths_B, word_BT.double())
        return out


def make_model(*, double: bool = False, seed: int = 0) -> nn.Module:
    """A small Lipreader for three labels, initialised from the seed."""
    torch.manual_seed(seed)
    model = build_model(SPEC, LABELS)
    return Double(model) if double else model


def make_training(
    *,
    double: bool = False,
    teacher: Teacher | None = None,
    engine: Engine | None = None,
    clips: int = 29,
    **changes: Any,
) -> Training:
    """A training of the small model by RECIPE with these changes."""
    stores = make_store(clips), make_store(12, seed=1)
    return Training(
        make_model(double=double),
        *stores,
        replace(RECIPE, **changes),
        teacher or NoTeacher(),
        LABELS,
        engine or Engine(),
    )
