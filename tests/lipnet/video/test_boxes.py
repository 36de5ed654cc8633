"""Boxes: whether a file ends where it should."""

from pathlib import Path

import pytest

from lipnet.video.boxes import is_cut_short

INDEX, MEDIA = b"\0\0\0\x08moov", b"\0\0\0\x6bmdat" + bytes(99)


@pytest.mark.parametrize(
    ("content", "is_cut"),
    [
        (INDEX + MEDIA, False),
        (INDEX + MEDIA[:-1], True),
        (MEDIA + INDEX, False),
        (INDEX + MEDIA + b"a camera's own trailer", False),
        (MEDIA[:-1], False),  # without an index it may be any kind of file
        (b"\0\0\1\xbamdat" + bytes(99), False),
        (b"", False),
    ],
)
def test_only_media_data_without_its_end_is_cut_short(
    tmp_path: Path, content: bytes, is_cut: bool
) -> None:
    (tmp_path / "v.mp4").write_bytes(content)
    assert is_cut_short(tmp_path / "v.mp4") == is_cut
