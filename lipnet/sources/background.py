"""Background: moments of a video of known words at which no word is in the middle."""

from collections.abc import Callable, Sequence
from itertools import pairwise

Span = tuple[int, int]  # start and end of a word


def choose_moments(
    words: Sequence[Span],
    end: int,
    count: int,
    *,
    frame: int,
    apart: int,
    order: Callable[[int], str],
) -> list[int]:
    """Up to `count` moments, at least `apart` from the middle of every word, in order of time.

    Half of them, rounded up, are in the silence before the first word and after the last one, up to
    `end`; the others are midway between two words. `order` is the key by which they are drawn, and
    `frame` is the duration of a frame in the units of the times.
    """
    between = [(one[1] + other[0]) // 2 for one, other in pairwise(words)]
    silence = [*range(0, words[0][0], frame), *range(words[-1][1], end, frame)]
    chosen: set[int] = set()
    for moments, wanted in ((between, count // 2), (silence, count - count // 2)):
        free = {moment for moment in moments if _is_apart(moment, words, apart)}
        chosen.update(sorted(free, key=order)[:wanted])
    return sorted(chosen)


def _is_apart(moment: int, words: Sequence[Span], apart: int) -> bool:
    return all(abs(2 * moment - start - end) >= 2 * apart for start, end in words)
