"""Spotting: one word per peak, none below the threshold, in silence or too soon."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipnet.errors import InputError
from lipnet.labels import BACKGROUND
from lipnet.live.prompt import PromptReporter
from lipnet.live.spotter import Event, Reading, Reporter, Spotter

LABELS = [BACKGROUND, "a", "b"]
DELAY = 0.6


def readings(rows: list[tuple[float, float]], hop: float = 0.1) -> list[Reading]:
    """Readings from the probabilities of a and b; the background has the rest."""
    return [
        Reading(n * hop, n * hop + DELAY, np.array([1 - a - b, a, b]))
        for n, (a, b) in enumerate(rows)
    ]


def feed(reporter: Reporter, rows: list[tuple[float, float]]) -> list[Event]:
    events = [event for reading in readings(rows) for event in reporter.push(reading)]
    return events + reporter.finish()


def spot(rows: list[tuple[float, float]], threshold: float = 0.5, wait: float = 0.0) -> list[Event]:
    return feed(Spotter(LABELS, threshold=threshold, refractory=wait), rows)


def test_a_word_is_reported_at_its_peak_one_reading_later() -> None:
    [event] = spot([(0.1, 0), (0.6, 0), (0.9, 0), (0.7, 0), (0.6, 0), (0.1, 0)])
    assert (event.word, event.probability) == ("a", 0.9)
    assert event.seconds == pytest.approx(0.2)
    assert event.reported == pytest.approx(0.3 + DELAY)


def test_a_peak_with_ripples_is_one_word_and_two_words_are_two() -> None:
    ripples = [(0.8, 0), (0.7, 0), (0.9, 0), (0.6, 0), (0.8, 0)]
    assert [event.word for event in spot(ripples)] == ["a"]
    assert [event.word for event in spot([*ripples, (0.2, 0), *ripples])] == ["a", "a"]
    assert [event.word for event in spot([(0.8, 0), (0.2, 0.7), (0.1, 0.1)])] == ["a", "b"]


def test_a_word_that_falls_below_the_threshold_while_another_rises_is_read_again() -> None:
    rows = [(0.05, 0.9), (0.5, 0.46), (0.8, 0.1), (0.35, 0.6), (0.05, 0.9)]
    assert [event.word for event in spot(rows, threshold=0.45)] == ["b", "a", "b"]


def test_a_word_too_soon_after_another_is_left_out() -> None:
    rows = [(0.9, 0), (0.1, 0.8), (0.1, 0.1)]
    assert [event.word for event in spot(rows, wait=0.1)] == ["a", "b"]
    assert [event.word for event in spot(rows, wait=0.11)] == ["a"]


def test_a_word_at_the_refractory_time_is_reported_anywhere_in_a_stream() -> None:
    for start in range(60):
        spotter = Spotter(LABELS, threshold=0.5, refractory=0.08)
        rows = [(0.9, 0), (0.1, 0.8), (0.1, 0.1)]
        times = [1 / 25 * (start + 2 * n) - 7 / 25 for n in range(len(rows))]
        found = [
            event.word
            for time, (a, b) in zip(times, rows, strict=True)
            for event in spotter.push(Reading(time, time, np.array([1 - a - b, a, b])))
        ]
        assert found == ["a", "b"], start


def test_nothing_is_reported_in_silence() -> None:
    assert spot([(0.1, 0.2)] * 9) == []


def test_the_end_reports_a_word_that_is_still_rising() -> None:
    assert [event.word for event in spot([(0.1, 0.6), (0.1, 0.7)])] == ["b"]


@given(
    st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), max_size=30),
    st.sampled_from([0.2, 0.5, 0.8]),
    st.sampled_from([0.0, 0.15, 0.4]),
)
def test_events_keep_the_rules(
    tenths: list[tuple[int, int]], threshold: float, wait: float
) -> None:
    rows = [(a / (a + b + 5), b / (a + b + 5)) for a, b in tenths]
    known = {round(r.middle, 6): r for r in readings(rows)}
    events = spot(rows, threshold, wait)
    for event in events:
        row = known[round(event.seconds, 6)].probabilities_K
        assert event.word in ("a", "b")
        assert event.probability == row[LABELS.index(event.word)] >= threshold
        assert event.reported <= event.seconds + DELAY + 0.1 * len(rows)
    middles = [event.seconds for event in events]
    assert all(b - a >= wait - 1e-9 for a, b in zip(middles, middles[1:], strict=False))
    if any(max(row) >= threshold for row in rows):
        assert events


def prompted(rows: list[tuple[float, float]], at: float, threshold: float = 0.5) -> list[Event]:
    reporter = PromptReporter(LABELS, ["a", "b"], threshold=threshold)
    reporter.prompt(at, seconds=0.5)
    return feed(reporter, rows)


def test_a_prompt_takes_the_best_of_its_words_in_its_time() -> None:
    rows = [(0.9, 0), (0, 0), (0.3, 0.1), (0, 0.4), (0, 0), (0, 0), (0, 0), (0.9, 0)]
    [event] = prompted(rows, 0.15, threshold=0.3)
    assert (event.word, event.seconds) == ("b", pytest.approx(0.3))
    assert event.probability == pytest.approx(0.4)
    assert event.reported == pytest.approx(0.7 + DELAY)


def test_a_prompt_without_an_answer_is_no_word() -> None:
    [event] = prompted([(0.1, 0.2)] * 9, 0.0)
    assert event.word is None
    assert [event.word for event in prompted([], 0.0)] == [None]


def test_a_lost_face_does_not_answer_a_prompt() -> None:
    reporter = PromptReporter(LABELS, ["a", "b"], threshold=0.5)
    assert reporter.finish() == []
    reporter.prompt(0.0)
    assert reporter.interrupt() == []
    assert [event.word for event in feed(reporter, [(0.9, 0)])] == ["a"]


@pytest.mark.parametrize(
    ("words", "message"), [(["a"], "two different"), (["a", "z"], "no label z; it has")]
)
def test_a_wrong_prompt_is_an_input_error(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PromptReporter(LABELS, words, threshold=0.5)
