"""How: the one-line name of a compression, such as "prune_0.5 + cluster4" or "width_0.5 + int8".

STEPS is the table of what it can name. Nothing here imports torch.
"""

import re
from dataclasses import dataclass

from lipnet.errors import InputError
from lipnet.spec import MAX_EXITS, OWN_FRONT_ENDS, ModelSpec

_STEP = re.compile(r"(w8a8|[a-z]+?)(?:([0-9])|_([0-9]\.[0-9]{1,6}))?")


@dataclass(frozen=True)
class StepKind:
    """The numbers that a step takes: bits from `low` to `high`, a share between 0 and 1, or none.

    `ends`: whether it also applies to the first and the last layer.
    """

    about: str
    bits: tuple[int, int] | None = None
    takes_share: bool = False
    ends: bool = True

    @property
    def form(self) -> str:
        """The suffix as the list of known steps shows it."""
        if self.bits:
            return f"<{self.bits[0]}..{self.bits[1]}>"
        return "_<share>" if self.takes_share else ""


GRAPH = "w8a8"
STEPS: dict[str, StepKind] = {
    "width": StepKind("this width of a network of several, as a model", takes_share=True),
    "exit": StepKind("the network up to this one of its exits, as a model", bits=(1, MAX_EXITS)),
    "half": StepKind("half precision"),
    "int": StepKind("integers of this many bits, a scale per output channel", bits=(2, 8)),
    "cluster": StepKind("a codebook of 2^bits values per tensor", bits=(2, 6)),
    "binary": StepKind("signs and a scale per output channel", ends=False),
    "lowrank": StepKind("two factors with this share of the numbers", takes_share=True, ends=False),
    "prune": StepKind("without the smallest share of the head's weights", takes_share=True),
    GRAPH: StepKind("int8 weights and activations, computed by ONNX Runtime"),
}
PARTS = ("width", "exit")  # which part of a network; one of them comes first
ORDER = (*PARTS, "prune")  # what comes first; one other step follows
PRUNED_VALUES = ("int", "cluster")  # what the weights that `prune` keeps can be stored as
# Why two steps do not go together; for pairs that are not listed, ONE_CODING.
REFUSED = {
    frozenset({"prune", "half"}): "pruned weights are in half precision anyway: leave half out",
    frozenset({"prune", "binary"}): "a binary weight is never zero",
    frozenset({"prune", "lowrank"}): "a product of two factors has no zeros to leave out",
    frozenset({"lowrank", "half"}): "the factors are in half precision anyway: leave half out",
    frozenset({"prune", GRAPH}): "ONNX Runtime stores zeros in 8 bits as well: leave prune out",
}
ONE_CODING = "a weight is stored in one way"
NO_HEAD = ("", "mean")  # heads without weights; "" of a network that takes a clip at once


@dataclass(frozen=True)
class Step:
    """One step: `number` is its bits or its share, 0 if it takes none."""

    name: str
    number: float = 0

    def __str__(self) -> str:
        kind = STEPS[self.name]
        if kind.bits:
            return f"{self.name}{self.number:.0f}"
        return f"{self.name}_{self.number:g}" if kind.takes_share else self.name


@dataclass(frozen=True)
class How:
    """The steps of a compression, in the order of ORDER."""

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        """Raise InputError for steps that do not go together."""
        names = [step.name for step in self.steps]
        if len(set(names)) < len(names):
            raise InputError(f"how {self}: one step is given twice")
        if set(PARTS) <= set(names):
            raise InputError(f"how {self}: a network has several widths or exits, not both")
        names = [name for name in names if name not in PARTS]
        if len(names) > 2:
            raise InputError(f"how {self}: at most width or exit, prune_<share> and one other step")
        if len(names) == 2 and not (names[0] == "prune" and names[1] in PRUNED_VALUES):
            reason = REFUSED.get(frozenset(names), ONE_CODING)
            raise InputError(f"how {self}: {names[0]} and {names[1]} do not go together: {reason}")

    @classmethod
    def parse(cls, text: str) -> "How":
        """Read "step [+ step]"; an InputError names the step that is wrong."""
        steps = [_parse_step(part.strip()) for part in text.split("+")]
        return cls(tuple(sorted(steps, key=_place)))

    def __str__(self) -> str:
        """The canonical text, which parses back to equal steps."""
        return " + ".join(map(str, self.steps))

    @property
    def width(self) -> float:
        """The share of the channels that is left, 1 if it is not narrowed."""
        return self.steps[0].number if self.steps[0].name == "width" else 1.0

    @property
    def exit(self) -> int:
        """The exit at which the network ends, 0 if at none."""
        return int(self.steps[0].number) if self.steps[0].name == "exit" else 0

    @property
    def is_part(self) -> bool:
        """Whether it takes a width or an exit of a network."""
        return self.steps[0].name in PARTS

    @property
    def coding(self) -> "How | None":
        """The steps that change how weights are stored; None if there are none."""
        steps = tuple(step for step in self.steps if step.name not in PARTS)
        return How(steps) if steps else None

    @property
    def values(self) -> Step:
        """How the weights are stored that are not pruned, if the steps change that at all."""
        last = self.steps[-1]
        return Step("half") if last.name == "prune" else last

    @property
    def is_graph(self) -> bool:
        """Whether the file is an ONNX graph, not packed weights."""
        return self.values.name == GRAPH

    @property
    def pruned(self) -> float:
        """The share of the head's weights that are zero."""
        return sum(step.number for step in self.steps if step.name == "prune")

    def check_spec(self, spec: ModelSpec) -> None:
        """InputError if no model of this spec, after `width` or `exit`, can be compressed so."""
        if self.pruned and spec.head in NO_HEAD:
            raise InputError(f"how {self}: prune takes the head's weights, and {spec} has none")
        own_front_end = spec.takes_clip or spec.backbone in OWN_FRONT_ENDS
        if self.is_graph and (own_front_end or spec.head == "convlstm"):
            part = spec.backbone if own_front_end else spec.head
            raise InputError(f"how {self}: no ONNX graph expresses {part}: leave out {GRAPH}")


def _place(step: Step) -> int:
    return ORDER.index(step.name) if step.name in ORDER else len(ORDER)


def describe_steps() -> str:
    """All steps, for messages."""
    return ", ".join(name + kind.form for name, kind in STEPS.items())


def _parse_step(text: str) -> Step:
    match = _STEP.fullmatch(text)
    if match is None or match[1] not in STEPS:
        raise InputError(f"unknown step {text!r}; known: {describe_steps()}")
    name, bits, share = match.groups()
    kind = STEPS[name]
    if (bits is not None) != (kind.bits is not None) or (share is not None) != kind.takes_share:
        raise InputError(f"step {text!r} is written {name}{kind.form}")
    if kind.bits and not kind.bits[0] <= int(bits) <= kind.bits[1]:
        raise InputError(f"step {text!r}: {name} has {kind.bits[0]} to {kind.bits[1]} bits")
    if kind.takes_share and not 0 < float(share) < 1:
        raise InputError(f"step {text!r}: a share is above 0 and below 1")
    return Step(name, float(bits or share or 0))
