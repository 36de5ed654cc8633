"""Arrays: read as NumPy writes them, and no more memory than their file justifies."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lipnet.npz import parse_npy, read_npz

DTYPES = st.sampled_from(["u1", "<i8", ">f4", "f2", "?", "<U1", "<U7"])


def npy_bytes(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@settings(max_examples=50)
@given(data=st.data(), fortran=st.booleans())
def test_an_array_is_what_numpy_reads(data: st.DataObject, fortran: bool) -> None:
    shape = data.draw(arrays.array_shapes(min_dims=0, min_side=0, max_side=4))
    array = np.asarray(data.draw(arrays.arrays(data.draw(DTYPES), shape)))
    content = npy_bytes(np.asfortranarray(array) if fortran and shape else array)
    found = parse_npy(content)
    np.testing.assert_array_equal(found, np.load(io.BytesIO(content)))
    assert (found.dtype, found.shape) == (array.dtype, array.shape)


@given(shape=st.lists(st.integers(0, 2**40), max_size=4), place=st.integers(0, 200))
def test_a_header_that_claims_other_values_than_follow_is_refused(
    shape: list[int], place: int
) -> None:
    whole = npy_bytes(np.zeros((3, 5), np.uint8))
    claimed = str(tuple(shape)).encode()
    content = whole.replace(b"(3, 5)", claimed)
    content = content[:8] + (118 - 6 + len(claimed)).to_bytes(2, "little") + content[10:]
    if np.prod(shape, dtype=object) == 15:
        assert parse_npy(content).size == 15
    else:
        with pytest.raises(ValueError, match="."):
            parse_npy(content)
    with pytest.raises(ValueError, match="."):
        parse_npy(whole[: place % len(whole)])


@pytest.mark.parametrize("header", ["'descr': '|O'", "'descr': [('a', '<f4')]", "'a': __import__"])
def test_a_header_is_not_evaluated(header: str) -> None:
    whole = npy_bytes(np.zeros(3, np.uint8))
    content = whole.replace(b"'descr': '|u1'", header.encode())
    with pytest.raises(ValueError, match="header"):
        parse_npy(content)


def test_a_compressed_bomb_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", npy_bytes(np.zeros(2**20, np.uint8)))
    content = bytearray(path.read_bytes())
    assert len(read_npz(path, ["a"])["a"]) == 2**20
    size = (2**20 + 128).to_bytes(4, "little")
    content = content.replace(size, (2**31).to_bytes(4, "little"))
    path.write_bytes(content)
    with pytest.raises(ValueError, match="would take 2048 MiB"):
        read_npz(path, ["a"])
    with pytest.raises(ValueError, match="it has no b"):
        read_npz(path, ["b"])
