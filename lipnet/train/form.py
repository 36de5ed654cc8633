"""Form: how a model's weights are stored, and so what training calls and validation judges."""
# B batch  K classes

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

from lipnet.data.batch import View
from lipnet.distill.loss import cross_entropy_mixed, zero_loss
from lipnet.models.lipreader import Lipreader
from lipnet.models.weights import ModelCard, save_weights


class Form(Protocol):
    """The form in which a model's weights are kept once it is trained."""

    def expand(self, model: Lipreader) -> nn.Module:
        """The module that is trained: the model itself, or one that has more than its weights."""
        ...

    def through(self, model: nn.Module) -> nn.Module:
        """The module that training calls; its gradients reach the weights of what is trained."""
        ...

    def further_loss(self, others: Sequence[Tensor], own_BK: Tensor, view: View) -> Tensor:
        """The loss of the outputs that follow the model's own logits if training's forward pass
        gives several [E, B, K]; without gradients for `own_BK`."""
        ...

    def stored(self, model: nn.Module) -> nn.Module:
        """A model with the values that the weights file gives back."""
        ...

    def save(self, path: Path, model: nn.Module, card: ModelCard) -> None:
        """Write the weights file, whole or not at all."""
        ...


class AsTrained:
    """Every weight as training left it."""

    def expand(self, model: Lipreader) -> nn.Module:
        return model

    def through(self, model: nn.Module) -> nn.Module:
        return model

    def further_loss(self, others: Sequence[Tensor], own_BK: Tensor, view: View) -> Tensor:
        return add_exits(others, own_BK, view)

    def stored(self, model: nn.Module) -> nn.Module:
        return model

    def save(self, path: Path, model: nn.Module, card: ModelCard) -> None:
        assert isinstance(model, Lipreader)
        save_weights(path, model, card)


def add_exits(others: Sequence[Tensor], own_BK: Tensor, view: View) -> Tensor:
    """The cross-entropies of a network's exits, added."""
    labels = view.labels_B, view.partner_labels_B
    losses = (cross_entropy_mixed(exit_BK, *labels, share=view.share) for exit_BK in others)
    return sum(losses, zero_loss(own_BK))
