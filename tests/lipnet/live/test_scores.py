"""Scores of a stream, against slow computations of their own."""

from functools import cache
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipnet.live.scores import (
    Spoken,
    combine,
    count_errors,
    match_events,
    measure_silence,
    score_sentence,
)
from lipnet.live.spotter import Event

WORDS = st.sampled_from("abc")
TIMES = st.integers(0, 60).map(lambda n: n / 20)


@st.composite
def spoken_words(draw: st.DrawFn) -> list[Spoken]:
    words = []
    for word, start in draw(st.lists(st.tuples(WORDS, TIMES), max_size=5)):
        words.append(Spoken(word, start, start + draw(st.sampled_from([0.1, 0.3]))))
    return words


EVENTS = st.lists(st.builds(Event, WORDS, st.just(0.9), TIMES, st.just(9.0)), max_size=5)


@given(st.lists(WORDS, max_size=6), st.lists(WORDS, max_size=6))
def test_word_errors_equal_those_of_the_recursive_definition(
    reference: list[str], found: list[str]
) -> None:
    @cache
    def distance(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        same = reference[i - 1] == found[j - 1]
        return min(
            distance(i - 1, j) + 1, distance(i, j - 1) + 1, distance(i - 1, j - 1) + (not same)
        )

    assert count_errors(reference, found) == distance(len(reference), len(found))


def fits(own: Spoken, event: Event) -> bool:
    return own.word == event.word and abs(own.middle - event.seconds) <= 0.2 + 1e-9


def most_pairs(spoken: list[Spoken], events: list[Event]) -> int:
    """The largest matching, by trying all of them."""
    for size in range(min(len(spoken), len(events)), 0, -1):
        for chosen in combinations(range(len(events)), size):
            for words in permutations(spoken, size):
                pairs = zip(words, chosen, strict=True)
                if all(fits(own, events[index]) for own, index in pairs):
                    return size
    return 0


@settings(max_examples=60)
@given(spoken_words(), EVENTS)
def test_no_matching_has_more_pairs(spoken: list[Spoken], events: list[Event]) -> None:
    matched = match_events(spoken, events)
    assert all(fits(own, events[index]) for index, own in matched.items())
    assert len({id(own) for own in matched.values()}) == len(matched)
    assert len(matched) == most_pairs(spoken, events)


@settings(max_examples=15)
@given(spoken_words(), st.sampled_from([(0.0, 1.0), (0.0, 3.5), (0.4, 2.0)]))
def test_silence_is_the_time_that_no_word_covers(
    spoken: list[Spoken], span: tuple[float, float]
) -> None:
    instants = span[0] + (np.arange(round((span[1] - span[0]) * 1000)) + 0.5) / 1000
    silent = [not any(own.start <= t < own.end for own in spoken) for t in instants.tolist()]
    assert measure_silence(spoken, span) == pytest.approx(sum(silent) / 1000, abs=1e-6)


def test_a_sentence_by_hand() -> None:
    spoken = [Spoken("a", 1.0, 1.4), Spoken("b", 1.4, 1.6)]
    events = [
        Event("c", 0.9, 0.3, 1.0),  # in silence
        Event("a", 0.9, 1.1, 1.9),  # 0.1 s early, reported 0.7 s after the word's middle
        Event("c", 0.9, 1.5, 2.2),  # a wrong word while another is spoken
        Event(None, 0.0, 2.0, 2.7),
    ]
    score = score_sentence(spoken, events, [(0.0, 3.0)])
    assert (score.words, score.reported, score.matched, score.errors) == (2, 3, 1, 2)
    assert (score.false_in_silence, score.silence) == (1, pytest.approx(2.4))
    assert score.delays == (pytest.approx(0.7),)
    both = combine([score, score])
    assert both.word_error_rate.value == pytest.approx(1.0)
    assert both.f1.value == both.f1.low == both.f1.high == pytest.approx(2 / 5)
    assert both.false_per_minute == pytest.approx(2 / (2 * 2.4 / 60))
    assert (both.delay, both.slowest) == (pytest.approx(0.7), pytest.approx(0.7))
