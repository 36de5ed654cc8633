"""CSV files of dataclass rows: what is written is read back, and a wrong cell is named."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipnet.errors import InputError
from lipnet.report.csv_rows import Format, Prefix, column_values, read_rows, write_rows

NUMBERS = st.floats(-1e6, 1e6).map(lambda value: round(value, 6) + 0.0)
WORDS = st.text(st.characters(blacklist_categories=("Z", "C")), min_size=1)


@dataclass(frozen=True)
class Inner:
    first: Annotated[float, Format(".2f")]
    second: int | None


@dataclass(frozen=True)
class Outer:
    name: str
    words: tuple[str, ...]
    flag: bool | None
    plain: Annotated[Inner, Prefix("")]
    value: float
    counts: tuple[int, ...]
    extra: Inner | None


def inners() -> st.SearchStrategy[Inner]:
    hundredths = st.integers(-1000, 1000).map(lambda value: value / 100)
    return st.builds(Inner, hundredths, st.none() | st.integers())


@pytest.mark.slow
@given(
    st.lists(
        st.builds(
            Outer,
            # csv reads a NUL or a carriage return differently from how it was written
            st.text(st.characters(blacklist_categories=("C",))),
            st.lists(WORDS).map(tuple),
            st.none() | st.booleans(),
            inners(),
            NUMBERS,
            st.lists(st.integers()).map(tuple),
            st.none() | inners(),
        )
    )
)
def test_rows_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Outer]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    write_rows(path, Outer, rows)
    assert read_rows(path, Outer) == rows


def test_columns_are_the_fields_and_unused_ones_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    row = Outer("a", ("b", "c"), True, Inner(1.0, None), 0.25, (), None)
    write_rows(path, Outer, [row])
    assert path.read_text() == "name,words,flag,first,second,value,counts\na,b c,1,1.00,,0.25,\n"
    write_rows(path, Outer, [Outer("a", (), None, Inner(1.0, 2), 0.25, (3,), Inner(0.5, None))])
    assert path.read_text().endswith("extra_first,extra_second\na,,,1.00,2,0.25,3,0.50,\n")
    known = {"name": "a", "words": ("b", "c"), "flag": True, "first": 1.0, "value": 0.25}
    assert column_values(row) == {**known, "counts": ()}


@dataclass(frozen=True)
class Later:
    name: str
    words: tuple[str, ...] = ()
    number: int | None = None


def test_columns_that_earlier_files_lack_are_read_and_written_again_as_empty(
    tmp_path: Path,
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("name\na\n")
    rows = read_rows(path, Later)
    assert rows == [Later("a")]
    write_rows(path, Later, rows)
    assert read_rows(path, Later) == rows


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,,2,1.0,,0.5,", r"line 2, column 'flag': '2' is not 0 or 1"),
        ("a,,,1.0,x,0.5,", r"column 'second': 'x' is not a whole number"),
        ("a,,,1.0,,nan,", r"column 'value': 'nan' is not a finite number"),
        ("a,,,1.0,,,", r"column 'value': '' is not a number"),
        ("a,,,1.0,,0.5", r"no column 'counts'"),
    ],
)
def test_a_wrong_cell_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"name,words,flag,first,second,value,counts\n{line}\n")
    with pytest.raises(InputError, match=message):
        read_rows(path, Outer)


@dataclass(frozen=True)
class Extended(Inner):
    later: float | None = None


def test_a_field_whose_default_is_none_may_have_no_column(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write_rows(path, Inner, [Inner(1.0, 2)])
    assert read_rows(path, Extended) == [Extended(1.0, 2)]
    write_rows(path, Extended, [Extended(1.0, 2, 0.5)])
    assert read_rows(path, Extended) == [Extended(1.0, 2, 0.5)]
    path.write_text("first,second,later\n1.0,2\n")  # the line ends too soon
    with pytest.raises(InputError, match="no column 'later'"):
        read_rows(path, Extended)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no .*rows\.csv yet: run `make reproduce`"):
        read_rows(tmp_path / "rows.csv", Outer)
