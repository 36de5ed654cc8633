"""A set of clips is found again in few bytes, and other clips rarely pass for members."""

import json
import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from lipnet.data.clip_set import RARE, SLOTS_PER_CLIP, ClipSet, KnownClips


@settings(max_examples=25)
@given(ids=st.sets(st.text(max_size=12), max_size=80))
def test_every_member_is_found_after_a_round_trip(ids: set[str]) -> None:
    found = ClipSet.parse(json.loads(json.dumps(ClipSet.of("grid", ids).dump())))
    assert len(found) == len(ids)
    assert found.count("grid", ids) == KnownClips(len(ids), len(ids))


def test_others_are_rarely_taken_for_members_and_it_is_small() -> None:
    made = ClipSet.of("lrw", (f"ABOUT/{number}" for number in range(5000)))
    for source, word in (("lrw", "OTHER"), ("folder", "ABOUT")):
        known = made.count(source, (f"{word}/{number}" for number in range(5000)))
        assert 0 < known.found <= 25
        assert known.can_be_chance
    assert len(json.dumps(made.dump())) < 3 * 5000


@given(asked=st.integers(1, 100_000), found=st.integers(0, 300))
def test_chance_is_that_of_the_binomial_distribution(asked: int, found: int) -> None:
    tail = binom.sf(found - 1, asked, 1 / SLOTS_PER_CLIP)
    assume(abs(math.log(max(tail, 1e-12) / RARE)) > 0.1)  # Poisson's is near it, not equal
    assert KnownClips(found, asked).can_be_chance == (tail > RARE)


def test_one_leaked_speaker_is_no_chance() -> None:
    made = ClipSet.of("lrw", (f"ABOUT/{number}" for number in range(5000)))
    assert not made.count("lrw", (f"ABOUT/{number}" for number in range(4950, 9950))).can_be_chance


@pytest.mark.parametrize(
    "change",
    [{"clips": 4}, {"clips": 2}, {"digests": "?"}, {"digests": "AAAA"}, {"source": 1}],
)
def test_a_damaged_set_is_refused(change: dict[str, object]) -> None:
    dumped = ClipSet.of("grid", ["a", "b", "c"]).dump()
    with pytest.raises(ValueError, match=r"digests|source"):
        ClipSet.parse({**dumped, **change})
