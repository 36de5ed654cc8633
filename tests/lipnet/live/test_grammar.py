"""Sentences: the best one, as found by trying all of them, and only if it is likely enough."""

import json
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipnet.errors import InputError
from lipnet.live.grammar import GRAMMARS, GrammarReporter, load_grammar
from lipnet.live.spotter import Event, Reading

LABELS = ["a", "b", "c", "d"]
SLOTS = [["a", "b"], ["c"], ["d", "a"]]


def make_readings(rows_TK: np.ndarray, hop: float) -> list[Reading]:
    return [Reading(n * hop, n * hop + 0.6, row_K) for n, row_K in enumerate(rows_TK)]


def best_sentence(readings: list[Reading]) -> float:
    """The highest product of probabilities, over all words at all times in order."""
    best = 0.0
    for steps in combinations(readings, len(SLOTS)):
        gaps = np.diff([step.middle for step in steps])
        if ((gaps < 0.07 - 1e-9) | (gaps > 1.0 + 1e-9)).any():
            continue
        for words in product(*SLOTS):
            chosen = [s.probabilities_K[LABELS.index(w)] for s, w in zip(steps, words, strict=True)]
            best = max(best, float(np.prod(chosen)))
    return best


@settings(max_examples=40)
@given(st.integers(0, 999), st.integers(0, 8), st.sampled_from([0.04, 0.08, 0.4]))
def test_the_sentence_found_is_the_most_likely_one(seed: int, steps: int, hop: float) -> None:
    rows_TK = np.random.default_rng(seed).dirichlet([0.5] * 4, steps)
    readings = make_readings(rows_TK, hop)
    reporter = GrammarReporter(LABELS, SLOTS, threshold=0.0)
    reporter._is_likely = lambda: False  # type: ignore[method-assign]  # report at the end only
    assert not [event for reading in readings for event in reporter.push(reading)]
    del reporter._is_likely  # type: ignore[method-assign]
    events = reporter.finish()
    expected = best_sentence(readings)
    assert bool(events) == (expected > 0)
    if events:
        assert [event.word in slot for event, slot in zip(events, SLOTS, strict=True)] == [True] * 3
        assert np.prod([event.probability for event in events]) == pytest.approx(expected)


def say(words: str, threshold: float = 0.5, probability: float = 0.9) -> list[Event]:
    """Words 0.2 s apart, "." for none of them, read at every tenth of a second."""
    rows_TK = []
    for word in words:
        for peak in (0.3, probability):
            row_K = np.full(4, 0.0)
            row_K[LABELS.index(word) if word != "." else 0] = 0.01 if word == "." else peak
            rows_TK.append(row_K + 1e-6)
    reporter = GrammarReporter(LABELS, SLOTS, threshold=threshold)
    readings = make_readings(np.array(rows_TK), 0.1)
    events = [event for reading in readings for event in reporter.push(reading)]
    return events + reporter.finish()


def test_a_sentence_is_reported_once_it_is_settled() -> None:
    events = say("..acd......")
    assert [event.word for event in events] == ["a", "c", "d"]
    assert [round(event.seconds, 1) for event in events] == [0.5, 0.7, 0.9]
    assert {round(event.reported, 1) for event in events} == {0.9 + 0.4 + 0.6}


def test_two_sentences_are_two_and_an_unlikely_one_is_none() -> None:
    assert [event.word for event in say("acd...bca...")] == ["a", "c", "d", "b", "c", "a"]
    assert say("acd......", threshold=0.95) == []
    assert say("cad......", threshold=0.1) == []


def test_readings_of_minutes_are_forgotten() -> None:
    events = say("." * 150 + "acd" + "." * 60)
    assert [event.word for event in events] == ["a", "c", "d"]


def test_grid_is_known_and_a_file_is_read(tmp_path: Path) -> None:
    assert [len(slot) for slot in load_grammar("grid")] == [4, 4, 4, 25, 10, 4]
    assert load_grammar("grid") == GRAMMARS["grid"]
    path = tmp_path / "g.json"
    path.write_text(json.dumps(SLOTS))
    assert load_grammar(str(path)) == SLOTS


@pytest.mark.parametrize("text", ["", "{}", "[]", '[["a"]]', '[["a"], []]', '[["a"], [1]]', "[["])
def test_a_wrong_grammar_is_an_input_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "g.json"
    path.write_text(text)
    with pytest.raises(InputError, match="--grammar "):
        load_grammar(str(path))


def test_a_word_that_the_model_lacks_is_named() -> None:
    with pytest.raises(InputError, match="no label z"):
        GrammarReporter(LABELS, [["a"], ["z"]], threshold=0.5)
