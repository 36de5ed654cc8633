"""Codecs: lossless ones keep every pixel, damage is noticed, unknown names are refused."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipnet.errors import InputError
from lipnet.shards.codec import Crops, decode_member, find_codec, unpack
from tests.malformed.memory import limit_memory

LOSSLESS = ("raw", "delta", "png")


def noise(frames: int, side: int, seed: int = 0) -> Crops:
    return np.random.default_rng(seed).integers(0, 256, (frames, side, side), np.uint8)


def still(frames: int, side: int) -> Crops:
    """A smooth image that hardly moves, like crops."""
    rows, columns, times = np.ogrid[:side, :side, :frames]
    return np.ascontiguousarray((rows * 2 + columns + times).astype(np.uint8).transpose(2, 0, 1))


@pytest.mark.parametrize("name", LOSSLESS)
@given(frames=st.integers(1, 40), side=st.integers(1, 24), seed=st.integers(0, 2**32 - 1))
def test_lossless_codecs_keep_every_pixel(name: str, frames: int, side: int, seed: int) -> None:
    for crops in (noise(frames, side, seed), still(frames, side)):
        kept = unpack(*find_codec(name).pack(crops))
        np.testing.assert_array_equal(kept, crops)
        assert kept.dtype == np.uint8
        assert kept.flags.writeable


@pytest.mark.parametrize("codec", ["raw", "delta"])
def test_crops_need_not_be_square_without_an_image(codec: str) -> None:
    crops = noise(5, 12)[:, :7]
    np.testing.assert_array_equal(unpack(*find_codec(codec).pack(crops)), crops)


def test_higher_quality_is_closer_and_larger() -> None:
    crops = np.clip(still(9, 32) // 2 + noise(9, 32) // 16, 0, 255).astype(np.uint8)
    errors, sizes = [], []
    for quality in (50, 90, 98):
        suffix, content = find_codec(f"jpeg{quality}").pack(crops)
        kept = unpack(suffix, content)
        errors.append(float(np.abs(kept.astype(int) - crops).mean()))
        sizes.append(len(content))
    assert errors == sorted(errors, reverse=True)
    assert sizes == sorted(sizes)
    assert errors[-1] < 1


@pytest.mark.parametrize(
    ("codec", "frames", "side"),
    [
        ("jpeg95", 700, 96),
        ("png", 62_501, 16),
        pytest.param("png", 257, 512, marks=pytest.mark.slow),
        pytest.param("jpeg95", 63, 1033, marks=pytest.mark.slow),
    ],
)
def test_a_clip_too_large_for_one_image_is_kept_whole(codec: str, frames: int, side: int) -> None:
    crops = np.ones((frames, side, side), np.uint8)
    suffix, content = find_codec(codec).pack(crops)
    assert suffix == "delta"
    np.testing.assert_array_equal(unpack(suffix, content), crops)


@pytest.mark.parametrize("codec", LOSSLESS)
def test_every_cut_of_a_member_is_noticed(codec: str) -> None:
    suffix, content = find_codec(codec).pack(noise(3, 8))
    for size in range(0, len(content) - 16, 7):  # a PNG does not need its last chunk
        with pytest.raises(ValueError, match="."):
            unpack(suffix, content[:size])


@given(place=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_changed_byte_of_a_delta_is_noticed(place: int, flip: int) -> None:
    suffix, whole = find_codec("delta").pack(still(6, 16))
    damaged = bytearray(whole)
    damaged[place % len(whole)] ^= flip
    try:
        kept = unpack(suffix, bytes(damaged))
    except ValueError:
        return
    # Two sizes may be exchanged in the header: then no pixel is lost, but the shape differs.
    assert kept.shape != (6, 16, 16) or kept.tobytes() == still(6, 16).tobytes()


def test_a_member_that_would_unpack_to_more_than_it_states_is_refused() -> None:
    bomb = struct.pack("<3I", 1, 8, 8) + zlib.compress(bytes(2**24), 9)
    png = bytearray(find_codec("png").pack(noise(3, 8))[1])
    png[16:24] = struct.pack(">II", 40_000, 40_000)
    claim = find_codec("raw").pack(noise(3, 8))[1].replace(b"(3, 8, 8)", b"(9, 9, 9)")
    for suffix, content in (("delta", bomb), ("png", bytes(png)), ("npy", claim)):
        with limit_memory(2**23), pytest.raises(ValueError, match="pixels|bytes"):
            unpack(suffix, content)


@pytest.mark.parametrize("name", ["webp", "jpeg0", "jpeg101", "jpeg", "", "Delta"])
def test_an_unknown_codec_is_refused_with_the_known_names(name: str) -> None:
    with pytest.raises(InputError, match=r"known: raw, delta, png, jpeg1 to jpeg100"):
        find_codec(name)


def test_other_members_are_left_to_webdataset() -> None:
    _, content = find_codec("delta").pack(noise(2, 4))
    crops = decode_member(".crops.delta", content)
    assert crops is not None
    assert crops.shape == (2, 4, 4)
    assert decode_member(".json", b"{}") is None
