"""Lengths of training clips: kept in the card, 29 frames in older files, and a warning outside."""

import pytest

from lipnet.models.lengths import Lengths, describe_lengths, read_lengths


@pytest.mark.parametrize(
    "lengths", [Lengths(), Lengths(17, 0.5, 2), Lengths(17, 0.0), Lengths(9, 0.0, 0, 6)]
)
def test_a_card_keeps_the_lengths(lengths: Lengths) -> None:
    assert read_lengths(describe_lengths(lengths)) == lengths


def test_a_file_without_lengths_is_of_29_frames() -> None:
    lengths = read_lengths({"model": "x-g0"})
    assert not lengths.find_fault(29)
    for frames in (28, 30):
        assert f"{frames} frames were read" in lengths.find_fault(frames)
        assert "its file does not state other lengths" in lengths.find_fault(frames)


def test_cut_clips_make_shorter_ones_known() -> None:
    lengths = Lengths(17, 0.5, 2)
    fine = [frames for frames in range(1, 40) if not lengths.find_fault(frames)]
    assert fine == list(range(5, 18))
    assert "50 % of them cut at random around the word, with 2 frames on each side left" in (
        lengths.find_fault(29)
    )


@pytest.mark.parametrize(
    ("lengths", "least", "described"),
    [
        (Lengths(9, 0.0, shortest=6), 6, "whole clips of 6 to 9 frames"),
        (Lengths(9, 0.0, shortest=9), 9, "whole clips of 9 frames"),
        (Lengths(9, 0.0), 1, "whole clips of up to 9 frames"),  # a file that did not count
        (Lengths(9, 0.5, shortest=4), 4, "clips of 4 to 9 frames, 50 % of them cut at random"),
    ],
)
def test_no_other_lower_limit_is_stated_than_was_counted(
    lengths: Lengths, least: int, described: str
) -> None:
    fine = [frames for frames in range(1, 40) if not lengths.find_fault(frames)]
    assert fine == list(range(least, 10))
    assert f"trained on {described}" in lengths.find_fault(10)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"longest": 0}, "longest"),
        ({"longest": "29"}, "longest"),
        ({"cut_share": 1.5}, "cut_share"),
        ({"cut_share": float("nan")}, "cut_share"),
        ({"min_context": -1}, "min_context"),
        ({"shortest": 18}, "shortest"),
        ({"shortest": 0}, "shortest"),
    ],
)
def test_damaged_lengths_are_refused(change: dict[str, object], named: str) -> None:
    entry = {"longest": 17, "cut_share": 0.5, "min_context": 0, "shortest": None, **change}
    with pytest.raises(ValueError, match=named):
        read_lengths({"lengths": entry})
    with pytest.raises(ValueError, match="lengths"):
        read_lengths({"lengths": [17]})
