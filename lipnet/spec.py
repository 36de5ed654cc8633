"""ModelSpec: the one-line name of an architecture, such as "shufflenetv2_0.5x + dstcn_2x".

BACKBONES and HEADS are the tables of what a spec can name; CLIP_NETS has the networks that take a
fixed number of frames at once and have no head. A new one is a row here, a file in lipnet/models
with its network, and that network's builder in lipnet/models/build.py. Nothing here imports torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic

from lipnet.errors import InputError
from lipnet.sizes import (
    BASE_CHANNELS,
    FixedChannels,
    HiddenWidth,
    NoSize,
    Number,
    Size,
    Units,
    Width,
)

ACTIVATIONS = ("prelu", "swish")
MAX_WIDTHS = 4  # of one network; all are trained in each step
MAX_EXITS = 6
CUTS = {f"stages{count}": count for count in range(1, MAX_EXITS + 1)}  # a trunk's first stages
OPTIONS = (*ACTIVATIONS, "boundary", "motion", "exits", *CUTS)  # in the canonical text's order


@dataclass(frozen=True)
class Part(Generic[Number]):
    """A backbone or a head: its name in the literature, and its sizes.

    `training_speed` is the share of a plain convolution's multiply-adds per second that a model
    with this backbone reaches in training, measured on two cores. `slims`: whether the first
    channels of each of its layers are those of a narrower one, so that both can share weights.
    `exits`: the stages of the trunk after which a model with the option `exits` has one each.
    """

    title: str
    size: Size[Number]
    training_speed: float = 0.75  # resnet18: 0.73 to 0.78
    slims: bool = False
    exits: tuple[int, ...] = ()

    def name(self, number: Number) -> str:
        """The title and the size as tables and figures show them."""
        return self.title + self.size.show(number)


RESNET_WIDTH = Width(0.125, 4.0)  # the least has eight channels where the published net has 64
MOBILE_WIDTH = Width(0.125, 4.0, default=None)
OLD_WIDTH = Width(0.0625, 2.0)  # at 1, networks with layers of 4,096 units have 40 to 140 M weights
DEPTHWISE_SPEED = 0.23  # measured with ShuffleNet v2; not yet with the other trunks that have it

BACKBONES: dict[str, Part[float]] = {
    "resnet18": Part("ResNet-18", RESNET_WIDTH, slims=True, exits=(2, 3)),  # of four stages
    "resnet34": Part("ResNet-34", RESNET_WIDTH, slims=True, exits=(2, 3)),
    "shufflenetv2": Part(
        "ShuffleNet v2",
        Width(published=(0.5, 1.0, 1.5, 2.0), default=None),
        training_speed=DEPTHWISE_SPEED,
    ),
    "densenet3d": Part("3D DenseNet", Width()),
    "mobilenetv1": Part("MobileNetV1", MOBILE_WIDTH, DEPTHWISE_SPEED, slims=True),
    "mobilenetv2": Part("MobileNetV2", MOBILE_WIDTH, DEPTHWISE_SPEED, slims=True),
    "efficientnetb0": Part("EfficientNet-B0", RESNET_WIDTH, training_speed=DEPTHWISE_SPEED),
    "ghostnet": Part("GhostNet", MOBILE_WIDTH, training_speed=DEPTHWISE_SPEED),
    "shufflenetv1": Part(
        "ShuffleNet v1",
        Width(published=(0.25, 0.5, 1.0, 1.5, 2.0), default=None),
        training_speed=DEPTHWISE_SPEED,
    ),
    "inceptionv4": Part("Inception-v4", RESNET_WIDTH),
    "msdnet": Part("MSDNet", Width(), exits=(1, 2, 3, 4, 5, 6)),  # of seven, as published
    "alexnet": Part("Single frame", OLD_WIDTH),
    "alexnet2": Part("Context + fovea", OLD_WIDTH),
    "ji3d": Part("Ji 3D CNN", Width(), training_speed=0.23),  # kernels of one channel
}
# With their own front ends, so that `motion` is no option.
OWN_FRONT_ENDS = ("alexnet", "alexnet2", "ji3d")
MAPPED = ("densenet3d",)  # backbones that keep a frame's map, which `convlstm` needs
CLIP_NETS: dict[str, Part[float]] = {
    "vggm_ef": Part("VGG-M EF", OLD_WIDTH),
    "vggm_mt": Part("VGG-M MT", OLD_WIDTH),
    "vggm_ef3": Part("VGG-M EF-3", OLD_WIDTH),
    "vggm_mt3": Part("VGG-M MT-3", OLD_WIDTH),
    "alexnet_early": Part("Early fusion", OLD_WIDTH),
    "alexnet_late": Part("Late fusion", OLD_WIDTH),
    "alexnet_slow": Part("Slow fusion", OLD_WIDTH),
    "inceptionv4_mt": Part("Inception-v4 MT", RESNET_WIDTH),
}
HEADS: dict[str, Part[int]] = {
    "tcn": Part("TCN", HiddenWidth(branches=1), slims=True),
    "mstcn": Part("MS-TCN", HiddenWidth(branches=3)),
    "dstcn": Part("DS-TCN", HiddenWidth(branches=1), slims=True),
    "dsmstcn": Part("DS-MS-TCN", HiddenWidth(branches=3)),
    "dctcn": Part("DC-TCN", FixedChannels(512)),  # Ma et al., WACV 2021
    "bgru": Part("BGRU", Units()),
    "blstm": Part("BLSTM", Units()),
    "rnn": Part("RNN", Units()),  # many-to-one, as gru and lstm
    "gru": Part("GRU", Units()),
    "lstm": Part("LSTM", Units()),
    "mean": Part("Mean", NoSize(), slims=True),
    "convlstm": Part("ConvLSTM", Units()),
}


@dataclass(frozen=True)
class ModelSpec:
    """An architecture: `width` scales the backbone's channels, `head_width` is in channels.

    A recurrent head's width is its units in one direction; that of `mean` is 0. A network of
    CLIP_NETS has no head ("") and no options.
    """

    backbone: str
    width: float
    head: str = ""
    head_width: int = 0
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise InputError if no such model can be built."""
        find_backbone(self.backbone).size.check(self.backbone, self.width)
        if self.takes_clip:
            _check_alone(self)
            return
        _find("head", self.head, HEADS).size.check(self.head, self.head_width)
        _check_options(self.options)
        if self.motion and self.backbone in OWN_FRONT_ENDS:
            raise InputError(f"{self.backbone} has a front end of its own: leave out 'motion'")
        _check_cuts(self)
        if self.head == "convlstm" and (self.backbone not in MAPPED or self.boundary):
            raise InputError(
                f"convlstm needs a frame's map and nothing else: take {' or '.join(MAPPED)}, and "
                "leave out 'boundary'"
            )

    @classmethod
    def parse(cls, text: str) -> "ModelSpec":
        """Read "backbone + head [+ option]"; an InputError names the part that is wrong."""
        parts = [part.strip() for part in text.split("+")]
        name = _find_name(parts[0], CLIP_NETS)
        if name in CLIP_NETS:
            return cls._parse_clip_net(parts)
        if len(parts) < 2 or not all(parts):
            raise InputError(
                f"spec {text!r} is not 'backbone + head [+ option]'; {describe_known()}"
            )
        backbone, width = _parse_part("backbone", parts[0], BACKBONES)
        head, head_width = _parse_part("head", parts[1], HEADS)
        return cls(backbone, width, head, head_width, _parse_options(parts[2:]))

    @classmethod
    def _parse_clip_net(cls, parts: list[str]) -> "ModelSpec":
        if len(parts) > 1:
            raise InputError(
                f"{parts[0]} takes a fixed number of frames at once, so it has no head and no "
                f"options: leave out {' + '.join(parts[1:])!r}"
            )
        return cls(*_parse_part("network", parts[0], CLIP_NETS))

    def __str__(self) -> str:
        """The canonical text, which parses back to an equal spec."""
        backbone = self.backbone + find_backbone(self.backbone).size.write(self.width)
        if self.takes_clip:
            return backbone
        head = self.head + HEADS[self.head].size.write(self.head_width)
        return " + ".join((backbone, head, *self.options))

    def at_width(self, share: float) -> "ModelSpec":
        """The spec with this share of the channels of backbone and head; InputError if there is
        none, or if its weights cannot be the first channels of this one's."""
        if share == 1:
            return self
        head = HEADS.get(self.head)
        if (
            not find_backbone(self.backbone).slims
            or not (head and head.slims)
            or self.boundary
            or self.exits
        ):
            both = (
                ", ".join(name for name, part in table.items() if part.slims)
                for table in (BACKBONES, HEADS)
            )
            raise InputError(
                f"{self} at width {share:g}: narrower models share the weights of the backbones "
                "{} with the heads {}, without 'boundary' and 'exits'".format(*both)
            )
        channels = round(self.head_width * share, 6)
        if channels != int(channels):
            raise InputError(f"{self} at width {share:g}: a head of {channels:g} channels")
        return replace(self, width=round(self.width * share, 6), head_width=int(channels))

    def at_exit(self, number: int) -> "ModelSpec":
        """The spec of the model that ends at an exit, the first being 1; itself for 0. InputError
        if it has none."""
        if number == 0:
            return self
        if not 1 <= number <= len(self.exits):
            count = len(find_backbone(self.backbone).exits)
            raise InputError(f"{self} has no exit {number}: '+ exits' has {count} for its backbone")
        options = [option for option in self.options if option != "exits"]
        cut = f"stages{self.exits[number - 1]}"
        channels = max(1, round(self.width * BASE_CHANNELS))
        return ModelSpec(self.backbone, self.width, "dstcn", channels, (*options, cut))

    @property
    def exits(self) -> tuple[int, ...]:
        """The stages of the trunk after which the model has exits; () without the option."""
        return find_backbone(self.backbone).exits if "exits" in self.options else ()

    @property
    def stages(self) -> int | None:
        """The stages of the trunk that are computed; None unless it was cut."""
        return next((CUTS[option] for option in self.options if option in CUTS), None)

    @property
    def takes_clip(self) -> bool:
        """Whether it is a network of CLIP_NETS."""
        return self.backbone in CLIP_NETS

    @property
    def activation(self) -> str:
        """The non-linearity of front end, ResNet trunk and head: relu, prelu or swish."""
        chosen = [option for option in self.options if option in ACTIVATIONS]
        return chosen[0] if chosen else "relu"

    @property
    def boundary(self) -> bool:
        """Whether the model gets, per frame, whether it is within the word."""
        return "boundary" in self.options

    @property
    def motion(self) -> bool:
        """Whether the front end sees gradients and optical flow besides the grey values."""
        return "motion" in self.options

    @property
    def has_frame_features(self) -> bool:
        """Whether a feature depends on a frame and two neighbours on either side only."""
        others = (*OWN_FRONT_ENDS, *MAPPED)
        return not (self.motion or self.takes_clip or self.backbone in others)


def check_widths(spec: ModelSpec, widths: Sequence[float]) -> tuple[ModelSpec, ...]:
    """The specs of a network of several widths, shares of `spec` from 1 down; InputError for
    widths that it cannot have."""
    if not 2 <= len(widths) <= MAX_WIDTHS or widths[0] != 1:
        raise InputError(f"widths {_list(widths)}: 2 to {MAX_WIDTHS} shares, of which one is 1")
    if list(widths) != sorted(set(widths), reverse=True) or widths[-1] <= 0:
        raise InputError(f"widths {_list(widths)}: different shares above 0, up to 1")
    return tuple(spec.at_width(width) for width in widths)


def _list(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)


def describe_known() -> str:
    """All that a spec can name, for messages."""
    backbones, heads, nets = (
        ", ".join(name + part.size.form for name, part in table.items())
        for table in (BACKBONES, HEADS, CLIP_NETS)
    )
    return (
        f"backbones {backbones}; heads {heads}; options {', '.join(OPTIONS)}; without a head {nets}"
    )


def find_backbone(name: str) -> Part[float]:
    """The row of BACKBONES or CLIP_NETS; InputError if there is none."""
    return CLIP_NETS[name] if name in CLIP_NETS else _find("backbone", name, BACKBONES)


def _find(kind: str, name: str, table: Mapping[str, Part[Number]]) -> Part[Number]:
    if name not in table:
        raise InputError(f"unknown {kind} {name!r}; {describe_known()}")
    return table[name]


def _parse_part(kind: str, text: str, table: Mapping[str, Part[Number]]) -> tuple[str, Number]:
    """The longest known name that `text` starts with, and the number of what follows it."""
    name = _find_name(text, table)
    size, suffix = _find(kind, name, table).size, text.removeprefix(name)
    number = size.read(name, suffix) if suffix else size.default
    if suffix and number is None:
        raise InputError(f"unknown {kind} {text!r}; {describe_known()}")
    if number is None:
        noun, example = size.needed
        raise InputError(
            f"{kind} {text!r} needs its {noun}, as in '{text}{example}'; {describe_known()}"
        )
    return name, number


def _find_name(text: str, table: Mapping[str, Part[Number]]) -> str:
    """The longest name of the table that `text` is or has a size after; else `text` itself."""
    starts = [name for name in table if text == name or text.startswith(f"{name}_")]
    return max(starts, key=len, default=text)


def _parse_options(parts: list[str]) -> tuple[str, ...]:
    for part in parts:
        if part not in OPTIONS:
            raise InputError(f"unknown option {part!r}; {describe_known()}")
    return tuple(sorted(parts, key=OPTIONS.index))


def _check_alone(spec: ModelSpec) -> None:
    if spec.head or spec.head_width or spec.options:
        raise InputError(f"{spec.backbone} takes a clip at once: it has no head and no options")


def _check_cuts(spec: ModelSpec) -> None:
    cuts = [option for option in spec.options if option == "exits" or option in CUTS]
    known = find_backbone(spec.backbone).exits
    if not cuts:
        return
    if not known or len(cuts) > 1 or spec.boundary:
        exiting = " or ".join(name for name, part in BACKBONES.items() if part.exits)
        raise InputError(f"{' + '.join(cuts)}: one of them, for {exiting}, without 'boundary'")
    if spec.stages is not None and spec.stages not in known:
        cut_at = ", ".join(f"stages{count}" for count in known)
        raise InputError(f"{cuts[0]}: {spec.backbone} ends early as one of {cut_at}")


def _check_options(options: tuple[str, ...]) -> None:
    unknown = [option for option in options if option not in OPTIONS]
    if unknown:
        raise InputError(f"unknown option {unknown[0]!r}; {describe_known()}")
    if sum(option in ACTIVATIONS for option in options) > 1:
        raise InputError(f"options {' + '.join(options)}: at most one activation")
    if len(set(options)) < len(options):
        raise InputError(f"options {' + '.join(options)}: one is given twice")
    if list(options) != sorted(options, key=OPTIONS.index):
        raise InputError(f"options {' + '.join(options)}: the order is {', '.join(OPTIONS)}")
