"""Packed tensors as two byte strings, a table and the data; equal tensors give equal bytes."""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import accumulate
from math import prod

import numpy as np
from numpy.typing import NDArray

from lipnet.coding.symbols import (
    Symbols,
    decode_symbols,
    encode_symbols,
    gaps_of,
    kept_from_gaps,
)
from lipnet.coding.tensors import CODEBOOK, COUNT, KINDS, NO_CODES, Packed
from lipnet.records import Record, parse_json

FORMAT = 1
MAX_TABLE = 2**24  # bytes of a table's text
MASK, GAPS, ALL = "mask", "gaps", "all"
FLOAT_BYTES = 2


@dataclass(frozen=True)
class TableRow:
    """A tensor's line of the table; its floats, codes and kept mask follow each other in the data.

    `kept_as`: how the kept values are marked, by a mask of bits, by gaps, or not at all.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    bits: int
    floats: int
    codec: str
    codes_bytes: int
    kept_as: str
    kept: int
    kept_codec: str
    kept_symbols: int
    kept_bytes: int
    counts: tuple[int, ...]

    @property
    def data_bytes(self) -> int:
        return FLOAT_BYTES * self.floats + self.codes_bytes + self.kept_bytes


def encode_table(tensors: Mapping[str, Packed]) -> tuple[bytes, bytes]:
    """The table and the data of packed tensors, in the order of their names."""
    rows, data = [], []
    for name, packed in sorted(tensors.items()):
        row, own = _encode(name, packed)
        rows.append(row)
        data.append(own)
    # Columns rather than rows: a third smaller once compressed.
    columns = {name: [asdict(row)[name] for row in rows] for name in TableRow.__dataclass_fields__}
    text = json.dumps({"format": FORMAT, **columns}, sort_keys=True, separators=(",", ":"))
    return zlib.compress(text.encode(), 9), b"".join(data)


def decode_rows(table: bytes) -> list[TableRow]:
    """The rows of a table; ValueError if it is damaged or of another format."""
    try:
        decoder = zlib.decompressobj()
        found = parse_json(decoder.decompress(table, MAX_TABLE), limit=MAX_TABLE)
    except (zlib.error, ValueError) as error:
        raise ValueError(f"its table is not readable: {error}") from None
    if not isinstance(found, dict) or found.pop("format", None) != FORMAT:
        raise ValueError(f"its table is not of format {FORMAT}")
    names = list(TableRow.__dataclass_fields__)
    columns = [found.get(name) for name in names]
    if not all(isinstance(column, list) for column in columns):
        raise ValueError("its table lacks a column")
    listed = zip(*(column for column in columns if isinstance(column, list)), strict=True)
    return [_parse_row(dict(zip(names, values, strict=True))) for values in listed]


def decode_tensors(rows: Sequence[TableRow], data: bytes) -> dict[str, Packed]:
    """The packed tensors of a table; ValueError if the data do not fit it.

    The caller has compared the shapes with those that it expects: they are allocated.
    """
    ends = list(accumulate(row.data_bytes for row in rows))
    if len(data) != (ends[-1] if ends else 0):
        raise ValueError(f"{len(data)} bytes of data do not fit its table")
    starts = [0, *ends]
    return {
        row.name: _decode(row, data[start:end])
        for row, start, end in zip(rows, starts, ends, strict=False)
    }


def _encode(name: str, packed: Packed) -> tuple[TableRow, bytes]:
    codec, codes = ALL, b""
    if KINDS[packed.kind].has_codes:
        codec, codes = encode_symbols(packed.codes, width_of(packed))
    kept_as, kept_codec, kept_symbols, kept = _encode_kept(packed.kept)
    row = TableRow(
        name=name,
        shape=packed.shape,
        kind=packed.kind,
        bits=packed.bits,
        floats=packed.floats.size,
        codec=codec,
        codes_bytes=len(codes),
        kept_as=kept_as,
        kept=packed.n_stored,
        kept_codec=kept_codec,
        kept_symbols=kept_symbols,
        kept_bytes=len(kept),
        counts=packed.counts,
    )
    return row, packed.floats.astype("<f2").tobytes() + codes + kept


def width_of(packed: Packed) -> int:
    """Bits of a code in fixed width; signs have 1."""
    return packed.bits or 1


def _encode_kept(kept_N: NDArray[np.bool_] | None) -> tuple[str, str, int, bytes]:
    """The shorter of a mask of bits and of the gaps between kept values."""
    if kept_N is None:
        return ALL, ALL, 0, b""
    codec, mask = encode_symbols(kept_N.astype(np.uint8), 1)
    gaps = gaps_of(kept_N)
    gaps_codec, shorter = encode_symbols(gaps, 8)
    if len(shorter) < len(mask):
        return GAPS, gaps_codec, len(gaps), shorter
    return MASK, codec, len(kept_N), mask


def _decode(row: TableRow, data: bytes) -> Packed:
    floats_end = FLOAT_BYTES * row.floats
    codes_end = floats_end + row.codes_bytes
    packed = Packed(
        shape=row.shape,
        kind=row.kind,
        floats=np.frombuffer(data[:floats_end], "<f2").astype(np.float16),
        codes=NO_CODES,
        bits=row.bits,
        kept=_decode_kept(row, data[codes_end:]),
        counts=row.counts,
    )
    fits = packed.n_stored == row.kept and len(row.counts) == (
        prod(row.shape) if row.kind == COUNT else 0
    )
    expected = KINDS[row.kind].count_floats(packed)
    if not fits or (row.floats > expected if row.kind == CODEBOOK else row.floats != expected):
        raise ValueError(f"{row.name}: its parts do not fit its shape")
    if not KINDS[row.kind].has_codes:
        return packed
    codes = decode_symbols(row.codec, data[floats_end:codes_end], width_of(packed), row.kept)
    limit = row.floats if row.kind == CODEBOOK else 2 ** width_of(packed)
    if codes.size and int(codes.max()) >= limit:
        raise ValueError(f"{row.name}: a code is out of range")
    return replace(packed, codes=codes)


def _decode_kept(row: TableRow, data: bytes) -> NDArray[np.bool_] | None:
    if row.kept_as == ALL:
        return None
    count = prod(row.shape)
    if row.kept_as == MASK and row.kept_symbols == count:
        return decode_symbols(row.kept_codec, data, 1, count).astype(np.bool_)
    if row.kept_as == GAPS and row.kept_symbols <= count:
        symbols: Symbols = decode_symbols(row.kept_codec, data, 8, row.kept_symbols)
        return kept_from_gaps(symbols, count)
    raise ValueError(f"{row.name}: its kept values are not marked as in format {FORMAT}")


def _parse_row(values: Mapping[str, object]) -> TableRow:
    found = Record(dict(values))
    kind = found.text("kind")
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}")
    return TableRow(
        name=found.text("name"),
        shape=_numbers(found, "shape"),
        kind=kind,
        bits=_bits(found.count("bits"), kind),
        floats=found.count("floats"),
        codec=found.text("codec"),
        codes_bytes=found.count("codes_bytes"),
        kept_as=found.text("kept_as"),
        kept=found.count("kept"),
        kept_codec=found.text("kept_codec"),
        kept_symbols=found.count("kept_symbols"),
        kept_bytes=found.count("kept_bytes"),
        counts=_numbers(found, "counts"),
    )


def _bits(bits: int, kind: str) -> int:
    low, high = KINDS[kind].bits
    if not low <= bits <= high:
        raise ValueError(f"{bits} bits of {kind}")
    return bits


def _numbers(found: Record, name: str) -> tuple[int, ...]:
    numbers = found.list(name)
    if not all(type(number) is int and 0 <= number < 2**62 for number in numbers):
        raise ValueError(f"{name} {numbers}: whole numbers")
    return tuple(int(str(number)) for number in numbers)
