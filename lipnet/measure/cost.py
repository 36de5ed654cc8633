"""Cost of a spec in parameters and multiply-adds, counted without computing anything."""
# B batch  T frames  H W pixels

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from lipnet.errors import InputError
from lipnet.models.build import build_empty
from lipnet.models.exits import StagedTrunk, compute_stages
from lipnet.models.lipreader import Lipreader, check_batch
from lipnet.spec import ModelSpec

BATCHNORM_OPERATIONS = 2  # per output element: reproduces the paper's FLOPs to the digit
PRODUCTS = (F.conv1d, F.conv2d, F.conv3d, F.linear)
RECURRENCES = (torch.gru, torch.lstm, torch.rnn_tanh, torch.rnn_relu)


@dataclass(frozen=True)
class Cost:
    """One clip through a model, eval mode, multiply-adds / 1e9; weight_bytes as stored in float32.

    `gmacs` counts convolutions, linear layers and the matrix products of recurrent gates (each
    weight matrix once per frame; biases and elementwise products are not counted); `gflops`, the
    paper's number, adds 2 per BatchNorm output. Both count what the published models compute: a
    temporal convolution over frames padded on both sides by its full extent, with the surplus cut
    off afterwards, and after a recurrent head the last linear layer on every frame before the
    mean. `gmacs_computed` is what this model computes.

    This reproduces the paper's 14 rows and its ResNet-34 + BGRU (18.71; 18.69 with one linear
    layer, 18.48 without the gates, as counters report it that do not support GRUs).
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
        named = kwargs if isinstance(kwargs, dict) else {}
        out: object = func(*args, **named)
        if func in RECURRENCES:
            self._add(_recurrent_products(args))
        elif isinstance(out, Tensor) and func in PRODUCTS:
            stretch = _stretch_of(args, named, out) if func is F.conv1d else Fraction(1)
            weight = _argument(args, named, 1, "weight")
            assert isinstance(weight, Tensor)
            self._add(out.numel() * weight[0].numel(), stretch)
        elif isinstance(out, Tensor) and func is F.batch_norm:
            self.normalised += self._stretch * out.numel()
        return out

    def _add(self, products: int, stretch: Fraction = Fraction(1)) -> None:
        self.computed += products
        self.multiply_adds += stretch * products
        self._stretch = stretch  # a BatchNorm runs on the output of the convolution before it


def _argument(
    args: tuple[object, ...], named: Mapping[str, object], place: int, name: str
) -> object:
    return args[place] if len(args) > place else named[name]


def _stretch_of(args: tuple[object, ...], named: Mapping[str, object], out_BCT: Tensor) -> Fraction:
    """Frames of the paper's temporal convolution over ours, which keeps the length by padding."""
    padding = _argument(args, {"padding": 0, **named}, 4, "padding")
    each_side = padding[0] if isinstance(padding, tuple) else padding
    assert isinstance(each_side, int)
    return Fraction(out_BCT.shape[2] + 2 * each_side, out_BCT.shape[2])


def _recurrent_products(args: tuple[object, ...]) -> int:
    """Each frame is multiplied by each weight matrix once: gates, directions and layers."""
    frames = args[0]
    weights = next(part for part in args if isinstance(part, list))
    assert isinstance(frames, Tensor)
    matrices: int = sum(weight.numel() for weight in weights if weight.dim() == 2)
    return math.prod(frames.shape[:-1]) * matrices


def cost_of(spec: ModelSpec, n_classes: int, *, frames: int = 29, size: int = 88) -> Cost:
    """The cost of one clip of `frames` frames of `size` x `size` pixels, in eval mode.

    >>> lipnet.cost_of(lipnet.ModelSpec.parse("shufflenetv2_0.5x + tcn_1x"), 500).params_m
    2.9
    """
    return count_cost(build_empty(spec, n_classes, device="meta"), frames=frames, size=size)


def count_cost(model: Lipreader, *, frames: int, size: int) -> Cost:
    """The cost of one clip through this model, which is on the meta device."""
    with torch.no_grad(), _Counter() as counter:
        model.eval()(*blank_clip(frames, size))
    if model.head.classifies_frames:
        counter.multiply_adds += (frames - 1) * model.classifier.weight.numel()
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


def cost_of_trunk(spec: ModelSpec, *, frames: int = 29, size: int = 88) -> tuple[float, float]:
    """GFLOPs and GMACs of front end and trunk alone, as `cost_of` counts them; of a model that was
    cut at an exit, what the whole network computes too."""
    model = build_empty(spec, 1, device="meta").eval()
    frames_BTHW, lengths_B, _ = blank_clip(frames, size)
    valid = check_batch(frames_BTHW, lengths_B)
    with torch.no_grad(), _Counter() as counter:
        maps_NCHW = model.frontend(frames_BTHW, valid)
        if isinstance(model.trunk, StagedTrunk):
            compute_stages(model.trunk.stages, maps_NCHW)
        else:
            model.trunk(maps_NCHW, valid)
    operations = counter.multiply_adds + BATCHNORM_OPERATIONS * counter.normalised
    return float(operations) / 1e9, float(counter.multiply_adds) / 1e9


def count_multiply_adds(compute: Callable[[], object]) -> int:
    """Multiply-adds of the convolutions, linear layers and recurrent gates of one call."""
    with torch.no_grad(), _Counter() as counter:
        compute()
    total: int = counter.computed
    return total


def blank_clip(frames: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """One clip for a model on the meta device: its frames, its length, the frames of the word."""
    if min(frames, size) < 1:
        raise InputError(f"{frames} frames of {size} x {size} pixels: both must be at least 1")
    frames_BTHW = torch.empty(1, frames, size, size, device="meta")
    return frames_BTHW, torch.tensor([frames]), torch.empty(1, frames, device="meta")


def count_parameters(model: nn.Module) -> int:
    """The number of trained parameters."""
    return sum(weight.numel() for weight in model.parameters())
