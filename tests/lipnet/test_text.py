"""No text of other people commands a terminal, ends a line of a table or runs in a spreadsheet."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lipnet.text import describe_failed, escape, escape_lines, is_writable


@given(st.text())
@example("\x1b]0;title\x07")
@example("\u202egpj.exe")
@example("\x85")
def test_escaped_text_is_printable_and_on_its_line(text: str) -> None:
    assert escape(text).isprintable()
    assert escape_lines(text).count("\n") == text.count("\n")
    assert escape_lines(text).replace("\n", "").isprintable()


@given(st.text(st.characters(codec="utf-8"), max_size=20))
@example(" =1+1")
def test_a_writable_name_is_one_line_of_a_table_and_no_formula(name: str) -> None:
    if not is_writable(name):
        return
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerow([name, "x"])
    assert len(table.getvalue().splitlines()) == 1
    assert not name.strip().startswith(("=", "+", "-", "@"))
    assert "\x1b" not in name


@pytest.mark.parametrize(
    "name", ["yes", "it's", "a-b", "a=b", "\u0646\u0645\u200c\u06cc", "\u4f60\u597d", ""]
)
def test_words_of_any_script_are_writable(name: str) -> None:
    assert is_writable(name)


def test_failures_are_counted_by_reason() -> None:
    assert describe_failed({}) == "0 failed"
    assert describe_failed({"no_face": 2, "missing": 1}) == "3 failed (2 no_face, 1 missing)"
