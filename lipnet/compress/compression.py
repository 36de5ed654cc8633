"""Compression: the quantisers of a whole model, fitted to a trained one."""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn
from torch.func import functional_call

from lipnet.coding.tensors import COUNT, NO_CODES, NO_FLOATS, Packed, unpack
from lipnet.compress.quantisers import FITTERS, Halves, Quantiser, keep_largest, move
from lipnet.errors import InputError
from lipnet.how import STEPS, How
from lipnet.models.lipreader import Lipreader

MIN_NUMBERS = 512  # of a tensor that is compressed; smaller ones are in half precision
# The first layers, with a front end or of a trunk without one, and the last ones, with exits.
ENDS = re.compile(
    r"(frontend|trunk\.(column|context|fovea)\.convs\.0|trunk\.(still|flow)\.c2"
    r"|trunk\.first\.(conv|tower)\.0|(exits\.\d+\.)?classifier)\."
)
BIAS = ".bias"  # some networks have biases of two dimensions
HEAD = "head."


@dataclass(frozen=True)
class Compression:
    """The quantisers of a model's large weights by name; other tensors are in half precision."""

    how: How
    quantisers: Mapping[str, Quantiser]

    def pack(self, model: nn.Module) -> dict[str, Packed]:
        """The tensors of a model in their stored form; InputError if one is out of the range of
        half precision."""
        tensors = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
        packed = {name: self._pack(name, tensor) for name, tensor in tensors.items()}
        wrong = [name for name, own in packed.items() if not np.isfinite(own.floats).all()]
        if wrong:
            raise InputError(f"{wrong[0]} is out of the range of half precision")
        return packed

    def _pack(self, name: str, tensor: Tensor) -> Packed:
        if not tensor.is_floating_point():
            counts = tuple(int(count) for count in tensor.flatten())
            return Packed(tuple(tensor.shape), COUNT, NO_FLOATS, NO_CODES, counts=counts)
        return self.quantisers.get(name, Halves()).pack(tensor)

    def apply(self, model: Lipreader) -> Lipreader:
        """A copy of the model with the values that its file would give back."""
        compressed = copy.deepcopy(model)
        compressed.load_state_dict({name: unpack(own) for name, own in self.pack(model).items()})
        return compressed


def fit_compression(how: How, model: Lipreader) -> Compression:
    """Fit every large weight's quantiser to a trained model.

    `prune` takes from the head, where most weights of the small models are; InputError if it has
    none.
    """
    large = {
        name: weight.detach().cpu()
        for name, weight in model.named_parameters()
        if weight.dim() > 1 and weight.numel() >= MIN_NUMBERS and not name.endswith(BIAS)
    }
    if how.pruned and not any(name.startswith(HEAD) for name in large):
        raise InputError(f"how {how}: prune takes the head's weights, and this head has none")
    step = how.values
    quantisers = {}
    for name, weight in large.items():
        pruned = how.pruned if name.startswith(HEAD) else 0.0
        kept = keep_largest(weight, pruned) if pruned else None
        is_whole = ENDS.match(name) and not STEPS[step.name].ends
        fit = FITTERS["half" if is_whole else step.name]
        quantisers[name] = fit(step, weight, kept)
    return Compression(how, quantisers)


class StraightThrough(nn.Module):
    """A model whose forward pass uses the stored values and whose gradients reach its weights."""

    def __init__(self, model: nn.Module, quantisers: Mapping[str, Quantiser]) -> None:
        super().__init__()
        self.model = model
        device = next(model.parameters()).device
        self._quantisers = {name: move(own, device) for name, own in quantisers.items()}

    def forward(self, *batch: Tensor) -> Tensor:
        """As the model's own."""
        own = dict(self.model.named_parameters())
        stored = {name: quantiser.values(own[name]) for name, quantiser in self._quantisers.items()}
        logits_BK: Tensor = functional_call(self.model, stored, batch)
        return logits_BK


def bits_per_weight(file_bytes: int, model: nn.Module) -> float:
    """Bits of the whole file, header included, per parameter."""
    return 8 * file_bytes / sum(parameter.numel() for parameter in model.parameters())


def dense_bytes(model: nn.Module) -> int:
    """Bytes of the model's tensors as they are in single precision, without a header."""
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())


def codebook_ratio(weights: int, clusters: int, bits: int = 32) -> float:
    """How many times smaller a clustered tensor is, with fixed-width indices and codebook entries
    of `bits` bits (Han et al., arXiv 1510.00149, section 3)."""
    index_bits = (clusters - 1).bit_length()
    return weights * bits / (weights * index_bits + clusters * bits)
