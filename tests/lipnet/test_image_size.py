"""The size of an image is read from its header, as OpenCV decodes it."""

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipnet.image_size import find_size

SIDE = st.integers(1, 70)


@settings(max_examples=40)
@given(height=SIDE, width=SIDE, kind=st.sampled_from(["png", "jpg", "bmp"]), colour=st.booleans())
def test_the_size_is_that_of_the_decoded_image(
    height: int, width: int, kind: str, colour: bool
) -> None:
    image = np.full((height, width, 3)[: 2 + colour], 90, np.uint8)
    content = bytes(cv2.imencode(f".{kind}", image, [cv2.IMWRITE_JPEG_PROGRESSIVE, height % 2])[1])
    assert find_size(content) == (height, width)
    for size in range(0, min(24, len(content))):
        with pytest.raises(ValueError, match="not an image|not a PNG"):
            find_size(content[:size])


def test_an_image_of_too_many_pixels_is_refused_by_its_header() -> None:
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 65_535, 65_535)
    with pytest.raises(ValueError, match="65535 x 65535 pixels"):
        find_size(png)
    jpeg = b"\xff\xd8\xff\xc0\0\x11\x08" + struct.pack(">HH", 65_500, 65_500) + bytes(12)
    with pytest.raises(ValueError, match="65500 x 65500 pixels"):
        find_size(jpeg)
    with pytest.raises(ValueError, match="not an image"):
        find_size(b"\xff\xd8" + b"\xff" * 99)
