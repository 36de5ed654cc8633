"""Cost: what a spec takes, in parameters and multiply-adds, counted without computing anything."""
# B batch  T frames  H W pixels

from dataclasses import dataclass
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from lipnet.errors import InputError
from lipnet.models.build import build_empty
from lipnet.spec import ModelSpec

BATCHNORM_OPERATIONS = 2  # per output element: how the paper's FLOPs come out to the digit


@dataclass(frozen=True)
class Cost:
    """One clip through a model, eval mode, multiply-adds / 1e9; weight_bytes as stored in float32.

    `gmacs` (convolutions and linear layers) and `gflops` (the same and 2 per BatchNorm output, the
    paper's figure) count a temporal convolution as the paper's does it: over steps padded on both
    sides by its full extent, the surplus then cut off. `gmacs_computed` is what this model does.
    """

    params: int
    params_m: float
    gflops: float
    gmacs: float
    gmacs_computed: float
    weight_bytes: int


class _Counter(TorchFunctionMode):
    """Adds up the multiply-adds and BatchNorm outputs of every call made under it."""

    def __init__(self) -> None:
        super().__init__()
        self.computed = 0
        self.multiply_adds = Fraction(0)
        self.normalised = Fraction(0)
        self._stretch = Fraction(1)

    def __torch_function__(
        self, func: object, types: object, args: tuple[object, ...] = (), kwargs: object = None
    ) -> object:
        assert callable(func)
        out: object = func(*args, **(kwargs if isinstance(kwargs, dict) else {}))
        if isinstance(out, Tensor):
            self._count(func, args, out)
        return out

    def _count(self, func: object, args: tuple[object, ...], out: Tensor) -> None:
        if func in (F.conv1d, F.conv2d, F.linear):
            weight = args[1]
            assert isinstance(weight, Tensor)
            self._stretch = _stretch_of(args[4], out) if func is F.conv1d else Fraction(1)
            self.computed += out.numel() * weight[0].numel()
            self.multiply_adds += self._stretch * out.numel() * weight[0].numel()
        elif func is F.batch_norm:  # runs on what the convolution before it gave
            self.normalised += self._stretch * out.numel()


def _stretch_of(padding: object, out_BCT: Tensor) -> Fraction:
    """Steps of the paper's temporal convolution over ours, whose padding keeps the length."""
    assert isinstance(padding, tuple)
    steps = out_BCT.shape[2]
    return Fraction(steps + 2 * int(padding[0]), steps)


def cost_of(spec: ModelSpec, n_classes: int, *, frames: int = 29, size: int = 88) -> Cost:
    """The cost of one clip of `frames` frames of `size` x `size` pixels, in eval mode."""
    if min(frames, size) < 1:
        raise InputError(f"{frames} frames of {size} x {size} pixels: both must be at least 1")
    model = build_empty(spec, n_classes, device="meta").eval()
    frames_BTHW = torch.empty(1, frames, size, size, device="meta")
    lengths_B = torch.tensor([frames])
    with torch.no_grad(), _Counter() as counter:
        model(frames_BTHW, lengths_B)
    params = count_parameters(model)
    operations = counter.multiply_adds + BATCHNORM_OPERATIONS * counter.normalised
    return Cost(
        params=params,
        params_m=params / 1e6,
        gflops=float(operations) / 1e9,
        gmacs=float(counter.multiply_adds) / 1e9,
        gmacs_computed=counter.computed / 1e9,
        weight_bytes=sum(t.numel() * t.element_size() for t in model.state_dict().values()),
    )


def count_parameters(model: nn.Module) -> int:
    """How many numbers training sets."""
    return sum(weight.numel() for weight in model.parameters())
