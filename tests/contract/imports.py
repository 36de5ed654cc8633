"""Which first-party modules a file imports, read from its source."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("lipnet", "pipeline", "tracking", "cluster", "stages", "flows")


def python_files(package: str) -> list[Path]:
    """Every module of a package."""
    return sorted((ROOT / package).rglob("*.py"))


@cache
def imported_names(path: Path) -> frozenset[str]:
    """Full names of what the file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(names)


def imported_files(path: Path, package: str) -> set[Path]:
    """The files of `package` that this file imports directly."""
    found = set()
    for name in imported_names(path):
        if name.split(".")[0] == package:
            place = ROOT.joinpath(*name.split("."))
            candidates = (place.with_suffix(".py"), place / "__init__.py")
            found.update(c for c in candidates if c.exists())
    return found


def reachable_files(start: Path, package: str) -> set[Path]:
    """The files of `package` that this file imports, directly or through other such files."""
    found: set[Path] = set()
    waiting = [start]
    while waiting:
        for path in imported_files(waiting.pop(), package) - found:
            found.add(path)
            waiting.append(path)
    return found
