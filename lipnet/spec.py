"""ModelSpec: the one-line name of an architecture, such as "shufflenetv2_0.5x + dstcn_2x"."""

import re
from dataclasses import dataclass
from decimal import Decimal

from lipnet.errors import InputError

BASE_CHANNELS = 256  # a head's multiplier is its hidden width over this (paper, Table 3)
RESNETS = ("resnet18", "resnet34")
RESNET_WIDTHS = (0.125, 4.0)  # least: eight channels where the paper has 64
SHUFFLENET_WIDTHS = (0.5, 1.0, 1.5, 2.0)
HEAD_BRANCHES = {"tcn": 1, "mstcn": 3, "dstcn": 1, "dsmstcn": 3}
MAX_HEAD_CHANNELS = 16 * BASE_CHANNELS
ACTIVATIONS = ("prelu", "swish")

KNOWN = (
    "built: resnet18, resnet34 (with _<width>x), shufflenetv2_0.5x, _1x, _1.5x, _2x; heads "
    "tcn_<n>x, mstcn_<n>x, dstcn_<n>x, dsmstcn_<n>x; options prelu, swish"
)
FUTURE_BACKBONES = re.compile(r"densenet3d")
FUTURE_HEADS = re.compile(r"dctcn|(bgru|blstm)_[0-9]+")
FUTURE_OPTIONS = re.compile(r"boundary")

_SCALED = re.compile(r"(?P<name>[a-z][a-z0-9]*)(?:_(?P<number>[0-9]+(?:\.[0-9]+)?)x)?")


@dataclass(frozen=True)
class ModelSpec:
    """An architecture: `width` scales the backbone's channels, `head_width` is in channels."""

    backbone: str
    width: float
    head: str
    head_width: int
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise InputError where no such model can be built."""
        _check_backbone(self.backbone, self.width)
        _check_head(self.head, self.head_width)
        _check_options(self.options)

    @classmethod
    def parse(cls, text: str) -> "ModelSpec":
        """Read "backbone + head [+ option]"; an InputError names the part that is wrong."""
        parts = [part.strip() for part in text.split("+")]
        if len(parts) < 2 or not all(parts):
            raise InputError(f"spec {text!r} is not 'backbone + head [+ option]'; {KNOWN}")
        backbone, width = _parse_backbone(parts[0])
        head, head_width = _parse_head(parts[1])
        return cls(backbone, width, head, head_width, _parse_options(parts[2:]))

    def __str__(self) -> str:
        """The canonical text, which parses back to an equal spec."""
        plain = self.backbone in RESNETS and self.width == 1.0
        backbone = self.backbone if plain else f"{self.backbone}_{_shortest(self.width)}x"
        head = f"{self.head}_{_shortest(self.head_width / BASE_CHANNELS)}x"
        return " + ".join((backbone, head, *self.options))

    @property
    def activation(self) -> str:
        """The non-linearity of front end, ResNet trunk and head: relu, prelu or swish."""
        chosen = [option for option in self.options if option in ACTIVATIONS]
        return chosen[0] if chosen else "relu"


def _shortest(number: float) -> str:
    text = format(Decimal(repr(float(number))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _refuse_future(pattern: re.Pattern[str], text: str, kind: str) -> None:
    if pattern.fullmatch(text):
        raise InputError(f"{kind} {text!r} is known but not built yet; {KNOWN}")


def _parse_backbone(text: str) -> tuple[str, float]:
    _refuse_future(FUTURE_BACKBONES, text, "backbone")
    match = _SCALED.fullmatch(text)
    if match is None or match["name"] not in (*RESNETS, "shufflenetv2"):
        raise InputError(f"unknown backbone {text!r}; {KNOWN}")
    if match["number"] is None and match["name"] not in RESNETS:
        raise InputError(f"backbone {text!r} needs its width, as in 'shufflenetv2_1x'; {KNOWN}")
    return match["name"], float(match["number"] or 1)


def _parse_head(text: str) -> tuple[str, int]:
    _refuse_future(FUTURE_HEADS, text, "head")
    match = _SCALED.fullmatch(text)
    if match is None or match["name"] not in HEAD_BRANCHES:
        raise InputError(f"unknown head {text!r}; {KNOWN}")
    if match["number"] is None:
        raise InputError(f"head {text!r} needs its width, as in '{text}_3x'; {KNOWN}")
    channels = Decimal(match["number"]) * BASE_CHANNELS
    if channels != channels.to_integral_value():
        near = max(1, round(channels))
        mended = f"{match['name']}_{_shortest(near / BASE_CHANNELS)}x"
        raise InputError(f"head {text!r} is {channels} channels, not a whole number; try {mended}")
    return match["name"], int(channels)


def _parse_options(parts: list[str]) -> tuple[str, ...]:
    for part in parts:
        _refuse_future(FUTURE_OPTIONS, part, "option")
        if part not in ACTIVATIONS:
            raise InputError(f"unknown option {part!r}; {KNOWN}")
    return tuple(parts)


def _check_backbone(backbone: str, width: float) -> None:
    if backbone in RESNETS:
        least, most = RESNET_WIDTHS
        if not least <= width <= most:
            raise InputError(f"{backbone}_{width:g}x: a ResNet's width is {least} to {most:g}")
    elif backbone != "shufflenetv2":
        raise InputError(f"unknown backbone {backbone!r}; {KNOWN}")
    elif width not in SHUFFLENET_WIDTHS:
        raise InputError(f"shufflenetv2_{width:g}x: the published widths are 0.5, 1, 1.5 and 2")


def _check_head(head: str, channels: int) -> None:
    if head not in HEAD_BRANCHES:
        raise InputError(f"unknown head {head!r}; {KNOWN}")
    branches = HEAD_BRANCHES[head]
    if not 1 <= channels <= MAX_HEAD_CHANNELS:
        most = MAX_HEAD_CHANNELS // BASE_CHANNELS
        raise InputError(f"{head} of {channels} channels: 1 to {MAX_HEAD_CHANNELS} ({most}x)")
    if channels % branches:
        lower = max(branches, channels - channels % branches)
        mended = f"{head}_{_shortest(lower / BASE_CHANNELS)}x"
        raise InputError(
            f"{head} of {channels} channels does not divide by its {branches} branches; "
            f"try {mended} ({lower} channels)"
        )


def _check_options(options: tuple[str, ...]) -> None:
    unknown = [option for option in options if option not in ACTIVATIONS]
    if unknown:
        raise InputError(f"unknown option {unknown[0]!r}; {KNOWN}")
    if len(options) > 1:
        raise InputError(f"options {' + '.join(options)}: at most one activation")
