"""Fixtures for flows: a temporary Prefect server and a temporary DVC repository."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.graph import dvc_environment

DIAMOND = """
stages:
  top:
    cmd: mkdir -p o && echo made top && cp source.txt o/top
    deps: [source.txt]
    outs: [o/top]
  side:
    foreach: {a: {}, b: {}}
    do:
      cmd: cat o/top > o/${key}
      deps: [o/top]
      outs: ["o/${key}"]
  end:
    cmd: cat o/a o/b > o/end
    deps: [o/a, o/b]
    outs: [o/end]
"""


@pytest.fixture(scope="session")
def _prefect() -> Iterator[None]:
    """One temporary Prefect server with its own database, for all flow tests."""
    from prefect.testing.utilities import prefect_test_harness

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_SERVER_TASKS_TAG_CONCURRENCY_SLOT_WAIT_SECONDS", "0.5")
        with prefect_test_harness(server_startup_timeout=120):
            yield


@pytest.fixture
def make_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Creates a DVC repository with the given dvc.yaml and changes into it."""

    def make(stages: str = DIAMOND) -> Path:
        monkeypatch.chdir(tmp_path)
        for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
            subprocess.run(command, check=True, env=dvc_environment())
        (tmp_path / "dvc.yaml").write_text(stages)
        (tmp_path / "source.txt").write_text("1\n")
        return tmp_path

    return make
