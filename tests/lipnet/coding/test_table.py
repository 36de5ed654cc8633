"""Packed tensors come back bit for bit; damaged ones are errors."""
# N values

import json
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lipnet.coding.symbols import (
    ESCAPE,
    FIXED,
    HUFFMAN,
    decode_symbols,
    encode_symbols,
    gaps_of,
    kept_from_gaps,
)
from lipnet.coding.table import decode_rows, decode_tensors, encode_table
from lipnet.coding.tensors import (
    CODEBOOK,
    COUNT,
    FACTORS,
    HALF,
    KINDS,
    LEVELS,
    SIGNS,
    Packed,
    unpack,
)

NO_CODES = np.zeros(0, np.uint8)


@given(st.data())
def test_symbols_come_back(data: st.DataObject) -> None:
    width = data.draw(st.integers(1, 8))
    codes = data.draw(st.lists(st.integers(0, 2**width - 1), max_size=300))
    codes_N = np.array(codes, np.uint8)
    codec, coded = encode_symbols(codes_N, width)
    assert len(coded) <= -(-len(codes) * width // 8)
    assert decode_symbols(codec, coded, width, len(codes)).tolist() == codes
    with pytest.raises(ValueError, match="symbols"):
        decode_symbols(codec, coded, width, len(codes) + 9)


def test_the_shorter_form_is_chosen() -> None:
    even = np.arange(4096, dtype=np.uint8) % 16
    skewed = np.where(np.arange(4096) % 16 == 0, even // 4, 7).astype(np.uint8)
    assert encode_symbols(even, 4)[0] == FIXED
    codec, coded = encode_symbols(skewed, 4)
    assert codec == HUFFMAN
    share_N = np.bincount(skewed) / len(skewed)
    entropy = -sum(share * np.log2(share) for share in share_N if share)
    assert entropy <= 8 * len(coded) / len(skewed) <= entropy + 1


@given(st.lists(st.booleans(), max_size=50), st.integers(0, 3), st.lists(st.booleans(), max_size=9))
def test_gaps_give_the_mask_back(first: list[bool], escapes: int, last: list[bool]) -> None:
    kept_N = np.array(first + [False] * (escapes * ESCAPE) + last, np.bool_)
    assert kept_from_gaps(gaps_of(kept_N), len(kept_N)).tolist() == kept_N.tolist()


def make_tensors() -> dict[str, Packed]:
    """One tensor of each kind, two of them with zeros left out."""
    rng = np.random.default_rng(1)

    def floats(count: int) -> np.ndarray:
        return rng.normal(size=count).astype(np.float16)

    kept = rng.random(24) < 0.3
    codes = rng.integers(0, 7, 24).astype(np.uint8)
    return {
        "half": Packed((2, 3), HALF, floats(6), NO_CODES),
        "scalar": Packed((), COUNT, floats(0), NO_CODES, counts=(12,)),
        "levels": Packed((4, 6), LEVELS, floats(4), codes, 3),
        "sparse": Packed((4, 6), LEVELS, floats(4), codes[kept], 3, kept),
        "signs": Packed((4, 2, 3), SIGNS, floats(4), codes % 2),
        "book": Packed((4, 6), CODEBOOK, floats(7), codes, 3),
        "few": Packed((4, 6), HALF, floats(int(kept.sum())), NO_CODES, 0, kept),
        "factors": Packed((4, 3, 2), FACTORS, floats(20), NO_CODES, 2),
    }


def test_every_kind_comes_back() -> None:
    tensors = make_tensors()
    assert {packed.kind for packed in tensors.values()} == set(KINDS)
    table, data = encode_table(tensors)
    back = decode_tensors(decode_rows(table), data)
    assert list(back) == sorted(tensors)
    for name, packed in tensors.items():
        assert torch.equal(unpack(back[name]), unpack(packed)), name
        assert unpack(packed).shape == packed.shape
    assert encode_table(back) == (table, data)


def test_the_values_are_what_the_kinds_promise() -> None:
    half = np.array([0.5, 2.0], np.float16)
    codes = np.array([0, 3, 6, 5], np.uint8)
    levels = unpack(Packed((2, 2), LEVELS, half, codes, 3))
    assert levels.tolist() == [[-1.5, 0.0], [6.0, 4.0]]
    signs = unpack(Packed((2, 2), SIGNS, half, codes % 2))
    assert signs.tolist() == [[-0.5, 0.5], [-2.0, 2.0]]
    kept = np.array([True, False, False, True])
    assert unpack(Packed((2, 2), LEVELS, half, codes[:2], 3, kept)).tolist() == [[-1.5, 0], [0, 0]]
    book = unpack(Packed((4,), CODEBOOK, half, codes % 2, 1))
    assert book.tolist() == [0.5, 2.0, 0.5, 2.0]


@settings(max_examples=80)
@given(st.data())
def test_damage_is_a_value_error_and_never_another(data: st.DataObject) -> None:
    table, content = encode_table(make_tensors())
    text = zlib.decompress(table)
    which = data.draw(st.sampled_from(["table", "text", "data", "short"]))
    if which in ("table", "text"):
        whole = table if which == "table" else text
        place = data.draw(st.integers(0, len(whole) - 1))
        damaged = whole[:place] + bytes([data.draw(st.integers(0, 255))]) + whole[place + 1 :]
        table = damaged if which == "table" else zlib.compress(damaged)
    elif which == "short":
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        place = data.draw(st.integers(0, len(content) - 1))
        content = content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]
    try:
        rows = decode_rows(table)
        # As the reader of weights files does: no shape is allocated that the model does not have.
        known = {name: own.shape for name, own in make_tensors().items()}
        if all(known.get(row.name) == row.shape for row in rows):
            for packed in decode_tensors(rows, content).values():
                unpack(packed)
    except ValueError:
        pass


@pytest.mark.parametrize(
    "change", [{"format": 2}, {"kind": None}, {"bits": [99] * len(make_tensors())}]
)
def test_a_table_of_another_form_is_refused(change: dict[str, object]) -> None:
    table, _ = encode_table(make_tensors())
    other = {**json.loads(zlib.decompress(table)), **change}
    with pytest.raises(ValueError, match="its table|bits of"):
        decode_rows(zlib.compress(json.dumps(other).encode()))
