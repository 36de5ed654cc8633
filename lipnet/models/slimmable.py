"""Slimmable: one set of weights that computes at several widths, each with its own BatchNorms.

A narrower network is the first channels of every layer of the widest one (Yu et al., "Slimmable
neural networks", arXiv 1812.08928). Their statistics differ, so each width has BatchNorms of its
own, less than 1 % of the weights.
"""
# B batch  K classes  E outputs per clip, one per width

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from lipnet.errors import InputError
from lipnet.models.build import build_empty
from lipnet.models.lipreader import Lipreader
from lipnet.spec import ModelSpec, check_widths

FULL, NARROW = "full.", "narrow."  # the submodules; a weights file's names are without FULL


class Slimmable(nn.Module):
    """The widest model, and what each narrower width has of its own.

    `widths` are shares from 1 down. It starts with the widest model's weights and fresh BatchNorms.
    """

    def __init__(self, full: Lipreader, spec: ModelSpec, widths: Sequence[float]) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.full = full
        self.narrow = nn.ModuleList()
        self._shared: list[dict[str, torch.Size]] = []
        for narrow in check_widths(spec, widths)[1:]:
            norms, shapes = _split(narrow, full)
            self.narrow.append(norms)
            self._shared.append(shapes)

    def forward(self, *batch: object) -> Tensor:
        """As the widest model's own in evaluation; in training the logits of all widths
        [E, B, K]."""
        logits_BK: Tensor = self.full(*batch)
        if not self.training:
            return logits_BK
        own = dict(self.full.named_parameters())
        outputs = [logits_BK]
        for norms, shapes in zip(self.narrow, self._shared, strict=True):
            weights = {name: _cut(own[name], shape) for name, shape in shapes.items()}
            outputs.append(functional_call(norms, weights, batch))
        return torch.stack(outputs)

    def file_tensors(self) -> dict[str, Tensor]:
        """All tensors under the names that a weights file has for them."""
        return {name.removeprefix(FULL): own for name, own in self.state_dict().items()}


def take_width(
    tensors: Mapping[str, Tensor],
    spec: ModelSpec,
    n_classes: int,
    *,
    widths: Sequence[float],
    width: float,
) -> dict[str, Tensor]:
    """The tensors of an ordinary model of one width, from those of a weights file of several;
    InputError for a width that it does not have."""
    if width not in widths:
        known = ", ".join(f"{own:g}" for own in widths)
        raise InputError(f"width {width:g}: this file has the widths {known}")
    if width == 1:
        return {name: own for name, own in tensors.items() if not name.startswith(NARROW)}
    prefix = f"{NARROW}{widths.index(width) - 1}."
    shapes = build_empty(spec.at_width(width), n_classes, device="meta").state_dict()
    return {
        name: tensors[prefix + name]
        if prefix + name in tensors
        else _cut(tensors[name], own.shape).contiguous()
        for name, own in shapes.items()
    }


def _split(spec: ModelSpec, full: Lipreader) -> tuple[nn.Module, dict[str, torch.Size]]:
    """A model with BatchNorms alone, on the device of `full`, and the shapes of its other
    parameters, which it has to be called with."""
    device = full.classifier.weight.device
    model = build_empty(spec, full.classifier.out_features, device="meta")
    wide = dict(full.named_parameters())
    shapes = {}
    for prefix, module in model.named_modules():
        if isinstance(module, _BatchNorm):
            if device.type != "meta":
                module.to_empty(device=device, recurse=False)
                module.reset_parameters()
            continue
        for name, own in list(module.named_parameters(recurse=False)):
            shapes[f"{prefix}.{name}"] = own.shape
            setattr(module, name, None)
    fits = all(
        name in wide and len(shape) == wide[name].dim() for name, shape in shapes.items()
    ) and all(
        small <= large
        for name, shape in shapes.items()
        for small, large in zip(shape, wide[name].shape, strict=True)
    )
    if not fits:
        raise InputError(f"{spec} has layers that the widest model of the network does not have")
    return model, shapes


def _cut(tensor: Tensor, shape: torch.Size) -> Tensor:
    """The first entries of every dimension, as a view."""
    return tensor[tuple(slice(size) for size in shape)]
