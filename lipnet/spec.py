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
RECURRENT_HEADS = ("bgru", "blstm")
MAX_UNITS = 2048
DCTCN_CHANNELS = 512  # its blocks end in this many (Ma et al., WACV 2021)
ACTIVATIONS = ("prelu", "swish")
OPTIONS = (*ACTIVATIONS, "boundary")

KNOWN = (
    "backbones resnet18, resnet34 (with _<width>x), shufflenetv2_0.5x, _1x, _1.5x, _2x, "
    "densenet3d; heads tcn_<n>x, mstcn_<n>x, dstcn_<n>x, dsmstcn_<n>x, dctcn, bgru_<units>, "
    "blstm_<units>; options prelu, swish, boundary"
)

_SCALED = re.compile(r"(?P<name>[a-z][a-z0-9]*)(?:_(?P<number>[0-9]{1,9}(?:\.[0-9]{1,20})?)x)?")
_UNITS = re.compile(r"(?P<name>bgru|blstm)(?:_(?P<units>[0-9]{1,9}))?")


@dataclass(frozen=True)
class ModelSpec:
    """An architecture: `width` scales the backbone's channels, `head_width` is in channels.

    A recurrent head's width is its units in one direction.
    """

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
        return " + ".join((self._backbone_text(), self._head_text(), *self.options))

    @property
    def activation(self) -> str:
        """The non-linearity of front end, ResNet trunk and head: relu, prelu or swish."""
        chosen = [option for option in self.options if option in ACTIVATIONS]
        return chosen[0] if chosen else "relu"

    @property
    def boundary(self) -> bool:
        """Whether the model is told which frames the word spans."""
        return "boundary" in self.options

    def _backbone_text(self) -> str:
        plain = self.backbone != "shufflenetv2" and self.width == 1.0
        return self.backbone if plain else f"{self.backbone}_{_shortest(self.width)}x"

    def _head_text(self) -> str:
        if self.head == "dctcn":
            return self.head
        if self.head in RECURRENT_HEADS:
            return f"{self.head}_{self.head_width}"
        return f"{self.head}_{_shortest(self.head_width / BASE_CHANNELS)}x"


def _shortest(number: float) -> str:
    text = format(Decimal(repr(float(number))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _parse_backbone(text: str) -> tuple[str, float]:
    match = _SCALED.fullmatch(text)
    if match is None or match["name"] not in (*RESNETS, "shufflenetv2", "densenet3d"):
        raise InputError(f"unknown backbone {text!r}; {KNOWN}")
    if match["number"] is None and match["name"] == "shufflenetv2":
        raise InputError(f"backbone {text!r} needs its width, as in 'shufflenetv2_1x'; {KNOWN}")
    return match["name"], float(match["number"] or 1)


def _parse_head(text: str) -> tuple[str, int]:
    if text == "dctcn":
        return text, DCTCN_CHANNELS
    recurrent = _UNITS.fullmatch(text)
    if recurrent is not None:
        if recurrent["units"] is None:
            raise InputError(f"head {text!r} needs its units, as in '{text}_512'; {KNOWN}")
        return recurrent["name"], int(recurrent["units"])
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
        if part not in OPTIONS:
            raise InputError(f"unknown option {part!r}; {KNOWN}")
    return tuple(sorted(parts, key=OPTIONS.index))


def _check_backbone(backbone: str, width: float) -> None:
    if backbone in RESNETS:
        least, most = RESNET_WIDTHS
        if not least <= width <= most:
            raise InputError(f"{backbone}_{width:g}x: a ResNet's width is {least} to {most:g}")
    elif backbone == "densenet3d":
        if width != 1.0:
            raise InputError(f"densenet3d_{width:g}x: densenet3d comes in one width")
    elif backbone != "shufflenetv2":
        raise InputError(f"unknown backbone {backbone!r}; {KNOWN}")
    elif width not in SHUFFLENET_WIDTHS:
        raise InputError(f"shufflenetv2_{width:g}x: the published widths are 0.5, 1, 1.5 and 2")


def _check_head(head: str, channels: int) -> None:
    if head == "dctcn":
        if channels != DCTCN_CHANNELS:
            raise InputError(f"dctcn of {channels} channels: it comes in {DCTCN_CHANNELS}")
    elif head in RECURRENT_HEADS:
        if not 1 <= channels <= MAX_UNITS:
            raise InputError(f"{head}_{channels}: 1 to {MAX_UNITS} units")
    elif head in HEAD_BRANCHES:
        _check_temporal(head, channels)
    else:
        raise InputError(f"unknown head {head!r}; {KNOWN}")


def _check_temporal(head: str, channels: int) -> None:
    branches = HEAD_BRANCHES[head]
    if not 1 <= channels <= MAX_HEAD_CHANNELS:
        most = MAX_HEAD_CHANNELS // BASE_CHANNELS
        raise InputError(f"{head} of {channels} channels: 1 to {MAX_HEAD_CHANNELS} ({most}x)")
    if channels % branches:
        step = branches * BASE_CHANNELS // 4  # of a quarter, so that the multiplier is short
        near = max(step, round(channels / step) * step)
        mended = f"{head}_{_shortest(near / BASE_CHANNELS)}x"
        raise InputError(
            f"{head} of {channels} channels does not divide by its {branches} branches; "
            f"try {mended} ({near} channels)"
        )


def _check_options(options: tuple[str, ...]) -> None:
    unknown = [option for option in options if option not in OPTIONS]
    if unknown:
        raise InputError(f"unknown option {unknown[0]!r}; {KNOWN}")
    if sum(option in ACTIVATIONS for option in options) > 1:
        raise InputError(f"options {' + '.join(options)}: at most one activation")
    if len(set(options)) < len(options):
        raise InputError(f"options {' + '.join(options)}: one is given twice")
    if list(options) != sorted(options, key=OPTIONS.index):
        raise InputError(f"options {' + '.join(options)}: the order is {', '.join(OPTIONS)}")
