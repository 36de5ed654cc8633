"""Words and how they are pronounced: phonemes (ARPAbet), visemes, and the words that look alike."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from lipnet.errors import InputError

PRONUNCIATIONS: dict[str, str] = {
    "ABOUT": "AH B AW T",
    "BARK": "B AA R K",
    "BENEFIT": "B EH N AH F IH T",
    "BENEFITS": "B EH N AH F IH T S",
    "BEFORE": "B IH F AO R",
    "BILLION": "B IH L Y AH N",
    "CHANCE": "CH AE N S",
    "CHANGE": "CH EY N JH",
    "FAMILY": "F AE M AH L IY",
    "FOLLOWING": "F AA L OW IH NG",
    "FORCE": "F AO R S",
    "FUTURE": "F Y UW CH ER",
    "LEVEL": "L EH V AH L",
    "MEMBERS": "M EH M B ER Z",
    "MILLION": "M IH L Y AH N",
    "MILLIONS": "M IH L Y AH N Z",
    "MUSIC": "M Y UW Z IH K",
    "PARK": "P AA R K",
    "PEOPLE": "P IY P AH L",
    "POWER": "P AW ER",
    "PRICE": "P R AY S",
    "PRICES": "P R AY S IH Z",
    "SOMETHING": "S AH M TH IH NG",
    "SPEND": "S P EH N D",
    "SPENT": "S P EH N T",
    "WEATHER": "W EH DH ER",
    "WHETHER": "W EH DH ER",
    "WELFARE": "W EH L F EH R",
    "WOMEN": "W IH M IH N",
    "WORLD": "W ER L D",
}
DEFAULT_WORDS = (
    "ABOUT",
    "BARK",
    "BENEFIT",
    "BENEFITS",
    "CHANCE",
    "FAMILY",
    "FORCE",
    "MILLION",
    "MILLIONS",
    "PARK",
    "WEATHER",
    "WOMEN",
)
# Sounds that lips show alike share a viseme; a diphthong is two of them.
_VISEMES_OF = {
    "P": "P B M",
    "F": "F V",
    "TH": "TH DH",
    "T": "T D N",
    "S": "S Z",
    "CH": "CH JH SH ZH",
    "K": "K G NG HH",
    "L": "L",
    "R": "R",
    "W": "W",
    "IY": "IY Y",
    "IH": "IH",
    "EH": "EH",
    "AE": "AE",
    "AA": "AA",
    "AH": "AH",
    "AO": "AO",
    "UW": "UW",
    "UH": "UH",
    "ER": "ER",
    "AA IY": "AY",
    "AA UW": "AW",
    "EH IY": "EY",
    "AO UW": "OW",
    "AO IY": "OY",
}
VISEMES: dict[str, tuple[str, ...]] = {
    phoneme: tuple(visemes.split())
    for visemes, phonemes in _VISEMES_OF.items()
    for phoneme in phonemes.split()
}


def spell_visemes(word: str) -> tuple[str, ...]:
    """What the lips do in a word; InputError, with the known words, for any other."""
    if word not in PRONUNCIATIONS:
        known = ", ".join(sorted(PRONUNCIATIONS))
        raise InputError(f"no pronunciation for the word {word!r}; known: {known}")
    return tuple(v for phoneme in PRONUNCIATIONS[word].split() for v in VISEMES[phoneme])


def group_homophenes(words: Sequence[str]) -> list[tuple[str, ...]]:
    """The words by equal viseme sequence: within a group they cannot be distinguished by sight."""
    groups: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for word in sorted(set(words)):
        groups[spell_visemes(word)].append(word)
    return sorted(tuple(group) for group in groups.values())


def accuracy_ceiling(words: Sequence[str], counts: Mapping[str, int]) -> float:
    """The highest expected top-1 (fraction) of any reader on `counts` clips of each word.

    Exact: the words of a group are drawn from one distribution, so that the best reader names the
    group's most frequent word each time.
    """
    missing = sorted(set(words) - set(counts))
    if missing:
        raise InputError(f"no count of clips for {', '.join(missing)}")
    groups = [[counts[word] for word in group] for group in group_homophenes(words)]
    total = sum(map(sum, groups))
    if total <= 0:
        raise InputError("accuracy has no ceiling without clips")
    return sum(map(max, groups)) / total
