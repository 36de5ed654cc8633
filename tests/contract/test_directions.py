"""Who may import whom: packages form a DAG, and each outside tool has one package of its own."""

from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.contract.imports import PACKAGES, ROOT, imported_files, imported_names, python_files

# What each top-level package may import of the others. lipnet may import none of them.
MAY_IMPORT = {
    "lipnet": set(),
    "pipeline": {"lipnet"},
    "tracking": {"lipnet", "pipeline"},
    "cluster": {"lipnet", "pipeline"},
    "stages": {"lipnet", "pipeline", "tracking", "cluster"},
    "flows": {"pipeline", "cluster.connection", "tracking.uri", "lipnet.errors"},
}
# The packages that may import an outside tool.
OWNERS = {
    "mlflow": {"tracking"},
    "ray": {"cluster"},
    "prefect": {"flows"},
    "yaml": {"pipeline"},
    "pydantic": {"pipeline"},
    "dvc": {"pipeline"},
    "hydra": {"pipeline"},
}


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package: str) -> None:
    allowed = (package, *MAY_IMPORT[package])
    for path in python_files(package):
        ours = {n for n in imported_names(path) if n.split(".")[0] in PACKAGES}
        wrong = {n for n in ours if not any(n == a or n.startswith(f"{a}.") for a in allowed)}
        assert not wrong, path


@pytest.mark.parametrize("tool", sorted(OWNERS))
def test_each_tool_has_its_owner(tool: str) -> None:
    users = {
        package
        for package in PACKAGES
        for path in python_files(package)
        if tool in {name.split(".")[0] for name in imported_names(path)}
    }
    assert users <= OWNERS[tool]


def package_of(path: Path) -> str:
    """`lipnet/data/loader.py` is in lipnet/data; a file directly in lipnet is its own package."""
    parts = path.relative_to(ROOT).parts
    return "/".join(parts[:2]) if parts[0] == "lipnet" else parts[0]


def test_packages_form_a_dag() -> None:
    graph: dict[str, set[str]] = {}
    for path in (file for package in PACKAGES for file in python_files(package)):
        package = package_of(path)
        ours = {found for name in PACKAGES for found in imported_files(path, name)}
        graph.setdefault(package, set()).update(map(package_of, ours))
        graph[package].discard(package)
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"packages import each other: {' -> '.join(error.args[1])}")


def test_the_check_for_cycles_finds_one() -> None:
    with pytest.raises(CycleError):
        list(TopologicalSorter({"a": {"b"}, "b": {"c"}, "c": {"a"}}).static_order())


def test_every_file_says_what_it_owns() -> None:
    for package in PACKAGES:
        for path in python_files(package):
            text = path.read_text(encoding="utf-8")
            assert not text or text.startswith('"""'), path


def test_our_own_code_imports_modules_and_not_the_public_interface() -> None:
    """A module that imports `lipnet` itself depends on all of it, and no digest sees that."""
    for path in (file for package in PACKAGES for file in python_files(package)):
        assert ROOT / "lipnet" / "__init__.py" not in imported_files(path, "lipnet"), path


def test_only_training_imports_the_compiler() -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in python_files(package)
        if any(f"{name}.".startswith("torch._dynamo.") for name in imported_names(path))
    }
    assert users <= {"lipnet/train/compile.py"}


def test_only_one_module_locks_files() -> None:
    """It names the folder of a file system without locks."""
    users = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in python_files(package)
        if "fcntl" in imported_names(path)
    }
    assert users == {"lipnet/locks.py"}
