"""The graph is read from DVC itself, and ordered so that every stage can run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flows.graph import parse_dot, read_graph, read_stale
from lipnet.errors import InputError

DOT = """strict digraph {
"raw";
"scratch@rn18";
"report";
"raw" -> "scratch@rn18";
"scratch@rn18" -> "report";
"raw" -> "report";
}
"""


def test_dot_gives_stages_and_what_they_need() -> None:
    graph = parse_dot(DOT)
    assert graph.needs["report"] == {"scratch@rn18", "raw"}
    assert graph.order == ["raw", "scratch@rn18", "report"]


def test_a_part_has_what_is_wanted_and_what_that_needs() -> None:
    graph = parse_dot(DOT)
    assert graph.only(["scratch@rn18"], above=True).order == ["raw", "scratch@rn18"]
    assert graph.only(["scratch"], above=False).needs == {"scratch@rn18": frozenset()}
    assert graph.only(["report", "taught"], above=False).order == ["report"]
    with pytest.raises(InputError, match="no stage taught@rn18 in this profile: raw, scratch@rn18"):
        graph.only(["taught@rn18"], above=True)


def test_circle_of_stages_is_named() -> None:
    circle = parse_dot('"a" -> "b";\n"b" -> "a";')
    with pytest.raises(InputError, match="circle"):
        _ = circle.order


def test_graph_and_staleness_come_from_dvc(make_repository: Callable[..., Path]) -> None:
    folder = make_repository()
    graph = read_graph(folder)
    assert graph.needs["end"] == {"side@a", "side@b"}
    assert read_stale(folder) == {"top", "side@a", "side@b", "end"}


def test_broken_graph_is_told_in_the_words_of_dvc(make_repository: Callable[..., Path]) -> None:
    folder = make_repository("stages: [")
    with pytest.raises(InputError, match=r"dvc.yaml"):
        read_graph(folder)
