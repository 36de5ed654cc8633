"""An empty MLflow store, created once because its tables take seconds."""

import shutil
from pathlib import Path

import pytest

from tests.sharing import make_once


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sqlite file with MLflow's tables and nothing in them."""
    return make_once(tmp_path_factory, "mlflow", _make_store) / "mlflow.db"


def _make_store(folder: Path) -> None:
    from mlflow import MlflowClient

    folder.mkdir()
    MlflowClient(f"sqlite:///{folder}/mlflow.db").search_experiments()


@pytest.fixture
def store(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a new folder with its own empty store."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return tmp_path
