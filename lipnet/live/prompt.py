"""Prompted reading: which of a few words is spoken now, if any."""
# K classes

from collections.abc import Sequence

from lipnet.errors import InputError
from lipnet.labels import BACKGROUND
from lipnet.live.spotter import Event, Reading

PROMPT_SECONDS = 2.5  # after a prompt, in which the word is expected


def find_labels(labels: Sequence[str], words: Sequence[str], *, named: str) -> list[int]:
    """The classes of words; InputError, with the option's name, for one that the model lacks."""
    unknown = sorted(set(words) - set(labels))
    if unknown:
        raise InputError(
            f"{named}: the model has no label {', '.join(unknown)}; it has {', '.join(labels)}"
        )
    return [labels.index(word) for word in words]


class PromptReporter:
    """After each `prompt`, one event: the word, of those given, with the highest probability.

    Its probability is its share among the words and the background. Below `threshold` the event has
    no word: nothing was spoken.
    """

    def __init__(
        self,
        labels: Sequence[str],
        words: Sequence[str],
        *,
        threshold: float,
    ) -> None:
        if len(set(words)) < 2 or len(set(words)) < len(words):
            raise InputError("--prompt needs two different words or more, such as --prompt yes,no")
        self._labels = labels
        self._words = find_labels(labels, words, named="--prompt")
        self._background = [labels.index(BACKGROUND)] if BACKGROUND in labels else []
        self._threshold = threshold
        self._span: tuple[float, float] | None = None  # in which the word is expected
        self._best: tuple[int, Reading] | None = None

    def prompt(self, now: float, seconds: float = PROMPT_SECONDS) -> None:
        """Expect a word in the `seconds` from `now` on; an earlier prompt that was not answered is
        dropped."""
        self._span, self._best = (now, now + seconds), None

    def push(self, reading: Reading) -> list[Event]:
        """The answer, once the middle of the window is after the time in which it is expected."""
        if self._span is None:
            return []
        start, end = self._span
        if reading.middle > end:
            return self._answer(start, reading.end)
        if reading.middle >= start:
            word = max(self._words, key=lambda word: float(reading.probabilities_K[word]))
            if self._best is None or self._score(word, reading) > self._score(*self._best):
                self._best = word, reading
        return []

    def interrupt(self) -> list[Event]:
        """Nothing: the word may follow when the face is back."""
        return []

    def finish(self) -> list[Event]:
        """The answer so far, if a word is expected."""
        if self._span is None:
            return []
        start = self._span[0]
        return self._answer(start, start if self._best is None else self._best[1].end)

    def _score(self, word: int, reading: Reading) -> float:
        return float(reading.probabilities_K[word])

    def _answer(self, start: float, now: float) -> list[Event]:
        best = self._best
        self._span = self._best = None
        if best is None:
            return [Event(None, 0.0, start, now)]
        word, reading = best
        rivals = reading.probabilities_K[[*self._words, *self._background]]
        share = float(reading.probabilities_K[word] / rivals.sum())
        spoken = self._labels[word] if share >= self._threshold else None
        return [Event(spoken, share, reading.middle, now)]
