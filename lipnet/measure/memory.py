"""Peak memory of the activations of one forward pass."""

from weakref import WeakSet

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lipnet.measure.cost import blank_clip
from lipnet.models.build import build_empty
from lipnet.spec import ModelSpec


class _PeakTracker(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Tracks the living tensors that were made under it, and their peak in bytes.

    A storage leaves the set when the last tensor on it is deleted, as its memory does.
    """

    def __init__(self, known: list[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak_bytes = 0
        self._known = WeakSet(tensor.untyped_storage() for tensor in known)
        self._living: WeakSet[torch.UntypedStorage] = WeakSet()

    def __torch_dispatch__(
        self, func: object, types: object, args: tuple[object, ...] = (), kwargs: object = None
    ) -> object:
        assert callable(func)
        out: object = func(*args, **(kwargs if isinstance(kwargs, dict) else {}))
        for made in tree_leaves(out):
            if isinstance(made, Tensor) and made.untyped_storage() not in self._known:
                self._living.add(made.untyped_storage())
        held_bytes = sum(storage.nbytes() for storage in self._living)
        self.peak_bytes = max(self.peak_bytes, held_bytes)
        return out


def peak_activation_bytes(model: nn.Module, *inputs: Tensor) -> int:
    """Peak bytes of the tensors made by one forward pass, counted after every operation; without
    weights, inputs and the working space inside an operation.
    """
    known = [*model.parameters(), *model.buffers(), *inputs]
    tracker = _PeakTracker(known)
    with torch.no_grad(), tracker:
        model(*inputs)
    return tracker.peak_bytes


def peak_memory_of(spec: ModelSpec, n_classes: int, *, frames: int = 29, size: int = 88) -> int:
    """Peak activation bytes of one float32 clip in eval mode, without computing anything."""
    model = build_empty(spec, n_classes, device="meta").eval()
    return peak_activation_bytes(model, *blank_clip(frames, size))
