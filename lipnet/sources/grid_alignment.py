"""GRID's alignments: the words of a sentence, their times, and the grammar that they follow."""

import re
from dataclasses import dataclass
from itertools import pairwise
from string import ascii_lowercase

from lipnet.errors import InputError

SILENCES = ("sil", "sp")
TIME = re.compile(r"[0-9]{1,9}")
# The grammar: six slots in order, 4 + 4 + 4 + 25 + 10 + 4 = 51 words (letters without w).
SLOTS: dict[str, frozenset[str]] = {
    "command": frozenset({"bin", "lay", "place", "set"}),
    "colour": frozenset({"blue", "green", "red", "white"}),
    "preposition": frozenset({"at", "by", "in", "with"}),
    "letter": frozenset(ascii_lowercase) - {"w"},
    "digit": frozenset(
        {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}
    ),
    "adverb": frozenset({"again", "now", "please", "soon"}),
}


@dataclass(frozen=True, slots=True)
class Word:
    """One line of an alignment; times in alignment units."""

    text: str
    start: int
    end: int


def parse_alignment(text: str) -> tuple[Word, ...]:
    """The six words of an alignment, without silences; InputError names a line that is wrong."""
    lines = [parse_line(line) for line in text.splitlines() if line.strip()]
    for before, after in pairwise(lines):
        if after.start < before.end:
            raise InputError(
                f"times go back: {after.text!r} starts at {after.start}, before {before.end}"
            )
    words = tuple(line for line in lines if line.text not in SILENCES)
    if len(words) != len(SLOTS):
        raise InputError(f"{len(words)} words, but a sentence has {len(SLOTS)}")
    for word, (slot, vocabulary) in zip(words, SLOTS.items(), strict=True):
        if word.text not in vocabulary:
            raise InputError(f"{word.text!r} is not a {slot} in GRID's grammar")
    return words


def parse_line(line: str) -> Word:
    """One line `start end word`, with 0 <= start < end in alignment units."""
    fields = line.split()
    if len(fields) != 3 or not all(TIME.fullmatch(number) for number in fields[:2]):
        raise InputError(f"{line.strip()!r} is not `start end word`")
    word = Word(text=fields[2], start=int(fields[0]), end=int(fields[1]))
    if word.start >= word.end:
        raise InputError(f"{line.strip()!r} does not end after its start")
    return word
