"""Scores of a stream: word errors, words at their times, false words in silence, and delays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipnet.live.spotter import Event

Span = tuple[float, float]  # seconds
TOLERANCE = 0.2  # seconds between the middle of a word and that of its report
RESAMPLES = 1000  # of the bootstrap over sentences
SEED = 0
EPSILON = 1e-9  # a rounding error of times


@dataclass(frozen=True)
class Spoken:
    """A word that is spoken, from `start` to `end` seconds."""

    word: str
    start: float
    end: float

    @property
    def middle(self) -> float:
        """Halfway between its start and its end."""
        return (self.start + self.end) / 2


@dataclass(frozen=True)
class SentenceScore:
    """Counts of one sentence: its words, word errors, words reported, those at a true word's time,
    and those in silence, of which `silence` seconds were read. `delays` are the seconds from the
    middle of a word to its report."""

    words: int
    errors: int
    reported: int
    matched: int
    false_in_silence: int
    silence: float
    delays: tuple[float, ...]


@dataclass(frozen=True)
class Interval:
    """A value over all sentences, with its 95 % interval by a bootstrap over sentences."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class StreamScore:
    """The scores of all sentences. `delay` and `slowest` are the median and the longest delay in
    seconds, NaN if no word was matched."""

    sentences: int
    words: int
    reported: int
    word_error_rate: Interval
    f1: Interval
    false_per_minute: float
    silence_minutes: float
    delay: float
    slowest: float


def score_sentence(
    spoken: Sequence[Spoken], events: Sequence[Event], spans: Sequence[Span]
) -> SentenceScore:
    """The counts of a stream with these words; events in order of time. `spans` are the times of
    the stream at which a word could be reported: all but half a window at its ends, and the times
    without a face."""
    named = [event for event in events if event.word is not None]
    matched = match_events(spoken, named)
    alone = [event for index, event in enumerate(named) if index not in matched]
    return SentenceScore(
        words=len(spoken),
        errors=count_errors([own.word for own in spoken], [str(event.word) for event in named]),
        reported=len(named),
        matched=len(matched),
        false_in_silence=sum(not any(_is_in(event, own) for own in spoken) for event in alone),
        silence=sum(measure_silence(spoken, span) for span in spans),
        delays=tuple(named[index].reported - own.middle for index, own in matched.items()),
    )


def _is_in(event: Event, own: Spoken) -> bool:
    return own.start <= event.seconds <= own.end


def measure_silence(spoken: Sequence[Spoken], span: Span) -> float:
    """The seconds of a span in which no word is spoken."""
    at, end = span
    silence = 0.0
    for own in sorted(spoken, key=lambda own: own.start):
        silence += max(0.0, min(own.start, end) - at)
        at = max(at, min(own.end, end))
    return silence + max(0.0, end - at)


def match_events(spoken: Sequence[Spoken], events: Sequence[Event]) -> dict[int, Spoken]:
    """The largest one-to-one matching of events (by index) to equal words within TOLERANCE.

    For each word, earlier events take the earliest occurrence that is near enough: since all
    tolerances are equal, no other matching has more pairs.
    """
    matched: dict[int, Spoken] = {}
    for word in {own.word for own in spoken}:
        equal = sorted((own for own in spoken if own.word == word), key=lambda own: own.middle)
        found = sorted(
            (index for index, event in enumerate(events) if event.word == word),
            key=lambda index: events[index].seconds,
        )
        at = 0
        for index in found:
            seconds = events[index].seconds
            while at < len(equal) and equal[at].middle < seconds - TOLERANCE - EPSILON:
                at += 1
            if at < len(equal) and equal[at].middle <= seconds + TOLERANCE + EPSILON:
                matched[index] = equal[at]
                at += 1
    return matched


def count_errors(reference: Sequence[str], found: Sequence[str]) -> int:
    """The fewest substitutions, insertions and deletions from the reference to what was found."""
    row = list(range(len(found) + 1))
    for number, word in enumerate(reference, start=1):
        before, row[0] = row[0], number
        for at, other in enumerate(found, start=1):
            best = min(row[at] + 1, row[at - 1] + 1, before + (word != other))
            before, row[at] = row[at], best
    return row[-1]


def combine(scores: Sequence[SentenceScore]) -> StreamScore:
    """The scores of at least one sentence, all sentences together."""
    delays = np.array([delay for score in scores for delay in score.delays])
    minutes = sum(score.silence for score in scores) / 60
    false = sum(score.false_in_silence for score in scores)
    counts_N4 = np.array([(s.words, s.errors, s.reported, s.matched) for s in scores], np.float64)
    return StreamScore(
        sentences=len(scores),
        words=int(counts_N4[:, 0].sum()),
        reported=int(counts_N4[:, 2].sum()),
        word_error_rate=_interval(counts_N4, lambda sums: sums[1] / max(sums[0], 1)),
        f1=_interval(counts_N4, lambda sums: 2 * sums[3] / max(sums[0] + sums[2], 1)),
        false_per_minute=false / minutes if minutes else 0.0,
        silence_minutes=minutes,
        delay=float(np.median(delays)) if len(delays) else float("nan"),
        slowest=float(delays.max()) if len(delays) else float("nan"),
    )


def _interval(
    counts_N4: NDArray[np.float64], measure: Callable[[NDArray[np.float64]], float]
) -> Interval:
    generator = np.random.default_rng(SEED)
    size = len(counts_N4)
    drawn_RN = generator.integers(size, size=(RESAMPLES, size))
    values = [float(measure(counts_N4[drawn_N].sum(axis=0))) for drawn_N in drawn_RN]
    low, high = np.percentile(values, (2.5, 97.5))
    return Interval(float(measure(counts_N4.sum(axis=0))), float(low), float(high))
