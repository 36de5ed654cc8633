"""Homophenes: which labels the dictionary and the visemes group, and which not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipnet.measure.homophenes import VISEME_OF, find_homophenes, pronounce, spell
from lipnet.sources.grid_alignment import SLOTS
from lipnet.sources.synthetic.words import PRONUNCIATIONS

GRID = sorted(word for words in SLOTS.values() for word in words)


def test_mark_park_and_bark_look_alike() -> None:
    assert find_homophenes(["MARK", "PARK", "BARK", "LARK"]).groups == [["MARK", "PARK", "BARK"]]


def test_grids_words_fall_into_their_viseme_groups() -> None:
    groups = {frozenset(group) for group in find_homophenes(GRID).groups}
    letters = {frozenset("bp"), frozenset("cdtz"), frozenset("ln")}
    assert groups == letters | {frozenset(["at", "eight", "s"]), frozenset(["k", "lay"])}


def test_a_letter_is_its_name_and_a_phrase_its_words() -> None:
    assert pronounce("a") == ("EY",)
    assert spell("thank you") == (*(spell("thank") or ()), *(spell("you") or ()))


@pytest.mark.parametrize("label", ["qqzzx", "", "你好", "thank qqzzx"])
def test_a_label_without_a_pronunciation_is_a_group_of_its_own(label: str) -> None:
    alike = find_homophenes(["park", label, "bark"])
    assert alike.groups == [["park", "bark"]]
    assert alike.unknown == [label]


def test_labels_that_are_not_english_words_are_not_grouped() -> None:
    assert find_homophenes(["park", "bark", "world", "people"]).english
    assert not find_homophenes(["zhongguo", "xianzai", "park"]).english


def test_the_renderers_pronunciations_are_the_dictionarys_sounds() -> None:
    for word, sounds in PRONUNCIATIONS.items():
        assert set(sounds.split()) <= set(VISEME_OF), word
        assert spell(word) is not None


@given(st.lists(st.sampled_from([*GRID, "qqq"]), min_size=1, max_size=12, unique=True), st.data())
def test_merging_never_makes_a_prediction_wrong(labels: list[str], data: st.DataObject) -> None:
    alike = find_homophenes(labels)
    places = st.lists(st.integers(0, len(labels) - 1), min_size=5, max_size=5)
    actual, predicted = (np.array(data.draw(places)) for _ in range(2))
    right = alike.alike(actual, predicted)
    assert np.all(right[actual == predicted])
    assert sorted(alike.order) == list(range(len(labels)))
    groups = [alike.group_K[place] for place in alike.order]
    assert len([1 for a, b in zip(groups, groups[1:], strict=False) if a != b]) + 1 == len(
        set(groups)
    )
