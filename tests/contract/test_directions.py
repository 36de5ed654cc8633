"""Who may import whom: flows -> stages -> lipnet, and one owner for each outside tool."""

import pytest

from tests.contract.imports import PACKAGES, ROOT, imported_names, python_files

FORBIDDEN = {
    "lipnet": {"stages", "flows", "prefect", "dvc", "ray", "mlflow", "yaml", "pydantic"},
    "stages": {"flows", "prefect"},
    "flows": {"ray", "mlflow", "torch", "dvc", "yaml"},
}
OWNERS = {
    "mlflow": {f"stages/{n}.py" for n in ("tracking", "registry", "logged_model", "pyfunc")},
    "ray": {"stages/cluster.py", "stages/together.py"},
    "yaml": {"stages/params.py"},
    "dvc": {"stages/profile.py"},
    "hydra": {"stages/profile.py"},
}
FLOWS_MAY_USE = (
    *("stages.checkout", "stages.main", "stages.params", "stages.paths", "stages.tracking_uri"),
    "lipnet.errors",
)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package: str) -> None:
    for path in python_files(package):
        tops = {name.split(".")[0] for name in imported_names(path)}
        assert not tops & FORBIDDEN[package], path


@pytest.mark.parametrize("tool", sorted(OWNERS))
def test_each_tool_has_its_owner(tool: str) -> None:
    users = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in python_files(package)
        if tool in {name.split(".")[0] for name in imported_names(path)}
    }
    assert users <= OWNERS[tool]


def test_flows_use_what_the_stages_lend_them() -> None:
    for path in python_files("flows"):
        ours = {n for n in imported_names(path) if n.split(".")[0] in ("stages", "lipnet")}
        assert all(name.startswith(FLOWS_MAY_USE) for name in ours), path


def test_every_file_says_what_it_owns() -> None:
    for package in PACKAGES:
        for path in python_files(package):
            text = path.read_text(encoding="utf-8")
            assert not text or text.startswith('"""'), path
