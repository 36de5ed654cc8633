"""CSV files of dataclass rows: one column per field, parsed and checked when they are read.

A field is str, int, float, bool, a tuple of these (written with spaces between), or another
dataclass, whose columns carry the field's name and "_" as a prefix. A field that may be None is
an empty cell; the columns of a nested dataclass that no row has are left out of the file. A field
whose default is None may have no column, as in files from before there was such a field.
"""

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from lipnet.errors import InputError
from lipnet.files import write_atomic

DIGITS = 6
BOOLS = {"0": False, "1": True}
NAMES: Mapping[type, str] = {bool: "0 or 1", int: "a whole number", float: "a number"}
REWRITE = "write the report again (`dvc repro --force --single-item report`)"
Value = str | int | float | bool | tuple[str, ...] | tuple[int, ...] | tuple[float, ...] | None
Row = TypeVar("Row")


@dataclass(frozen=True)
class Format:
    """In an Annotated field: how its numbers are written, instead of with six digits."""

    spec: str


@dataclass(frozen=True)
class Prefix:
    """In an Annotated field that is a dataclass: what its columns' names begin with."""

    text: str


@dataclass(frozen=True)
class _Field:
    """A field as columns: what one cell or one word of it is, and what may be missing."""

    name: str
    base: type
    is_optional: bool
    is_many: bool
    spec: str
    prefix: str
    may_lack_column: bool

    @property
    def is_nested(self) -> bool:
        return is_dataclass(self.base)


def write_rows(path: Path, row_type: type, rows: Iterable[object]) -> None:
    """Write the rows as CSV, atomically; equal rows give equal bytes."""
    cells = [_cells_of(row) for row in rows]
    columns = _columns_of(row_type, {name for row in cells for name in row})
    with write_atomic(path) as partial, partial.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(cells)


def read_rows(path: Path, row_type: type[Row]) -> list[Row]:
    """Read what `write_rows` wrote; InputError names the file, the line and the column."""
    if not path.exists():
        raise InputError(f"no {path} yet: run `make reproduce` (or `dvc repro`) first")
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            reader = csv.DictReader(lines)
            return [_parse_row(row_type, row, f"{path}, line {reader.line_num}") for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path} cannot be read ({error}): remove it and run `dvc repro`"
        ) from None


def column_values(row: object) -> dict[str, Value]:
    """Each column's value, as in the file but with its type; without those that are missing."""
    return {name: value for name, value, _ in _walk(row) if value is not None}


def _walk(row: object, prefix: str = "") -> Iterator[tuple[str, Value, str]]:
    """Column, value and format specification, in the order of the fields."""
    for own in _fields_of(type(row)):
        value = getattr(row, own.name)
        if not own.is_nested:
            yield prefix + own.name, value, own.spec
        elif value is not None:
            yield from _walk(value, prefix + own.prefix)


def _cells_of(row: object) -> dict[str, str]:
    return {name: _write_cell(value, spec) for name, value, spec in _walk(row)}


def _write_cell(value: Value, spec: str) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return " ".join(_write_cell(part, spec) for part in value)
    if isinstance(value, bool):
        return str(int(value))
    if spec:
        return format(value, spec)
    return repr(round(float(value), DIGITS)) if isinstance(value, float) else str(value)


def _columns_of(row_type: type, used: set[str], prefix: str = "") -> list[str]:
    """All columns of a row; those of a nested dataclass that may be missing only if used."""
    names: list[str] = []
    for own in _fields_of(row_type):
        if not own.is_nested:
            names.append(prefix + own.name)
            continue
        inside = _columns_of(own.base, used, prefix + own.prefix)
        names += inside if not own.is_optional or used.intersection(inside) else []
    return names


def _parse_row(
    row_type: type[Row], cells: Mapping[str, str | None], place: str, prefix: str = ""
) -> Row:
    values: dict[str, object] = {}
    for own in _fields_of(row_type):
        if own.is_nested:
            below = prefix + own.prefix
            empty = not any(cells.get(name) for name in _columns_of(own.base, set(), below))
            is_missing = own.is_optional and empty
            values[own.name] = None if is_missing else _parse_row(own.base, cells, place, below)
            continue
        if own.may_lack_column and prefix + own.name not in cells:
            values[own.name] = () if own.is_many else None
            continue
        text = cells.get(prefix + own.name)
        if text is None:
            raise InputError(f"{place}: no column {prefix + own.name!r}: {REWRITE}")
        values[own.name] = _parse_cell(own, text, f"{place}, column {prefix + own.name!r}")
    try:
        return row_type(**values)
    except InputError as error:
        raise InputError(f"{place}: {error}") from None


def _parse_cell(own: _Field, text: str, place: str) -> object:
    if own.is_many:
        return tuple(_parse_word(own.base, word, place) for word in text.split())
    if own.is_optional and not text:
        return None
    return _parse_word(own.base, text, place)


def _parse_word(base: type, text: str, place: str) -> object:
    if base is str:
        return text
    try:
        value = BOOLS[text] if base is bool else base(text)
    except (KeyError, ValueError):
        raise InputError(f"{place}: {text!r} is not {NAMES[base]}: {REWRITE}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{place}: {text!r} is not a finite number: {REWRITE}")
    return value


def _fields_of(row_type: type) -> tuple[_Field, ...]:
    return _inspect(row_type)


@cache
def _inspect(row_type: type) -> tuple[_Field, ...]:
    hints = get_type_hints(row_type, include_extras=True)
    return tuple(
        _field_of(own.name, hints[own.name], may_lack_column=own.default in (None, ()))
        for own in fields(row_type)
    )


def _field_of(name: str, hint: Any, *, may_lack_column: bool) -> _Field:
    marks: Sequence[object] = ()
    if get_origin(hint) is Annotated:
        hint, *marks = get_args(hint)
    alternatives = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    (base,) = (one for one in alternatives if one is not NoneType)
    is_many = get_origin(base) is tuple
    return _Field(
        name,
        base=get_args(base)[0] if is_many else base,
        is_optional=NoneType in alternatives,
        is_many=is_many,
        spec=next((mark.spec for mark in marks if isinstance(mark, Format)), ""),
        prefix=next((mark.text for mark in marks if isinstance(mark, Prefix)), f"{name}_"),
        may_lack_column=may_lack_column,
    )
