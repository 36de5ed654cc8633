"""Spotting: when a word of a stream is reported, chosen on validation sentences."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from lipnet.records import Record

ORIGIN_KEY = "spotting"  # in the origin of a model's card


@dataclass(frozen=True)
class Spotting:
    """A word is reported from probability `threshold` on, and `refractory` seconds after the last
    one at the earliest.

    With these, `f1` and `false_per_minute` (of silence) were measured on `sentences` validation
    sentences.
    """

    threshold: float
    refractory: float
    f1: float
    false_per_minute: float
    sentences: int

    def describe(self) -> str:
        """A sentence for a model's card."""
        return (
            f"A word is reported from probability {self.threshold:g} on, and at least "
            f"{self.refractory:g} s after the last one, as validation chose: F1 {self.f1:.2f} and "
            f"{self.false_per_minute:.1f} false words per minute of silence on "
            f"{self.sentences} sentences of validation"
        )


def describe_spotting(chosen: Spotting) -> dict[str, object]:
    """The entry of a card's origin."""
    return {ORIGIN_KEY: asdict(chosen)}


def read_spotting(origin: Mapping[str, object]) -> Spotting | None:
    """What was chosen, from a card's origin; None if nothing was. ValueError if it is damaged."""
    if ORIGIN_KEY not in origin:
        return None
    found = Record(Record(dict(origin)).fields(ORIGIN_KEY))
    chosen = Spotting(
        found.fraction("threshold"),
        found.number("refractory"),
        found.fraction("f1"),
        found.number("false_per_minute"),
        found.count("sentences"),
    )
    if chosen.refractory < 0 or chosen.false_per_minute < 0:
        raise ValueError("refractory and false_per_minute must not be negative")
    return chosen
