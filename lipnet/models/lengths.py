"""Lengths: of the clips that a model was trained on, in the origin of its card."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from lipnet.records import Record

ORIGIN_KEY = "lengths"  # in the origin of a model's card
UNSTATED = 29  # frames of the longest training clip, for files from before lengths were kept


@dataclass(frozen=True)
class Lengths:
    """The lengths of training clips, in frames at 25 per second: the `longest` has this many.

    `cut_share` is the share of clips that training cut at random outside of the word, with
    `min_context` frames on each side of it left; 0: clips were shorter only at the ends of videos;
    None: not known. `shortest`: frames of the shortest clip as training sees it, cut if it is cut;
    None: not known.
    """

    longest: int = UNSTATED
    cut_share: float | None = None
    min_context: int = 0
    shortest: int | None = None

    def describe(self) -> str:
        """The lengths in words."""
        if self.cut_share is None and self.shortest is None:
            return f"clips of {self.longest} frames (its file does not state other lengths)"
        span = f"up to {self.longest}" if self.shortest is None else f"{self.shortest}"
        if self.shortest not in (None, self.longest):
            span += f" to {self.longest}"
        clips = f"clips of {span} frames"
        if not self.cut_share:
            return f"whole {clips}"
        left = f", with {self.min_context} frames on each side left" if self.min_context else ""
        share = "all" if self.cut_share == 1 else f"{100 * self.cut_share:.0f} %"
        return f"{clips}, {share} of them cut at random around the word{left}"

    def find_fault(self, frames: int) -> str:
        """A sentence if the model was not trained on clips of that many frames; else empty."""
        if self._find_least() <= frames <= self.longest:
            return ""
        return (
            f"{frames} frames were read, but the model was trained on {self.describe()}: its "
            "accuracy may be much lower"
        )

    def _find_least(self) -> int:
        """The fewest frames that training may have seen."""
        if self.shortest is not None:
            return self.shortest
        if self.cut_share is None:
            return self.longest
        return 2 * self.min_context + 1 if self.cut_share else 1  # short videos stay whole


def describe_lengths(lengths: Lengths) -> dict[str, object]:
    """The entry of a card's origin."""
    return {ORIGIN_KEY: asdict(lengths)}


def read_lengths(origin: Mapping[str, object]) -> Lengths:
    """The lengths in a card's origin; those of 29 frames of a file that has none. ValueError if
    they are damaged."""
    if ORIGIN_KEY not in origin:
        return Lengths()
    found = Record(Record(dict(origin)).fields(ORIGIN_KEY))
    share = found.optional_number("cut_share")
    shortest = None if found.optional_number("shortest") is None else found.count("shortest")
    lengths = Lengths(found.count("longest"), share, found.count("min_context"), shortest)
    if not 0 <= (share or 0) <= 1:
        raise ValueError(f"cut_share is {share}, not in 0..1")
    if not 1 <= (lengths.longest if shortest is None else shortest) <= lengths.longest:
        raise ValueError("longest must be at least 1 and shortest at most longest")
    return lengths
