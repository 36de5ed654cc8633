"""Lineages on several devices: after their teachers, and never slower than on fewer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.schedule import schedule

SECONDS = {"big": 6.0, "alone": 3.0, "middle": 4.0, "small": 2.0, "other": 2.0}
TEACHERS = {"middle": "big", "small": "middle", "other": "big"}


def test_one_device_takes_the_sum_and_many_take_the_longest_chain() -> None:
    assert schedule(SECONDS, TEACHERS, devices=1) == 17
    assert schedule(SECONDS, TEACHERS, devices=8) == 6 + 4 + 2


def test_the_longest_chain_starts_first() -> None:
    seconds = {"short": 1.0, "also": 1.0, "teacher": 2.0, "student": 5.0}
    assert schedule(seconds, {"student": "teacher"}, devices=2) == 7


def test_no_lineage_takes_no_time_and_a_teacher_elsewhere_is_not_waited_for() -> None:
    assert schedule({}, {}, devices=4) == 0
    assert schedule({"student": 5.0}, {"student": "done"}, devices=4) == 5


@settings(max_examples=25)
@given(
    seconds=st.lists(st.integers(0, 9), min_size=1, max_size=7),
    teachers=st.lists(st.integers(-1, 5), min_size=7, max_size=7),
    devices=st.integers(1, 5),
)
def test_it_is_between_the_longest_lineage_and_the_sum(
    seconds: list[int], teachers: list[int], devices: int
) -> None:
    named = {str(number): float(each) for number, each in enumerate(seconds)}
    taught = {str(n): str(t) for n, t in enumerate(teachers) if 0 <= t < n < len(seconds)}
    found = schedule(named, taught, devices=devices)
    assert max(seconds) <= found <= sum(seconds)
    assert found >= sum(seconds) / devices
    assert schedule(named, taught, devices=1) == pytest.approx(sum(seconds))
