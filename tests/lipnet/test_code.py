"""The digest of the code that made a result."""

from pathlib import Path

import pytest

from lipnet import code
from lipnet.code import code_digest, needed_files, reached_files
from tests.contract.imports import ROOT, reachable_files


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty package named lipnet."""
    folder = tmp_path / "lipnet"
    folder.mkdir()
    monkeypatch.setattr(code, "PACKAGE", folder)
    return folder


def fresh_digest(*modules: str) -> str:
    """The digest without cached results."""
    for cached in (code.code_digest, code._imported_files, code._parse):
        cached.cache_clear()
    return code_digest(*modules)


def test_only_what_runs_counts(package: Path) -> None:
    digests = []
    for text in ('"""Doc."""\nx = 1\n', '"""Other."""\n# why\nx  =  1\n', "x = 2\n"):
        (package / "m.py").write_text(text)
        digests.append(fresh_digest("m"))
    assert digests[0] == digests[1] != digests[2]


def test_an_imported_module_counts_wherever_it_is_imported(package: Path) -> None:
    (package / "top.py").write_text("def f():\n    from lipnet.below import g\n    return g()\n")
    (package / "below.py").write_text("g = int\n")
    (package / "apart.py").write_text("h = 1\n")
    first = fresh_digest("top")
    (package / "apart.py").write_text("h = 2\n")
    assert fresh_digest("top") == first
    (package / "below.py").write_text("g = float\n")
    assert fresh_digest("top") != first


@pytest.mark.parametrize("module", ["landmarks.tracker", "cutting.cut", "lineage.lineage"])
def test_it_reaches_what_an_independent_reading_of_the_imports_reaches(module: str) -> None:
    start = ROOT / "lipnet" / f"{module.replace('.', '/')}.py"
    reached = reachable_files(start, "lipnet") | {start}
    names = {str(path.relative_to(ROOT / "lipnet")) for path in reached}
    expected = {name for name in names if not name.endswith("__init__.py")} - code.NEUTRAL
    assert set(reached_files(module)) == expected


def test_what_a_program_needs_is_what_it_imports_and_the_packages_around_it() -> None:
    program = ROOT / "tracking" / "pyfunc.py"
    needed = set(needed_files(program))
    modules = {path for path in needed if path.name != "__init__.py"}
    reached = reachable_files(program, "lipnet")
    assert modules == {path for path in reached if path.name != "__init__.py"}
    assert {path.parent / "__init__.py" for path in modules} <= needed
