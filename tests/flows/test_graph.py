"""The graph is read from DVC and ordered so that every stage can run."""

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


def test_dot_gives_the_stages_and_their_needs() -> None:
    graph = parse_dot(DOT)
    assert graph.needs["report"] == {"scratch@rn18", "raw"}
    assert graph.order == ["raw", "scratch@rn18", "report"]


def test_a_subgraph_has_the_wanted_stages_and_what_they_need() -> None:
    graph = parse_dot(DOT)
    assert graph.only(["scratch@rn18"], above=True).order == ["raw", "scratch@rn18"]
    assert graph.only(["scratch"], above=False).needs == {"scratch@rn18": frozenset()}
    assert graph.only(["report", "taught"], above=False).order == ["report"]
    with pytest.raises(InputError, match="no stage taught@rn18 in this .*; known: raw, scratch@"):
        graph.only(["taught@rn18"], above=True)


def test_a_cycle_of_stages_is_named() -> None:
    cycle = parse_dot('"a" -> "b";\n"b" -> "a";')
    with pytest.raises(InputError, match=r"form a cycle: (a -> b -> a|b -> a -> b)$"):
        _ = cycle.order


@pytest.mark.slow
def test_graph_and_staleness_come_from_dvc(make_repository: Callable[..., Path]) -> None:
    folder = make_repository()
    graph = read_graph(folder)
    assert graph.needs["end"] == {"side@a", "side@b"}
    assert read_stale(folder) == {"top", "side@a", "side@b", "end"}


@pytest.mark.slow
def test_a_broken_graph_is_reported_with_dvcs_message(make_repository: Callable[..., Path]) -> None:
    folder = make_repository("stages: [")
    with pytest.raises(InputError, match=r"dvc.yaml"):
        read_graph(folder)
