"""scripts/study.sbatch, run as Slurm runs it: a copy, elsewhere, from the folder of submission."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.contract.imports import ROOT

SCRIPT = ROOT / "scripts/study.sbatch"
SBATCH = """#!/bin/bash
# As sbatch: copies the script, leaves out its own options, runs the copy in another folder.
set -eu
here=$PWD
while [[ $1 == --* ]]; do shift; done
cp "$1" "$SPOOL/slurm_script"
shift
cd "$SPOOL"
SLURM_SUBMIT_DIR=$here SLURM_JOB_ID=7 CUDA_VISIBLE_DEVICES=0,1,2,3 bash ./slurm_script "$@"
"""
MAKE = """#!/bin/bash
printf '%s\\n' "$PWD" "$@"
exit "${STATUS:-0}"
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder of submission, with fake programs in `bin`."""
    for name, text in (("sbatch", SBATCH), ("make", MAKE)):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)
    for folder in ("spool", "checkout"):
        (tmp_path / folder).mkdir()
    return tmp_path


def submit(place: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    path = f"{place / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        ["sbatch", "--time=60:00:00", str(SCRIPT), *arguments],
        cwd=place / "checkout",
        env={"PATH": path, "SPOOL": str(place / "spool"), **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_flow_runs_where_the_job_was_submitted(place: Path) -> None:
    done = submit(place, "lrw_pair", "source.root=/data/lrw", "recipe.seed=2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        str(place / "checkout"),
        "flow",
        "PROFILE=lrw_pair",
        "SET=source.root=/data/lrw recipe.seed=2",
    ]


def test_a_job_ends_with_the_status_of_the_flow(place: Path) -> None:
    assert submit(place, "lrw_pair", STATUS="3").returncode == 3
    missing = submit(place)
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "usage: sbatch scripts/study.sbatch PROFILE" in missing.stderr


def test_without_slurm_it_names_the_command_to_use(place: Path) -> None:
    done = subprocess.run(
        ["bash", str(SCRIPT), "tiny"], env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "use make flow" in done.stderr


def test_slurms_options_come_before_the_first_command() -> None:
    lines = SCRIPT.read_text(encoding="utf-8").splitlines()
    options = [number for number, line in enumerate(lines) if line.startswith("#SBATCH --")]
    first = next(n for n, line in enumerate(lines) if line and not line.startswith("#"))
    assert options
    assert max(options) < first
