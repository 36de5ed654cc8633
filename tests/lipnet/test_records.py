"""Records: values come back as they are, and one that is missing or of another type is named."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipnet.records import Record

KINDS = {
    "text": st.text(),
    "integer": st.integers(),
    "count": st.integers(min_value=0),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "list": st.lists(st.integers()),
    "fields": st.dictionaries(st.text(), st.integers()),
    "counts": st.dictionaries(st.text(), st.integers(min_value=0)),
    "texts": st.dictionaries(st.text(), st.text()),
}
ACCEPTS = {
    "text": ("text",),
    "integer": ("integer", "number"),
    "count": ("count", "integer", "number"),
    "number": ("number",),
    "list": ("list",),
    "fields": ("fields",),
    "counts": ("counts", "fields"),
    "texts": ("texts", "fields"),
}


@pytest.mark.parametrize("kind", sorted(KINDS))
@given(st.data())
def test_a_value_is_read_as_its_own_kind(kind: str, data: st.DataObject) -> None:
    value = json.loads(json.dumps(data.draw(KINDS[kind])))
    record = Record({"x": value})
    for reader in ACCEPTS[kind]:
        expected = float(value) if reader == "number" else value
        assert getattr(record, reader)("x") == expected


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        ("text", 3),
        ("text", None),
        ("integer", "3"),
        ("integer", 3.0),
        ("integer", True),
        ("count", -1),
        ("number", "1.5"),
        ("number", float("nan")),
        ("number", float("inf")),
        ("number", 10**400),
        ("number", False),
        ("list", {}),
        ("fields", []),
        ("counts", {"a": -1}),
        ("counts", {"a": "1"}),
        ("texts", {"a": 1}),
        ("records", {"a": 1}),
    ],
)
def test_a_value_of_another_kind_is_refused_by_name(reader: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"x is .*, not|a is .*, not|not a JSON object"):
        getattr(Record({"x": value}), reader)("x")


def test_a_missing_value_is_named() -> None:
    with pytest.raises(ValueError, match="it has no clips"):
        Record({}).count("clips")


@pytest.mark.parametrize("value", [None, [], "text", 3])
def test_only_an_object_is_a_record(value: object) -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        Record(value)
