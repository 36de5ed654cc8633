"""What is rendered: the words, how many clips, by how many speakers, and how hard to read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lipnet.errors import InputError
from lipnet.sources.synthetic.words import DEFAULT_WORDS, spell_visemes

SPLITS = ("train", "val", "test")
SEED_LIMIT = 2**32
MAX_COUNT = 99_999  # file names have five digits


@dataclass(frozen=True)
class SyntheticOptions:
    """The corpus and its difficulty.

    `mumble` (0 to 1) weakens and scatters the articulation, `pauses` (0 to 1) is the share of
    silence, instead of other speech, around the word, `noise` is the sensor's, in grey levels,
    `sway` scales the head's pose and its drift, `light` how far the light varies.
    """

    words: tuple[str, ...] = DEFAULT_WORDS
    clips_per_word: dict[str, int] = field(
        default_factory=lambda: {"train": 40, "val": 14, "test": 24}
    )
    speakers: dict[str, int] = field(default_factory=lambda: {"train": 10, "val": 5, "test": 8})
    seed: int = 1
    mumble: float = 0.25
    pauses: float = 0.9
    noise: float = 6.0
    sway: float = 1.0
    light: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", tuple(self.words))
        _check_words(self.words)
        _check_counts("clips_per_word", self.clips_per_word)
        _check_counts("speakers", self.speakers)
        if not 0 <= self.seed < SEED_LIMIT:
            raise InputError(f"synthetic.seed is {self.seed}; it must be in 0..{SEED_LIMIT - 1}")
        for name, most in (
            ("mumble", 1.0),
            ("pauses", 1.0),
            ("noise", 40.0),
            ("sway", 2.0),
            ("light", 2.0),
        ):
            if not 0 <= getattr(self, name) <= most:
                value = getattr(self, name)
                raise InputError(f"synthetic.{name} is {value}; it must be in 0..{most:g}")


def _check_words(words: tuple[str, ...]) -> None:
    if len(words) < 2:
        raise InputError("synthetic.words must name two words or more")
    repeated = sorted({word for word in words if words.count(word) > 1})
    if repeated:
        raise InputError(f"synthetic.words names {', '.join(repeated)} more than once")
    for word in words:
        try:
            spell_visemes(word)
        except InputError as error:
            raise InputError(f"synthetic.words: {error}") from None


def _check_counts(name: str, counts: Mapping[str, int]) -> None:
    if set(counts) != set(SPLITS):
        given = ", ".join(map(str, counts)) or "nothing"
        raise InputError(f"synthetic.{name} must give train, val and test, not {given}")
    for split, count in counts.items():
        if not 1 <= count <= MAX_COUNT:
            raise InputError(f"synthetic.{name}.{split} is {count}; it must be in 1..{MAX_COUNT}")
