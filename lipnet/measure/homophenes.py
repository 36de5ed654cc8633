"""Homophenes: words that look the same on the lips, by a dictionary and a map to visemes.

Pronunciations are those of the CMU Pronouncing Dictionary (cmudict.dict.gz; cmudict.LICENSE). The
visemes are Lee and Yook's (PRICAI 2002), as Cappelletta and Harte (ICPRAM 2012) tabulate them.
"""

import gzip
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# N clips  K classes
DICTIONARY = Path(__file__).with_name("cmudict.dict.gz")
WORD = re.compile(r"[a-z']+")
MAX_UNKNOWN = 0.25  # from this share of unknown labels on, they are not English words
_PHONEMES_OF = {
    "P": "P B M",
    "T": "D T S Z TH DH",
    "K": "G K N L Y HH NG",
    "CH": "JH CH SH ZH",
    "F": "F V",
    "W": "R W",
    "IY": "IY IH",
    "EH": "EH EY AE",
    "AA": "AA AW AY",
    "AH": "AH",
    "AO": "AO OY OW",
    "UH": "UH UW",
    "ER": "ER",
}
VISEME_OF = {
    phoneme: viseme for viseme, phonemes in _PHONEMES_OF.items() for phoneme in phonemes.split()
}
Visemes = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Homophenes:
    """Labels grouped by viseme sequence: `group_K` is each label's group, and a label that is not
    in the dictionary has one of its own; `order` are all labels, look-alikes next to each other."""

    labels: Sequence[str]
    group_K: NDArray[np.int64]
    order: Sequence[int]
    unknown: Sequence[str]

    @property
    def groups(self) -> list[list[str]]:
        """The groups of at least two labels."""
        members: defaultdict[int, list[str]] = defaultdict(list)
        for place in self.order:
            members[int(self.group_K[place])].append(self.labels[place])
        return [group for group in members.values() if len(group) > 1]

    @property
    def english(self) -> bool:
        """Whether enough of the labels are in the dictionary for groups to mean anything."""
        return len(self.unknown) < MAX_UNKNOWN * len(self.labels)

    def alike(
        self, labels_N: NDArray[np.integer], predicted_N: NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        """Whether each prediction is right or looks the same as the label."""
        return np.asarray(self.group_K[labels_N] == self.group_K[predicted_N])


def find_homophenes(labels: Sequence[str]) -> Homophenes:
    """The labels grouped by equal viseme sequence."""
    spelled = [spell(label) for label in labels]
    unknown = [label for label, visemes in zip(labels, spelled, strict=True) if visemes is None]
    keys = [visemes or ("", label) for label, visemes in zip(labels, spelled, strict=True)]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    order = sorted(range(len(labels)), key=lambda place: (keys[place][0] == "", keys[place], place))
    return Homophenes(labels, np.array([numbers[key] for key in keys]), order, unknown)


def spell(label: str) -> Visemes | None:
    """The visemes of a label of one or more words; None if one has no known pronunciation."""
    words = [pronounce(word) for word in WORD.findall(label.lower())]
    if not words or None in words:
        return None
    return tuple(VISEME_OF[phoneme] for word in words if word for phoneme in word)


def pronounce(word: str) -> tuple[str, ...] | None:
    """The dictionary's first pronunciation in ARPAbet without stress; of a letter, its name."""
    entry = _read_dictionary().get(f"{word}." if len(word) == 1 else word)
    return None if entry is None else tuple(sound.rstrip("012") for sound in entry.split())


@cache
def _read_dictionary() -> dict[str, str]:
    """Word -> sounds, the first of several; "a." is the letter's name."""
    with gzip.open(DICTIONARY, "rt", encoding="utf-8") as lines:
        entries = (line.partition("#")[0].strip().partition(" ") for line in lines)
        return {word: sounds for word, _, sounds in entries if not word.endswith(")")}
