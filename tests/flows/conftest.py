"""Fixtures for flows: a temporary Prefect server and a temporary DVC repository."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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
# As in this repository: else DVC starts a process that asks its server for a newer version.
CONFIG = """
[core]
    analytics = false
    check_update = false
"""


@pytest.fixture(scope="module")
def _prefect(prefect_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One temporary Prefect server with its own database for a file's tests: a server needs a share
    of a core even if no flow runs."""
    from prefect.testing import utilities

    place = tmp_path_factory.mktemp("prefect")
    shutil.copy(prefect_database, place / "prefect-test.db")  # the name that the harness takes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utilities, "mkdtemp", lambda: str(place))
        patch.setenv("PREFECT_SERVER_TASKS_TAG_CONCURRENCY_SLOT_WAIT_SECONDS", "0.5")
        with utilities.prefect_test_harness(server_startup_timeout=120):
            yield


@pytest.fixture
def make_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Creates a DVC repository with the given dvc.yaml and changes into it."""

    def make(stages: str = DIAMOND) -> Path:
        monkeypatch.chdir(tmp_path)
        subprocess.run(["git", "init", "-q"], check=True)
        (tmp_path / ".dvc").mkdir()
        (tmp_path / ".dvc" / "config").write_text(CONFIG)
        (tmp_path / "dvc.yaml").write_text(stages)
        (tmp_path / "source.txt").write_text("1\n")
        return tmp_path

    return make
