"""dlib's model files: numbers of any size are read back, and other files are refused."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipnet.landmarks import predictor_file
from lipnet.landmarks.predictor_file import Trees, read_trees, split_numbers
from tests.lipnet.landmarks.dlib_files import make_trees, write_number, write_trees

NUMBERS = st.lists(st.integers(-(2**31) + 1, 2**31 - 1), min_size=1, max_size=2000)


def differ(one: Trees, other: Trees) -> list[str]:
    found = [] if np.array_equal(one.mean_P2, other.mean_P2) else ["mean"]
    for place, (mine, theirs) in enumerate(zip(one.cascades, other.cascades, strict=True)):
        for name in vars(mine):
            if not np.array_equal(getattr(mine, name), getattr(theirs, name)):
                found.append(f"{place}.{name}")
    return found


@given(numbers=NUMBERS)
def test_numbers_are_read_back_in_order(numbers: list[int]) -> None:
    block = b"".join(map(write_number, numbers))
    found, used = split_numbers(block, len(block))
    assert found.tolist() == numbers
    assert used == len(block)


@given(numbers=NUMBERS, end=st.integers(1, 400))
def test_numbers_that_start_before_the_end_are_whole(numbers: list[int], end: int) -> None:
    block = b"".join(map(write_number, numbers))
    end = min(end, len(block))
    found, used = split_numbers(block, end)
    sizes = np.cumsum([0, *(len(write_number(n)) for n in numbers)])
    count = int((sizes[:-1] < end).sum())
    assert found.tolist() == numbers[:count]
    assert used == sizes[count]


@given(raw=st.binary(min_size=1, max_size=3000))
def test_any_bytes_are_numbers_or_refused(raw: bytes) -> None:
    place, longest = 0, 0
    while place < len(raw):
        longest = max(longest, raw[place] & 15)
        place += 1 + (raw[place] & 15)
    if longest > 4:
        with pytest.raises(ValueError, match="more than four bytes"):
            split_numbers(raw, len(raw))
    else:
        assert split_numbers(raw, len(raw))[1] == place


@pytest.mark.slow
@given(seed=st.integers(0, 50), depth=st.integers(1, 4), slab=st.integers(40, 5000))
def test_a_written_model_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, seed: int, depth: int, slab: int
) -> None:
    trees = make_trees(seed, depth=depth)
    path = tmp_path_factory.mktemp("models") / "a.dat"
    write_trees(path, trees)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictor_file, "SLAB_BYTES", slab)
        assert differ(read_trees(path), trees) == []


@pytest.mark.parametrize("kept", [0, 1, 5, 100, -1])
def test_a_truncated_model_is_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.dat"
    write_trees(path, make_trees(0, depth=2))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match="ends|count"):
        read_trees(path)


def test_trees_of_different_depths_are_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    for number in (1, -2, -1, 1, 0, 1, 0, 1, 2, 2):  # splits: 2, never a whole tree
        out.write(write_number(number))
    out.write(write_number(1) * 200)
    (tmp_path / "a.dat").write_bytes(out.getvalue())
    with pytest.raises(ValueError, match="depth"):
        read_trees(tmp_path / "a.dat")
