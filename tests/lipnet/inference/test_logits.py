"""Saved logits: what is written is read back, and what is broken is named."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lipnet.errors import InputError
from lipnet.inference.logits import SavedLogits, check_same_clips, read_logits, write_logits


@pytest.fixture
def saved() -> SavedLogits:
    return SavedLogits(
        logits=np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32),
        labels=np.array([0, 3, 1]),
        clip_ids=np.array(["s1/a/1-bin", "s1/a/2-blue", "s1/b/1-lay"]),
        units=np.array(["s1/a", "s1/a", "s1/b"]),
        slots=np.array(["command", "colour", "command"]),
        speakers=np.array(["s1", "s1", "s1"]),
    )


def test_round_trip_is_exact(tmp_path: Path, saved: SavedLogits) -> None:
    write_logits(tmp_path / "deep" / "g0.npz", saved)
    found = read_logits(tmp_path / "deep" / "g0.npz")
    assert found.logits.dtype == np.float32
    for name in ("logits", "labels", "clip_ids", "units", "slots", "speakers"):
        np.testing.assert_array_equal(getattr(found, name), getattr(saved, name))


def test_equal_logits_give_equal_bytes(tmp_path: Path, saved: SavedLogits) -> None:
    for name in ("one", "two"):
        write_logits(tmp_path / f"{name}.npz", saved)
    one, two = ((tmp_path / f"{name}.npz").read_bytes() for name in ("one", "two"))
    assert one == two
    # The archive's dates are fixed, so no clock can enter: 1980-01-01 00:00.
    assert one[10:14] == b"\x00\x00\x21\x00"


def test_missing_truncated_and_foreign_files_are_named(tmp_path: Path, saved: SavedLogits) -> None:
    path = tmp_path / "g0.npz"
    with pytest.raises(InputError, match="g0.npz is missing: run the predict stage"):
        read_logits(path)
    write_logits(path, saved)
    whole = path.read_bytes()
    for broken in (b"", b"not an archive", whole[: len(whole) // 2], whole[:200] + whole[260:]):
        path.write_bytes(broken)
        with pytest.raises(InputError, match=r"g0\.npz: .*delete it and run"):
            read_logits(path)


def test_pickled_arrays_are_refused(tmp_path: Path, saved: SavedLogits) -> None:
    path = tmp_path / "g0.npz"
    np.savez(path, logits=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="not a readable npz"):
        read_logits(path)


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "g0.npz", logits=np.zeros((1, 2), dtype=np.float32))
    with pytest.raises(InputError, match="has no labels, clip_ids, units, slots, speakers"):
        read_logits(tmp_path / "g0.npz")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"labels": np.array([0, 1, 4])}, r"not int64 in 0\.\.3"),
        ({"labels": np.array([0, 1])}, "one entry per clip"),
        ({"clip_ids": np.array(["a", "a", "b"])}, "twice"),
        ({"logits": np.full((3, 4), np.nan, dtype=np.float32)}, "diverged"),
    ],
)
def test_what_does_not_fit_is_not_written(
    tmp_path: Path, saved: SavedLogits, change: dict[str, np.ndarray], fault: str
) -> None:
    with pytest.raises(InputError, match=fault):
        write_logits(tmp_path / "g0.npz", replace(saved, **change))
    assert list(tmp_path.iterdir()) == []


def test_other_clips_cannot_vote_together(saved: SavedLogits) -> None:
    check_same_clips(saved, saved, "a and b")
    moved = replace(saved, clip_ids=saved.clip_ids[::-1])
    with pytest.raises(InputError, match="a and b hold different clips"):
        check_same_clips(saved, moved, "a and b")
