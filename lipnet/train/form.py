"""Form: how a model's weights are stored, and so what training calls and validation judges."""

from pathlib import Path
from typing import Protocol

from torch import nn

from lipnet.models.lipreader import Lipreader
from lipnet.models.weights import ModelCard, save_weights


class Form(Protocol):
    """The form in which a model's weights are kept once it is trained."""

    def through(self, model: nn.Module) -> nn.Module:
        """The module that training calls; its gradients reach the model's weights."""
        ...

    def stored(self, model: nn.Module) -> nn.Module:
        """A model with the values that the weights file gives back."""
        ...

    def save(self, path: Path, model: Lipreader, card: ModelCard) -> None:
        """Write the weights file, whole or not at all."""
        ...


class AsTrained:
    """Every weight as training left it."""

    def through(self, model: nn.Module) -> nn.Module:
        return model

    def stored(self, model: nn.Module) -> nn.Module:
        return model

    def save(self, path: Path, model: Lipreader, card: ModelCard) -> None:
        save_weights(path, model, card)
