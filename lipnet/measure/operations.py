"""Operations of a training step, counted: on a GPU each one is launched by the host."""
# B batch  T frames  H W pixels  E outputs  K classes

from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from lipnet.models.build import build_model
from lipnet.spec import ModelSpec

CLASSES, SIDE = 2, 32  # the counts depend on neither


@dataclass(frozen=True)
class Operations:
    """Operations that compute something, of a batch of any size: forward, and with backward."""

    forward: int
    step: int


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the calls that are not views."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


def count_operations(spec: ModelSpec) -> Operations:
    """Count them by a step of two small clips."""
    model = build_model(spec, CLASSES, generator=torch.Generator().manual_seed(0)).train()
    frames_BTHW = torch.zeros(2, 3, SIDE, SIDE)
    word_BT = torch.ones(2, 3) if spec.boundary else None
    with _Counter() as counter:
        logits = model(frames_BTHW, torch.tensor([3, 2]), word_BT)
        forward = counter.count
        outputs = logits if spec.exits else [logits]  # with early exits [E, B, K]
        losses = [F.cross_entropy(own_BK, torch.tensor([0, 1])) for own_BK in outputs]
        reduce(torch.add, losses).backward()  # type: ignore[no-untyped-call]
    return Operations(forward, counter.count)
