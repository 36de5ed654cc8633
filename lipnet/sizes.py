"""Sizes: how the number of a backbone or head is written in a spec, and which numbers there are."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, TypeVar

from lipnet.errors import InputError

BASE_CHANNELS = 256  # a temporal head's multiplier is its hidden width over this (paper, Table 3)

_MULTIPLIER = re.compile(r"_([0-9]{1,9}(?:\.[0-9]{1,20})?)x")
_UNITS = re.compile(r"_([0-9]{1,9})")
Number = TypeVar("Number", int, float)


class Size(Protocol[Number]):
    """The number after the name of a backbone or head."""

    @property
    def form(self) -> str:
        """The suffix as the list of known parts shows it."""
        ...

    @property
    def default(self) -> Number | None:
        """The number of a name without a suffix; None if the suffix is required."""
        ...

    @property
    def needed(self) -> tuple[str, str]:
        """What the number is, and a suffix as an example, for the message about a missing one."""
        ...

    def read(self, name: str, suffix: str) -> Number | None:
        """The number of a suffix; None if it is not such a suffix."""
        ...

    def check(self, name: str, number: Number) -> None:
        """Raise InputError, with the name and the valid numbers, for any other number."""
        ...

    def write(self, number: Number) -> str:
        """The canonical suffix."""
        ...

    def show(self, number: Number) -> str:
        """What follows the name in tables and figures."""
        ...


@dataclass(frozen=True)
class Width:
    """A multiplier of all of a backbone's channels: `low` to `high`, or only the published ones.

    The default is not written. None: the width is always written.
    """

    low: float = 1.0
    high: float = 1.0
    published: tuple[float, ...] = ()
    default: float | None = 1.0
    needed = ("width", "_1x")

    @property
    def form(self) -> str:
        """Such as "_<0.5|1>x"; in brackets if it may be left out; empty for a single width."""
        if self.published:
            form = f"_<{'|'.join(map(shorten, self.published))}>x"
        else:
            form = "_<width>x" if self.low < self.high else ""
        return f"[{form}]" if form and self.default is not None else form

    def read(self, name: str, suffix: str) -> float | None:
        """ "_0.25x" is 0.25."""
        match = _MULTIPLIER.fullmatch(suffix)
        return None if match is None else float(match[1])

    def check(self, name: str, number: float) -> None:
        """NaN is not a width."""
        if number in self.published or (not self.published and self.low <= number <= self.high):
            return
        if self.published:
            *first, last = map(shorten, self.published)
            valid = f"the published widths are {', '.join(first)} and {last}"
        elif self.low < self.high:
            valid = f"its width is {self.low:g} to {self.high:g}"
        else:
            valid = f"{name} comes in one width"
        raise InputError(f"{name}_{number:g}x: {valid}")

    def write(self, number: float) -> str:
        """Such as "_0.5x"."""
        return "" if number == self.default else f"_{shorten(number)}x"

    def show(self, number: float) -> str:
        """Such as " 0.5×"."""
        return "" if number == self.default else f" {number:g}×"


@dataclass(frozen=True)
class HiddenWidth:
    """A temporal head's channels, written over BASE_CHANNELS; its branches share them equally."""

    branches: int
    high: int = 16 * BASE_CHANNELS
    form = "_<n>x"
    default = None
    needed = ("width", "_3x")

    def read(self, name: str, suffix: str) -> int | None:
        """ "_3x" is 768; InputError if it is not a whole number of channels."""
        match = _MULTIPLIER.fullmatch(suffix)
        if match is None:
            return None
        channels = Decimal(match[1]) * BASE_CHANNELS
        if channels != channels.to_integral_value():
            near = name + self.write(max(1, round(channels)))
            raise InputError(
                f"head {name + suffix!r} is {channels} channels, not a whole number; try {near}"
            )
        return int(channels)

    def check(self, name: str, number: int) -> None:
        """A number that the branches do not divide gets the nearest one as advice."""
        if not 1 <= number <= self.high:
            most = self.high // BASE_CHANNELS
            raise InputError(f"{name} of {number} channels: 1 to {self.high} ({most}x)")
        if number % self.branches:
            step = self.branches * BASE_CHANNELS // 4  # a quarter, so that the multiplier is short
            near = max(step, round(number / step) * step)
            raise InputError(
                f"{name} of {number} channels does not divide by its {self.branches} branches; "
                f"try {name}{self.write(near)} ({near} channels)"
            )

    def write(self, number: int) -> str:
        """Such as "_0.75x"."""
        return f"_{shorten(number / BASE_CHANNELS)}x"

    def show(self, number: int) -> str:
        """Such as " 0.75×"."""
        return f" {number / BASE_CHANNELS:g}×"


@dataclass(frozen=True)
class Units:
    """A recurrent head's units in one direction."""

    high: int = 2048
    form = "_<units>"
    default = None
    needed = ("units", "_512")

    def read(self, name: str, suffix: str) -> int | None:
        """ "_512" is 512."""
        match = _UNITS.fullmatch(suffix)
        return None if match is None else int(match[1])

    def check(self, name: str, number: int) -> None:
        """1 to `high`."""
        if not 1 <= number <= self.high:
            raise InputError(f"{name}_{number}: 1 to {self.high} units")

    def write(self, number: int) -> str:
        """Such as "_512"."""
        return f"_{number}"

    def show(self, number: int) -> str:
        """Such as " 512"."""
        return f" {number}"


@dataclass(frozen=True)
class FixedChannels:
    """The channels of a head of one size, which is never written."""

    default: int
    form = ""
    needed = ("channels", "")

    def read(self, name: str, suffix: str) -> int | None:
        """No suffix is valid."""
        return None

    def check(self, name: str, number: int) -> None:
        """One number."""
        if number != self.default:
            raise InputError(f"{name} of {number} channels: it comes in {self.default}")

    def write(self, number: int) -> str:
        """Nothing."""
        return ""

    def show(self, number: int) -> str:
        """Nothing."""
        return ""


@dataclass(frozen=True)
class NoSize:
    """A head without channels of its own: its number is 0 and never written."""

    default: int = 0
    form = ""
    needed = ("nothing", "")

    def read(self, name: str, suffix: str) -> int | None:
        """No suffix is valid."""
        return None

    def check(self, name: str, number: int) -> None:
        """0."""
        if number != self.default:
            raise InputError(f"{name} of {number} channels: it has none of its own; use 0")

    def write(self, number: int) -> str:
        """Nothing."""
        return ""

    def show(self, number: int) -> str:
        """Nothing."""
        return ""


def shorten(number: float) -> str:
    """The shortest decimal text that reads back as the same number, without an exponent."""
    text = format(Decimal(repr(float(number))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
