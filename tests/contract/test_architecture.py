"""docs/architecture.md shows the imports that the code has."""

from scripts.draw_imports import BEGIN, DOCUMENT, END, draw, insert, read_graph


def test_the_document_shows_the_packages_as_they_are() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    fresh = insert(text, draw(read_graph()))
    assert text == fresh, "stale: run `python -m scripts.draw_imports` and commit the result"


def test_a_package_is_drawn_above_what_it_imports_and_implied_imports_are_left_out() -> None:
    drawn = draw({"a": {"b", "c"}, "b": {"c"}, "c": set()})
    assert drawn.splitlines() == ["a -> b", "b -> c", "c"]
