"""`--help` of every program is printed before anything is imported or done."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.imports import ROOT

PROGRAMS = sorted(
    f"{package}.{path.stem}"
    for package in ("stages", "pipeline", "tracking")
    for path in (ROOT / package).glob("*.py")
    if re.search(r"^    run_(program|stage)\(main\)", path.read_text("utf-8"), re.MULTILINE)
)
HEAVY = ("torch", "cv2", "numpy", "pandas", "mlflow", "yaml")


def test_all_programs_are_found() -> None:
    assert {"stages.raw", "pipeline.preflight", "tracking.publish"} < set(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_is_printed_before_slow_imports(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", name, "--help"]
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"usage: python -m {name}")
    assert len(done.stdout.splitlines()) >= 3
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not imported & {*HEAVY, name}
    assert not list(tmp_path.iterdir())


def test_a_missing_module_is_reported_by_python() -> None:
    command = [sys.executable, "-m", "stages.nothing", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "No module named stages.nothing" in done.stderr
