"""JSON objects read field by field, each checked for its type."""

import json
import math
from collections.abc import Mapping

MAX_JSON = 16 * 2**20  # bytes; parsed, the worst text takes about 30 times as much


def parse_json(content: str | bytes, *, limit: int = MAX_JSON) -> object:
    """The value of a JSON text of at most `limit` bytes; ValueError if it is longer, nested too
    deeply or not JSON."""
    if len(content) > limit:
        raise ValueError(f"its JSON has more than {limit} bytes")
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None


class Record:
    """A JSON object; ValueError, naming the field, for a value that is missing or of another type.

    Fields that nobody asks for are ignored, so that older code reads newer files.
    """

    def __init__(self, value: object) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{_shorten(value)} is not a JSON object")
        self._fields: Mapping[str, object] = value

    def __contains__(self, key: str) -> bool:
        return key in self._fields

    def text(self, key: str) -> str:
        """A string."""
        value = self._get(key)
        if not isinstance(value, str):
            raise self._wrong(key, "a string")
        return value

    def optional_text(self, key: str) -> str | None:
        """A string or null."""
        return None if self._get(key) is None else self.text(key)

    def count(self, key: str) -> int:
        """A whole number of 0 or more."""
        value = self.integer(key)
        if value < 0:
            raise self._wrong(key, "a count")
        return value

    def integer(self, key: str) -> int:
        """A whole number; true and false are not numbers."""
        value = self._get(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong(key, "a whole number")
        return value

    def number(self, key: str) -> float:
        """A finite number, as the nearest float."""
        value = self._get(key)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self._wrong(key, "a number")
        try:
            number = float(value)
        except OverflowError:  # a whole number beyond the range of floats
            number = math.inf
        if not math.isfinite(number):
            raise self._wrong(key, "a finite number")
        return number

    def optional_number(self, key: str) -> float | None:
        """A finite number or null."""
        return None if self._get(key) is None else self.number(key)

    def fraction(self, key: str) -> float:
        """A number in 0..1."""
        value = self.number(key)
        if not 0 <= value <= 1:
            raise self._wrong(key, "in 0..1")
        return value

    def fields(self, key: str) -> dict[str, object]:
        """An object, with its values unchecked."""
        value = self._get(key)
        if not isinstance(value, dict):
            raise self._wrong(key, "an object")
        return value

    def record(self, key: str) -> "Record":
        """An object to be read in its turn."""
        return Record(self.fields(key))

    def counts(self, key: str) -> dict[str, int]:
        """An object of counts by name."""
        found = self.record(key)
        return {name: found.count(name) for name in found._fields}

    def texts(self, key: str) -> dict[str, str]:
        """An object of strings by name."""
        found = self.record(key)
        return {name: found.text(name) for name in found._fields}

    def numbers(self, key: str) -> "list[float]":
        """A list of finite numbers."""
        items = self.list(key)
        return [Record({key: item}).number(key) for item in items]

    def list(self, key: str) -> list[object]:
        """A list, with its values unchecked."""
        value = self._get(key)
        if not isinstance(value, list):
            raise self._wrong(key, "a list")
        return value

    def records(self, key: str) -> dict[str, "Record"]:
        """An object of objects by name."""
        return {name: Record(value) for name, value in self.fields(key).items()}

    def _get(self, key: str) -> object:
        if key not in self._fields:
            raise ValueError(f"it has no {key}")
        return self._fields[key]

    def _wrong(self, key: str, wanted: str) -> ValueError:
        return ValueError(f"{key} is {_shorten(self._fields[key])}, not {wanted}")


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
