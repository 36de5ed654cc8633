"""Spotting: from the probabilities of a stream's windows to words at times, or to none."""
# K classes

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lipnet.labels import BACKGROUND
from lipnet.models.weights import ModelCard

THRESHOLD, THRESHOLD_WITHOUT_BACKGROUND, REFRACTORY = 0.5, 0.9, 0.12
ROUNDING = 1e-9  # seconds: the same two frames anywhere in a stream are equally far apart


@dataclass(frozen=True, eq=False)
class Reading:
    """The probabilities of one window: `middle` is the time of its middle, `end` when its newest
    frame ends, in seconds of the stream."""

    middle: float
    end: float
    probabilities_K: NDArray[np.float64]


@dataclass(frozen=True)
class Event:
    """A word with its probability and the time of its middle, reported at `reported`; None in place
    of the word if a prompt was not answered."""

    word: str | None
    probability: float
    seconds: float
    reported: float


class Reporter(Protocol):
    """Turns readings, in order, into events; each kind of reading a stream is one."""

    def push(self, reading: Reading) -> list[Event]:
        """The events that are known after the next reading."""
        ...

    def interrupt(self) -> list[Event]:
        """The events that are left when the face is lost: what follows is another beginning."""
        ...

    def finish(self) -> list[Event]:
        """The events that are left when the stream ends."""
        ...


def find_words(labels: Sequence[str]) -> NDArray[np.bool_]:
    """Which labels are words."""
    return np.array([label != BACKGROUND for label in labels])


def find_settings(card: ModelCard) -> tuple[float, float]:
    """The threshold and the refractory time of a model: those in its card, else usual ones."""
    if card.spotting is not None:
        return card.spotting.threshold, card.spotting.refractory
    known = BACKGROUND in card.labels
    return (THRESHOLD if known else THRESHOLD_WITHOUT_BACKGROUND), REFRACTORY


class Spotter:
    """Free spotting: a word is reported at the peak of its probability, as soon as that falls.

    The peak is at least `threshold`, and at least `refractory` seconds after the last word. A word
    is not reported twice unless its probability was below the threshold in between.
    """

    def __init__(self, labels: Sequence[str], *, threshold: float, refractory: float) -> None:
        self._labels = labels
        self._words_K = find_words(labels)
        self._threshold, self._refractory = threshold, refractory
        self._start()

    def _start(self) -> None:
        self._armed_K = np.ones(len(self._labels), np.bool_)
        self._peak: tuple[int, Reading] | None = None
        self._last = -np.inf

    def push(self, reading: Reading) -> list[Event]:
        """A word whose probability was highest at the reading before this one, if any."""
        events: list[Event] = []
        probabilities_K = reading.probabilities_K
        if self._peak is not None:
            word, best = self._peak
            if probabilities_K[word] > best.probabilities_K[word]:
                self._peak = word, reading
            else:
                events = self._report(reading.end)
        self._armed_K |= probabilities_K < self._threshold
        if self._peak is None:
            self._peak = self._find_peak(reading)
        return events

    def interrupt(self) -> list[Event]:
        """The word whose probability was still rising."""
        events = [] if self._peak is None else self._report(self._peak[1].end)
        self._start()
        return events

    def finish(self) -> list[Event]:
        """The same at the end."""
        return self.interrupt()

    def _find_peak(self, reading: Reading) -> tuple[int, Reading] | None:
        scores_K = np.where(self._words_K, reading.probabilities_K, -1.0)
        word = int(scores_K.argmax())
        is_late_enough = reading.middle - self._last >= self._refractory - ROUNDING
        if scores_K[word] >= self._threshold and self._armed_K[word] and is_late_enough:
            return word, reading
        return None

    def _report(self, now: float) -> list[Event]:
        assert self._peak is not None
        word, reading = self._peak
        self._peak, self._last, self._armed_K[word] = None, reading.middle, False
        probability = float(reading.probabilities_K[word])
        return [Event(self._labels[word], probability, reading.middle, now)]
