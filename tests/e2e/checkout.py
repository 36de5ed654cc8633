"""A copy of this checkout's working tree to run the pipeline in."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from tests.contract.imports import ROOT

# The identity of commits
COMMITTER = ("-c", "user.name=someone", "-c", "user.email=someone@example.org")
PARTS = (
    *("lipnet", "pipeline", "tracking", "cluster", "stages", "flows"),
    *("conf", "dvc.yaml", "prefect.yaml", ".dvcignore", ".gitignore", "Makefile"),
)


class Checkout:
    """A git repository of its own with the pipeline in it, and commands run there."""

    def __init__(self, place: Path) -> None:
        self.place = place

    @classmethod
    def create(cls, place: Path) -> "Checkout":
        """A new one, of this checkout's working tree."""
        place.mkdir(parents=True)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, place / part)  # bytecode too: it saves compiling
            else:
                shutil.copy(source, place / part)
        shutil.copytree(ROOT / ".dvc" / "plots", place / ".dvc" / "plots")
        shutil.copy(ROOT / ".dvc" / "config", place / ".dvc" / "config")
        subprocess.run(["git", "init", "--quiet"], cwd=place, check=True)
        return cls(place)

    def fork(self, place: Path) -> "Checkout":
        """A copy of the checkout with all that it has made."""
        shutil.copytree(self.place, place, symlinks=True)
        return Checkout(place)

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        """Start a Python module or script of the environment, in a process group of its own."""
        return self.start_program([sys.executable, "-m", *command], **environment)

    def start_program(self, command: Sequence[str], **environment: str) -> subprocess.Popen[str]:
        """Start any program in the checkout, with the environment of a person who works there."""
        bin_folder = str(Path(sys.executable).parent)
        return subprocess.Popen(
            command,
            cwd=self.place,
            env={
                **os.environ,
                "PATH": f"{bin_folder}:{os.environ['PATH']}",
                "PYTHONPATH": str(self.place),
                "MLFLOW_TRACKING_URI": f"sqlite:///{self.place}/mlflow.db",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, status: int = 0, **environment: str) -> str:
        """Run to the end; its output, after a check of its exit status."""
        process = self.start(*command, **environment)
        output, _ = process.communicate(timeout=900)
        assert process.returncode == status, output
        return output

    def outputs(self) -> dict[str, str]:
        """MD5 of every tracked output, from dvc.lock."""
        lock = yaml.safe_load((self.place / "dvc.lock").read_text(encoding="utf-8"))
        return {
            out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]
        }
