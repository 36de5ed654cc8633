"""Storage of a lineage of several widths: they train together, and one file holds them all."""
# B batch  K classes

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from lipnet.code import code_digest
from lipnet.data.batch import View
from lipnet.distill.loss import distillation_loss, zero_loss
from lipnet.lineage.plan import LineageData
from lipnet.models.build import build_empty
from lipnet.models.lipreader import Lipreader
from lipnet.models.slimmable import Slimmable, take_width
from lipnet.models.weights import WIDTHS, ModelCard, save_tensors
from lipnet.recipe import Recipe
from lipnet.spec import ModelSpec

CODE = "lineage.slimmable"  # the module whose imports are the code of such a training


@dataclass(frozen=True)
class SlimmableForm:
    """The weights of several widths (a Form).

    The widest one is validated and so chooses the epoch of all: one file has one epoch, and the
    lineage stays comparable with those of a single width.
    """

    spec: ModelSpec
    widths: tuple[float, ...]

    def expand(self, model: Lipreader) -> nn.Module:
        return Slimmable(model, self.spec, self.widths)

    def through(self, model: nn.Module) -> nn.Module:
        return model

    def further_loss(self, others: Sequence[Tensor], own_BK: Tensor, view: View) -> Tensor:
        """The widest one teaches each narrower one: in-place distillation, with the sandwich
        rule's widest and narrowest and up to two between them, which are all (Yu and Huang,
        "Universally slimmable networks", arXiv 1903.05134)."""
        taught = (distillation_loss(other_BK, own_BK.detach()) for other_BK in others)
        return sum(taught, zero_loss(own_BK))

    def stored(self, model: nn.Module) -> nn.Module:
        assert isinstance(model, Slimmable)
        classes, device = model.full.classifier.out_features, model.full.classifier.weight.device
        widest = build_empty(self.spec, classes, device=str(device))
        found = take_width(model.file_tensors(), self.spec, classes, widths=self.widths, width=1)
        widest.load_state_dict(found)
        return widest

    def save(self, path: Path, model: nn.Module, card: ModelCard) -> None:
        assert isinstance(model, Slimmable)
        save_tensors(path, model.file_tensors(), card)


@dataclass(frozen=True)
class SlimmableStorage:
    """The widths of a lineage (a Storage), shares of its spec from 1 down."""

    spec: ModelSpec
    widths: tuple[float, ...]

    @property
    def origin(self) -> Mapping[str, object]:
        return {WIDTHS: list(self.widths)}

    @property
    def facts(self) -> Mapping[str, object]:
        return {WIDTHS: list(self.widths), "code": code_digest(CODE)}

    def fit(
        self, model: Lipreader, data: LineageData, recipe: Recipe, device: torch.device
    ) -> SlimmableForm:
        return SlimmableForm(self.spec, self.widths)
