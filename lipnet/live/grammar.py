"""Grammar: a sentence of slots in order, each with its words, found in a stream as a whole."""
# S slots  K classes

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipnet.errors import InputError
from lipnet.live.prompt import find_labels
from lipnet.live.spotter import Event, Reading
from lipnet.records import parse_json
from lipnet.sources.grid_alignment import SLOTS

GRAMMARS = {"grid": [sorted(words) for words in SLOTS.values()]}
MIN_APART, MAX_APART = 0.07, 1.0  # seconds between the middles of two words in sequence
SETTLED = 0.4  # seconds without a better sentence, after which one is reported
MAX_SECONDS = 20.0  # of readings that are kept
EPSILON = 1e-9  # a rounding error of times


def load_grammar(name: str) -> list[list[str]]:
    """A grammar by name, or a JSON file with a list of lists of words; InputError if it is
    neither."""
    if name in GRAMMARS:
        return GRAMMARS[name]
    known = ", ".join(sorted(GRAMMARS))
    try:
        found = parse_json(Path(name).read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"--grammar {name}: not a known grammar ({known}) nor a JSON file of slots: {error}"
        ) from None
    if not isinstance(found, list) or len(found) < 2 or not all(map(_is_slot, found)):
        raise InputError(
            f'--grammar {name}: two slots or more are needed, such as [["bin", "lay"], ["blue"]]'
        )
    return found


def _is_slot(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(w, str) for w in value)


@dataclass(frozen=True, eq=False)
class _Step:
    """One reading: for each slot its best word, and the best path that ends in that word here.

    `total_S` is the sum of log probabilities of such a path, and `before_S` the step of the word
    before, -1 if there is none.
    """

    reading: Reading
    words_S: NDArray[np.int64]
    total_S: NDArray[np.float64]
    before_S: NDArray[np.int64]


class GrammarReporter:
    """Reports whole sentences: the words, one per slot, with the highest product of probabilities.

    A sentence is reported if the geometric mean of its probabilities is at least `threshold` and no
    better one was found for SETTLED seconds. Between the middles of two words are MIN_APART to
    MAX_APART seconds.
    """

    def __init__(
        self, labels: Sequence[str], slots: Sequence[Sequence[str]], *, threshold: float
    ) -> None:
        self._labels = labels
        self._slots = [find_labels(labels, words, named="--grammar") for words in slots]
        self._threshold = threshold
        self._steps: list[_Step] = []
        self._best = -1  # the step in which the best sentence so far ends

    def push(self, reading: Reading) -> list[Event]:
        """The words of a sentence that is complete, or none."""
        self._add(reading)
        newest = len(self._steps) - 1
        if np.isfinite(self._mean(newest)) and (
            self._best < 0 or self._mean(newest) > self._mean(self._best)
        ):
            self._best = newest
        if self._best < 0:
            return []
        waited = reading.middle - self._steps[self._best].reading.middle
        if self._is_likely() and waited >= SETTLED - EPSILON:
            return self._report(reading.end)
        return []

    def interrupt(self) -> list[Event]:
        """The best sentence so far, if it is likely enough."""
        events: list[Event] = []
        if self._best >= 0 and self._is_likely():
            events = self._report(self._steps[-1].reading.end)
        self._steps, self._best = [], -1
        return events

    def finish(self) -> list[Event]:
        """The same at the end."""
        return self.interrupt()

    def _mean(self, step: int) -> float:
        """The mean log probability of the best sentence that ends in a step."""
        return float(self._steps[step].total_S[-1]) / len(self._slots)

    def _is_likely(self) -> bool:
        return float(np.exp(self._mean(self._best))) >= self._threshold

    def _add(self, reading: Reading) -> None:
        if self._steps and reading.middle - self._steps[0].reading.middle > MAX_SECONDS:
            self._forget(reading.middle)
        logs_K = np.log(np.maximum(reading.probabilities_K, 1e-300))
        words_S = np.array([max(slot, key=lambda w: float(logs_K[w])) for slot in self._slots])
        total_S = logs_K[words_S].astype(np.float64)
        before_S = np.full(len(words_S), -1)
        near = [
            number
            for number, step in enumerate(self._steps)
            if MIN_APART - EPSILON <= reading.middle - step.reading.middle <= MAX_APART + EPSILON
        ]
        for slot in range(1, len(words_S)):
            totals = [float(self._steps[number].total_S[slot - 1]) for number in near]
            best = int(np.argmax(totals)) if totals else -1
            before_S[slot] = near[best] if totals else -1
            total_S[slot] += totals[best] if totals else -np.inf
        self._steps.append(_Step(reading, words_S, total_S, before_S))

    def _forget(self, now: float) -> None:
        """Start again with the readings from which the next word may still follow."""
        kept = [s.reading for s in self._steps if now - s.reading.middle <= MAX_SECONDS / 2]
        self._steps, self._best = [], -1
        for reading in kept:
            self.push(reading)

    def _report(self, now: float) -> list[Event]:
        events: list[Event] = []
        number = self._best
        for slot in reversed(range(len(self._slots))):
            step = self._steps[number]
            word = int(step.words_S[slot])
            probability = float(step.reading.probabilities_K[word])
            events.append(Event(self._labels[word], probability, step.reading.middle, now))
            number = int(step.before_S[slot])
        self._steps, self._best = [], -1
        return events[::-1]
