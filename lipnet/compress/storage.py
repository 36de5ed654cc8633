"""Storage: a lineage whose weights are compressed from its first step on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from lipnet.code import code_digest
from lipnet.compress.compression import Compression, StraightThrough, fit_compression
from lipnet.compress.statistics import TRAIN, VAL, choose_statistics
from lipnet.data.batch import View
from lipnet.how import How
from lipnet.lineage.plan import LineageData
from lipnet.models.lipreader import Lipreader
from lipnet.models.weights import ModelCard, save_packed
from lipnet.recipe import Recipe
from lipnet.train.form import AsTrained, Form, add_exits

CODE = "compress.storage"  # the module whose imports are the code of a compression


@dataclass(frozen=True)
class CompressedForm:
    """Weights in the stored form of a fitted compression (a Form)."""

    compression: Compression

    def expand(self, model: Lipreader) -> nn.Module:
        return model

    def further_loss(self, others: Sequence[Tensor], own_BK: Tensor, view: View) -> Tensor:
        return add_exits(others, own_BK, view)

    def through(self, model: nn.Module) -> nn.Module:
        return StraightThrough(model, self.compression.quantisers)

    def stored(self, model: nn.Module) -> nn.Module:
        assert isinstance(model, Lipreader)
        return self.compression.apply(model)

    def save(self, path: Path, model: nn.Module, card: ModelCard) -> None:
        save_packed(path, self.compression.pack(model), card)


@dataclass(frozen=True)
class CompressedStorage:
    """The compression of a lineage (a Storage): fitted to the weights that it starts from, whose
    BatchNorm statistics are measured again if that is better on validation. `source` is the digest
    of that file. A width alone is stored as it was trained."""

    how: How
    source: str
    widths = ()

    @property
    def origin(self) -> Mapping[str, object]:
        how = {} if self.how.coding is None else {"how": str(self.how)}
        return {**how, "compressed_from": self.source}

    @property
    def facts(self) -> Mapping[str, object]:
        return {"how": str(self.how), "code": code_digest(CODE)}

    def fit(
        self, model: Lipreader, data: LineageData, recipe: Recipe, device: torch.device
    ) -> Form:
        if self.how.coding is None:
            return AsTrained()
        compression = fit_compression(self.how.coding, model)
        clips = {TRAIN: data.train, VAL: data.val}
        chosen = choose_statistics(model, compression, clips, recipe, device=device)
        model.load_state_dict(chosen.model.state_dict())
        return CompressedForm(compression)
