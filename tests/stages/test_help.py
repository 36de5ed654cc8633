"""Every stage says what it is before it imports, or does, anything."""

import subprocess
import sys
from pathlib import Path

import pytest

import stages

FOLDER = Path(stages.__file__).parent
RUNNABLE = sorted(
    path.stem for path in FOLDER.glob("*.py") if "    run_program(main)" in path.read_text("utf-8")
)
HEAVY = ("torch", "cv2", "numpy", "pandas", "mlflow", "yaml")


@pytest.mark.parametrize("name", RUNNABLE)
def test_help_is_said_at_once(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", f"stages.{name}", "--help"]
    environment = {"PYTHONPATH": str(FOLDER.parent)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"usage: python -m stages.{name}")
    assert len(done.stdout.splitlines()) >= 3
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not imported & {*HEAVY, f"stages.{name}"}
    assert not list(tmp_path.iterdir())


def test_a_module_that_is_not_there_is_python_to_say() -> None:
    command = [sys.executable, "-m", "stages.nothing", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "No module named stages.nothing" in done.stderr
