"""Codecs: how a clip's crops are packed into the bytes of a shard's member, and unpacked.

`raw` is numpy's format. `delta` is lossless: each pixel minus its neighbour above, minus the same
difference in the previous frame (modulo 256), Huffman-coded by zlib. `png` and `jpeg1` to
`jpeg100` are one grey strip, with the frames from top to bottom. The member's suffix names the
format. benchmarks/codec.py measures them.
"""

import io
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipnet.errors import InputError
from lipnet.image_size import MAX_PIXELS, find_size
from lipnet.npz import parse_npy

# T frames  H W pixels
Crops = NDArray[np.uint8]
MEMBER = "crops"  # the part of a member's name between the clip's key and the suffix
DEFAULT_CODEC = "delta"
MAX_JPEG_HEIGHT, MAX_PNG_HEIGHT = 65_500, 1_000_000  # pixels, by libjpeg and libpng
SIZES = struct.Struct("<3I")  # T, H, W before the deflated differences
PIXELS_PER_BYTE = 8  # a Huffman code takes at least one bit
OPENCV = f"opencv {cv2.__version__}"
PNG_OPTIONS = (
    cv2.IMWRITE_PNG_COMPRESSION, 1,
    cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY,
    cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_PAETH,
)  # fmt: skip


@dataclass(frozen=True)
class Codec:
    """A way to pack crops; `made_with` is the library and version that decide the bytes."""

    name: str
    suffix: str
    encode: Callable[[Crops], bytes]
    made_with: str = ""
    max_height: int | None = None

    def pack(self, crops_THW: Crops) -> tuple[str, bytes]:
        """The member's suffix and bytes; a clip too large for one image is packed as `delta`."""
        height = crops_THW.shape[0] * crops_THW.shape[1]
        if self.max_height is not None and (
            height > self.max_height or crops_THW.size > MAX_PIXELS
        ):
            return CODECS["delta"].pack(crops_THW)
        return self.suffix, self.encode(crops_THW)


def find_codec(name: str) -> Codec:
    """The codec of that name; InputError, with the known names, for another."""
    quality = re.fullmatch(r"jpeg([1-9]\d?|100)", name)
    if quality is not None:
        options = (cv2.IMWRITE_JPEG_QUALITY, int(quality[1]))
        encode = _strip_encoder(".jpg", options)
        return Codec(name, "jpg", encode, OPENCV, MAX_JPEG_HEIGHT)
    if name not in CODECS:
        known = ", ".join(CODECS)
        raise InputError(f"unknown shards.codec {name!r}; known: {known}, jpeg1 to jpeg100")
    return CODECS[name]


def unpack(suffix: str, content: bytes) -> Crops:
    """The crops [T, H, W] of a member; ValueError if it is damaged or its suffix is unknown."""
    if suffix not in DECODERS:
        raise ValueError(f"unknown member {MEMBER}.{suffix}")
    return DECODERS[suffix](content)


def decode_member(key: str, content: bytes) -> Crops | None:
    """For `webdataset.WebDataset(...).decode(decode_member)`: the crops; None for other members."""
    _, _, suffix = key.rpartition(f"{MEMBER}.")
    return unpack(suffix, content) if suffix in DECODERS else None


def _encode_npy(crops_THW: Crops) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(crops_THW), version=(1, 0))
    return buffer.getvalue()


def _decode_npy(content: bytes) -> Crops:
    crops_THW = parse_npy(content)
    if crops_THW.dtype != np.uint8 or crops_THW.ndim != 3 or not crops_THW.size:
        raise ValueError(f"crops of {crops_THW.dtype} {crops_THW.shape}, not uint8 [T, H, W]")
    return crops_THW


def _encode_delta(crops_THW: Crops) -> bytes:
    change_THW = crops_THW.copy()
    change_THW[1:] -= crops_THW[:-1]
    slope_THW = change_THW.copy()
    slope_THW[:, 1:] -= change_THW[:, :-1]
    # Rows first, so that undoing the rows adds long contiguous pieces.
    rows_HTW = np.ascontiguousarray(slope_THW.transpose(1, 0, 2))
    # Matches are rare in noise: Huffman coding alone is smaller than level 6 and many times faster.
    deflate = zlib.compressobj(1, zlib.DEFLATED, 15, 8, zlib.Z_HUFFMAN_ONLY)
    return SIZES.pack(*crops_THW.shape) + deflate.compress(rows_HTW.data) + deflate.flush()


def _decode_delta(content: bytes) -> Crops:
    if len(content) < SIZES.size:
        raise ValueError(f"{len(content)} bytes are too few for crops")
    frames, height, width = SIZES.unpack_from(content)
    pixels = frames * height * width
    if not 0 < pixels <= PIXELS_PER_BYTE * len(content):
        raise ValueError(f"{len(content)} bytes cannot hold {frames} x {height} x {width} pixels")
    try:
        inflated = _inflate(memoryview(content)[SIZES.size :], pixels)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    rows_HTW = np.frombuffer(bytearray(inflated), np.uint8).reshape(height, frames, width)
    for row in range(1, height):
        rows_HTW[row] += rows_HTW[row - 1]
    crops_THW = np.ascontiguousarray(rows_HTW.transpose(1, 0, 2))
    for frame in range(1, frames):
        crops_THW[frame] += crops_THW[frame - 1]
    return crops_THW


def _inflate(packed: memoryview, size: int) -> bytes:
    """The `size` bytes that are packed; ValueError if there are fewer or more, which are not
    unpacked."""
    inflater = zlib.decompressobj()
    inflated = inflater.decompress(packed, size)
    more = inflater.decompress(inflater.unconsumed_tail, 1)  # reads the check sum at the end
    if more or len(inflated) != size or not inflater.eof or inflater.unused_data:
        raise ValueError(f"it does not hold {size} pixels")
    return inflated


def _strip_encoder(extension: str, options: tuple[int, ...]) -> Callable[[Crops], bytes]:
    def encode(crops_THW: Crops) -> bytes:
        _, height, width = crops_THW.shape
        if height != width:
            raise ValueError(f"crops of {height} x {width} pixels: a strip needs square crops")
        written, image = cv2.imencode(extension, crops_THW.reshape(-1, width), list(options))
        if not written:
            raise ValueError(f"OpenCV cannot write {extension}")
        return bytes(image)

    return encode


def _decode_strip(content: bytes) -> Crops:
    height, width = find_size(content)
    if height % width:
        raise ValueError("not a strip of square images")
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error as error:
        raise ValueError("not an image") from error
    if image is None or image.shape != (height, width):
        raise ValueError("not an image of the size in its header")
    return np.asarray(image, np.uint8).reshape(-1, width, width)


CODECS = {
    codec.name: codec
    for codec in (
        Codec("raw", "npy", _encode_npy),
        Codec("delta", "delta", _encode_delta, f"zlib {zlib.ZLIB_RUNTIME_VERSION}"),
        Codec("png", "png", _strip_encoder(".png", PNG_OPTIONS), OPENCV, MAX_PNG_HEIGHT),
    )
}
DECODERS: dict[str, Callable[[bytes], Crops]] = {
    "npy": _decode_npy,
    "delta": _decode_delta,
    "png": _decode_strip,
    "jpg": _decode_strip,
}
