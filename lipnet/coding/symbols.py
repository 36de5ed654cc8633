"""Small integers as bytes: fixed width or Huffman, whichever is shorter; gaps between indices."""
# N symbols

import zlib

import numpy as np
from numpy.typing import NDArray

Symbols = NDArray[np.uint8]

FIXED, HUFFMAN = "fixed", "huffman"
NO_HEADER = -15  # zlib's window bits for deflate without header and checksum
ESCAPE = 255  # a gap that goes on: this many zeros, and no value


def encode_symbols(codes_N: Symbols, width: int) -> tuple[str, bytes]:
    """The shorter of both forms of symbols below 2^width, and its name; FIXED if they are equal."""
    forms = ((FIXED, _encode_fixed(codes_N, width)), (HUFFMAN, _encode_huffman(codes_N)))
    return min(forms, key=lambda form: len(form[1]))


def decode_symbols(codec: str, data: bytes, width: int, count: int) -> Symbols:
    """The symbols again; ValueError if `data` does not hold exactly `count` of them."""
    if codec == FIXED:
        return _decode_fixed(data, width, count)
    if codec == HUFFMAN:
        return _decode_huffman(data, count)
    raise ValueError(f"unknown codec {codec!r}")


def _encode_fixed(codes_N: Symbols, width: int) -> bytes:
    bits = (codes_N[:, None] >> np.arange(width, dtype=np.uint8)) & 1
    return np.packbits(bits.ravel(), bitorder="little").tobytes()


def _decode_fixed(data: bytes, width: int, count: int) -> Symbols:
    if len(data) != -(-count * width // 8):
        raise ValueError(f"{len(data)} bytes for {count} symbols of {width} bits")
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=count * width, bitorder="little")
    powers = (1 << np.arange(width)).astype(np.uint8)
    return np.asarray(bits.reshape(count, width) @ powers, dtype=np.uint8)


def _encode_huffman(codes_N: Symbols) -> bytes:
    """Deflate's Huffman codes of one byte per symbol, without its search for repetitions."""
    coder = zlib.compressobj(9, zlib.DEFLATED, NO_HEADER, 9, zlib.Z_HUFFMAN_ONLY)
    return coder.compress(codes_N.tobytes()) + coder.flush()


def _decode_huffman(data: bytes, count: int) -> Symbols:
    decoder = zlib.decompressobj(NO_HEADER)
    try:
        found = decoder.decompress(data, count + 1)
    except zlib.error as error:
        raise ValueError(f"damaged symbols: {error}") from None
    if len(found) != count:
        raise ValueError(f"not {count} symbols")
    return np.frombuffer(found, np.uint8)


def gaps_of(kept_N: NDArray[np.bool_]) -> Symbols:
    """The number of zeros before each kept value, in steps of at most ESCAPE."""
    gaps = np.diff(np.flatnonzero(kept_N), prepend=-1) - 1
    escapes, rest = np.divmod(gaps, ESCAPE)
    ends = np.cumsum(escapes + 1) - 1
    symbols = np.full(int((escapes + 1).sum()), ESCAPE, np.uint8)
    symbols[ends] = rest
    return symbols


def kept_from_gaps(symbols: Symbols, count: int) -> NDArray[np.bool_]:
    """The mask of `count` values again; ValueError if the gaps lead past its end."""
    is_value = symbols != ESCAPE
    steps = symbols.astype(np.int64) + is_value
    places = np.cumsum(steps)[is_value] - 1
    if len(places) and places[-1] >= count:
        raise ValueError("gaps lead past the last value")
    kept_N = np.zeros(count, np.bool_)
    kept_N[places] = True
    return kept_N
