"""A set of clips is found again in few bytes, and other clips rarely pass for members."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipnet.data.clip_set import ClipSet


@settings(max_examples=25)
@given(ids=st.sets(st.text(max_size=12), max_size=80))
def test_every_member_is_found_after_a_round_trip(ids: set[str]) -> None:
    found = ClipSet.parse(json.loads(json.dumps(ClipSet.of("grid", ids).dump())))
    assert len(found) == len(ids)
    assert found.count("grid", ids) == len(ids)


def test_others_are_rarely_taken_for_members_and_it_is_small() -> None:
    made = ClipSet.of("lrw", (f"ABOUT/{number}" for number in range(5000)))
    assert made.count("lrw", (f"OTHER/{number}" for number in range(5000))) <= 25
    assert made.count("folder", (f"ABOUT/{number}" for number in range(5000))) <= 25
    assert len(json.dumps(made.dump())) < 3 * 5000


@pytest.mark.parametrize(
    "change",
    [{"clips": 4}, {"clips": 2}, {"digests": "?"}, {"digests": "AAAA"}, {"source": 1}],
)
def test_a_damaged_set_is_refused(change: dict[str, object]) -> None:
    dumped = ClipSet.of("grid", ["a", "b", "c"]).dump()
    with pytest.raises(ValueError, match=r"digests|source"):
        ClipSet.parse({**dumped, **change})
