"""The graph of packages in docs/architecture.md, made from the code's imports.

`python -m scripts.draw_imports` writes it; tests/contract compares it with the code.
"""

from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path

from tests.contract.imports import PACKAGES, ROOT, imported_files, python_files

DOCUMENT = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- imports: made by scripts/draw_imports.py -->", "<!-- end of imports -->"
BASE = "lipnet/*.py"  # the modules directly in lipnet, which every package may import
Graph = dict[str, set[str]]


def package_of(path: Path) -> str:
    """`lipnet/data/loader.py` is in lipnet/data, `lipnet/clip.py` in the base."""
    parts = path.relative_to(ROOT).parts
    if parts[0] != "lipnet":
        return parts[0]
    return "/".join(parts[:2]) if len(parts) > 2 else BASE


def read_graph() -> Graph:
    """Each package with those that its modules import."""
    graph: Graph = {}
    for path in (file for package in PACKAGES for file in python_files(package)):
        if path == ROOT / "lipnet" / "__init__.py":  # imports nothing until it is asked for a name
            continue
        package = package_of(path)
        found = {own for name in PACKAGES for own in imported_files(path, name)}
        graph.setdefault(package, set()).update(map(package_of, found))
    for package, imported in graph.items():
        imported -= {package, BASE}
    return graph


def reached(graph: Mapping[str, set[str]], package: str) -> set[str]:
    """The packages that this one imports, directly or through others."""
    found: set[str] = set()
    waiting = list(graph[package])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += graph[name]
    return found


def reduce_graph(graph: Mapping[str, set[str]]) -> Graph:
    """The same without the imports that another import implies."""
    return {
        package: imported - set().union(*(reached(graph, name) for name in imported))
        for package, imported in graph.items()
    }


def draw(graph: Mapping[str, set[str]]) -> str:
    """One line per package, each above all that it imports; equal graphs give equal text."""
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    lines: list[str] = []
    width = max(map(len, graph))
    reduced = reduce_graph(graph)
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), reverse=True)
        for package in ready:
            arrows = f" -> {', '.join(sorted(reduced[package]))}" if reduced[package] else ""
            lines.append(f"{package:<{width}}{arrows}".rstrip())
        sorter.done(*ready)
    return "\n".join(reversed(lines))


def insert(text: str, drawn: str) -> str:
    """The document with the graph between its two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n```text\n{drawn}\n```\n{END}{after}"


def main() -> None:
    """Write the graph into the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(insert(text, draw(read_graph())), encoding="utf-8")


if __name__ == "__main__":
    main()
