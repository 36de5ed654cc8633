"""From a ModelSpec to a model: a builder for each of its parts, and the initial weights."""

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import nn

from lipnet.errors import InputError
from lipnet.models import alexnet, inception, vggm
from lipnet.models.alexnet import CLIP_BODIES, ContextFovea, SingleFrame
from lipnet.models.convlstm import ConvLstmHead
from lipnet.models.dctcn import DenseHead
from lipnet.models.densenet3d import DenseNet3D
from lipnet.models.efficientnet import EfficientNetB0
from lipnet.models.exits import Exit, ExitingLipreader, StagedTrunk
from lipnet.models.fixed_frames import FixedFrames, WholeClipHead
from lipnet.models.frontend import FrontEnd, PlainFrames
from lipnet.models.ghostnet import GhostNet
from lipnet.models.inception import InceptionTowers, InceptionV4
from lipnet.models.ji3d import HardwiredPlanes, Ji3D, Subsample
from lipnet.models.lipreader import FrontEnd as AnyFrontEnd
from lipnet.models.lipreader import Head, Lipreader, Trunk
from lipnet.models.mean import MeanHead
from lipnet.models.mobilenetv1 import MobileNetV1
from lipnet.models.mobilenetv2 import MobileNetV2
from lipnet.models.msdnet import MSDNet
from lipnet.models.recurrent import CELLS, ONE_WAY_CELLS, LastOutputHead, RecurrentHead
from lipnet.models.resnet import BLOCKS, ResNet
from lipnet.models.shufflenetv1 import ShuffleNetV1
from lipnet.models.shufflenetv2 import ShuffleNetV2
from lipnet.models.tcn import KINDS, TemporalHead
from lipnet.models.vggm import FUSIONS, VggM
from lipnet.spec import ModelSpec


class StemmedTrunk(Trunk, Protocol):
    """A trunk behind the front end, from which it takes `stem_channels`."""

    stem_channels: int


def _build_resnet(spec: ModelSpec) -> StemmedTrunk:
    return ResNet(spec.backbone, width=spec.width, activation=spec.activation, stages=spec.stages)


def _build_alexnet(spec: ModelSpec) -> tuple[int, Trunk]:
    return alexnet.FRAMES[spec.backbone], CLIP_BODIES[spec.backbone](spec.width)


def _build_temporal(spec: ModelSpec, inputs: int) -> Head:
    return TemporalHead(spec.head, inputs, channels=spec.head_width, activation=spec.activation)


def _build_dense(spec: ModelSpec, inputs: int) -> Head:
    return DenseHead(inputs, channels=spec.head_width, activation=spec.activation)


def _build_recurrent(spec: ModelSpec, inputs: int) -> Head:
    return RecurrentHead(spec.head, inputs, units=spec.head_width)


def _build_last_output(spec: ModelSpec, inputs: int) -> Head:
    return LastOutputHead(spec.head, inputs, units=spec.head_width)


# Together the keys of BACKBONES, of CLIP_NETS and of HEADS in lipnet.spec; `inputs` is the features
# of a frame.
BACKBONE_BUILDERS: dict[str, Callable[[ModelSpec], StemmedTrunk]] = {
    **dict.fromkeys(BLOCKS, _build_resnet),
    "shufflenetv2": lambda spec: ShuffleNetV2(spec.width),
    "densenet3d": lambda spec: DenseNet3D(),
    "mobilenetv1": lambda spec: MobileNetV1(spec.width),
    "mobilenetv2": lambda spec: MobileNetV2(spec.width),
    "efficientnetb0": lambda spec: EfficientNetB0(spec.width),
    "ghostnet": lambda spec: GhostNet(spec.width),
    "shufflenetv1": lambda spec: ShuffleNetV1(spec.width),
    "inceptionv4": lambda spec: InceptionV4(spec.width),
    "msdnet": lambda spec: MSDNet(stages=spec.stages),
}
OWN_FRONT_END_BUILDERS: dict[str, Callable[[ModelSpec], tuple[AnyFrontEnd, Trunk]]] = {
    "alexnet": lambda spec: (PlainFrames(), SingleFrame(spec.width)),
    "alexnet2": lambda spec: (PlainFrames(), ContextFovea(spec.width)),
    "ji3d": lambda spec: (HardwiredPlanes(), Ji3D()),
}
CLIP_NET_BUILDERS: dict[str, Callable[[ModelSpec], tuple[int, Trunk]]] = {
    **dict.fromkeys(FUSIONS, lambda spec: (vggm.FRAMES, VggM(spec.backbone, spec.width))),
    **dict.fromkeys(CLIP_BODIES, _build_alexnet),
    "inceptionv4_mt": lambda spec: (inception.TOWER_FRAMES, InceptionTowers(spec.width)),
}
HEAD_BUILDERS: dict[str, Callable[[ModelSpec, int], Head]] = {
    **dict.fromkeys(KINDS, _build_temporal),
    **dict.fromkeys(CELLS, _build_recurrent),
    **dict.fromkeys(ONE_WAY_CELLS, _build_last_output),
    "dctcn": _build_dense,
    "mean": lambda spec, inputs: MeanHead(inputs),
    "convlstm": lambda spec, inputs: ConvLstmHead(inputs, channels=spec.head_width),
}


def build_model(
    spec: ModelSpec, n_classes: int, *, generator: torch.Generator | None = None
) -> Lipreader:
    """The model of a spec with fresh weights, drawn from torch's own generator if none is given.

    >>> model = lipnet.build_model(lipnet.ModelSpec.parse("resnet18 + mstcn_3x"), 500)
    >>> model(frames_BTHW, lengths_B)  # floats [B, T, 88, 88] and frames per clip -> [B, 500]
    """
    model = build_empty(spec, n_classes)
    initialise(model, generator)
    return model


def build_empty(spec: ModelSpec, n_classes: int, *, device: str = "cpu") -> Lipreader:
    """The model with its tensors allocated but not set; device "meta" allocates nothing."""
    if n_classes < 1:
        raise InputError(f"a model of {n_classes} classes: at least one label is needed")
    with torch.device("meta"):
        parts = _build_parts(spec)
        model = Lipreader(*parts, n_classes, boundary=spec.boundary)
        if spec.exits:
            model = _add_exits(spec, parts, n_classes)
    if device == "meta":
        return model
    model.to_empty(device=device)
    for weight in model.parameters():
        if weight.dim() == 4:  # channels last: twice as fast on a CPU, same numbers
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return model


def _build_parts(spec: ModelSpec) -> tuple[AnyFrontEnd, Trunk, Head]:
    if spec.takes_clip:
        frames, body = CLIP_NET_BUILDERS[spec.backbone](spec)
        return FixedFrames(frames), body, WholeClipHead(body.features)
    if spec.backbone in OWN_FRONT_END_BUILDERS:
        frontend, trunk = OWN_FRONT_END_BUILDERS[spec.backbone](spec)
    else:
        trunk = stemmed = BACKBONE_BUILDERS[spec.backbone](spec)
        frontend = FrontEnd(stemmed.stem_channels, spec.activation, motion=spec.motion)
    inputs = trunk.features + spec.boundary  # the word's boundary is one more feature
    return frontend, trunk, HEAD_BUILDERS[spec.head](spec, inputs)


def _add_exits(
    spec: ModelSpec, parts: tuple[AnyFrontEnd, Trunk, Head], n_classes: int
) -> ExitingLipreader:
    frontend, trunk, head = parts
    assert isinstance(trunk, StagedTrunk)
    exits = {}
    for number, stages in enumerate(spec.exits, 1):
        _, part, own = _build_parts(spec.at_exit(number))
        assert isinstance(part, StagedTrunk)
        exits[stages] = Exit(part.exit, own, n_classes)
    return ExitingLipreader(frontend, trunk, head, n_classes, exits)


@torch.no_grad()
def initialise(model: nn.Module, generator: torch.Generator | None = None) -> None:
    """Set every weight: convolutions, depthwise ones too, N(0, sqrt(2 / (kernel elements * out
    channels))); Linear N(0, sqrt(2 / in)); biases 0; BatchNorm 1 and 0; PReLU 0.25; factors 1;
    RNN, GRU and LSTM, biases too, uniform within 1 / sqrt(units) of 0.

    TypeError for a module that has other weights: they would be what was in memory before.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            fan = math.prod(module.kernel_size) * module.out_channels
            module.weight.normal_(0, math.sqrt(2 / fan), generator=generator)
        elif isinstance(module, nn.Linear):
            module.weight.normal_(0, math.sqrt(2 / module.in_features), generator=generator)
        elif isinstance(module, nn.RNNBase):
            bound = 1 / math.sqrt(module.hidden_size)
            for weight in module.parameters():
                weight.uniform_(-bound, bound, generator=generator)
        elif isinstance(module, Subsample):
            module.weight.fill_(1)
        elif isinstance(module, nn.PReLU | nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            module.reset_parameters()
        elif {**module._parameters, **module._buffers}.keys() - {"bias"}:
            raise TypeError(f"{type(module).__name__}: set its weights in lipnet.models.build")
        bias = getattr(module, "bias", None)
        if isinstance(bias, nn.Parameter):
            bias.zero_()
