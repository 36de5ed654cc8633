"""The size of an image, from its header alone: read before any pixel is decoded."""

import struct

PNG_START, JPEG_START, BMP_START = b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"BM"
# A JPEG's frame headers, which hold its size; C4, C8 and CC are tables.
FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})  # without a length
MAX_PIXELS = 2**26


def find_size(content: bytes) -> tuple[int, int]:
    """Height and width of a PNG, JPEG or BMP.

    ValueError if it is neither, has no size, or has more than MAX_PIXELS.
    """
    try:
        height, width = _read_size(content)
    except (struct.error, StopIteration):
        raise ValueError("not an image") from None
    if height < 1 or width < 1:
        raise ValueError("not an image")
    if height * width > MAX_PIXELS:
        raise ValueError(f"{width} x {height} pixels, more than {MAX_PIXELS}")
    return height, width


def _read_size(content: bytes) -> tuple[int, int]:
    if content.startswith(PNG_START):
        width, height = struct.unpack_from(">II", content, 16)
    elif content.startswith(JPEG_START):
        height, width = _read_jpeg_size(content)
    elif content.startswith(BMP_START):
        old = struct.unpack_from("<I", content, 14)[0] == 12
        width, height = struct.unpack_from("<HH" if old else "<ii", content, 18)
    else:
        raise ValueError("not a PNG, JPEG or BMP")
    return abs(height), width


def _read_jpeg_size(content: bytes) -> tuple[int, int]:
    """From the first frame header; StopIteration if there is none."""
    at = content.find(b"\xff", 2)
    while 0 <= at < len(content) - 8:
        marker = content[at + 1]
        if marker in FRAME_MARKERS:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return height, width
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in BARE_MARKERS:
            at = content.find(b"\xff", at + 2)
        else:
            length = struct.unpack_from(">H", content, at + 2)[0]
            at = content.find(b"\xff", at + 2 + max(2, length))
    raise StopIteration
