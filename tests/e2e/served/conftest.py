"""What the tests of this folder share: one Prefect server, one worker and one MLflow server."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.servers import MLFLOW, Server
from tests.e2e.checkout import Checkout
from tests.e2e.deployed import Deployed, server_somewhere
from tests.e2e.system import STORE, mlflow_at


@pytest.fixture(scope="package")
def served(
    undisturbed: Checkout,
    prefect_database: Path,
    empty_store: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Deployed, Server]]:
    """Deployments with a worker whose runs are logged to an MLflow server, ended with the last test
    of this folder. Tests may change it, so they run in one process, in the order of
    tests/conftest.py."""
    checkout = undisturbed.fork(tmp_path_factory.mktemp("served") / "checkout")
    server = server_somewhere(MLFLOW)
    shutil.copy(empty_store, checkout.place / STORE)
    with mlflow_at(checkout, server), Deployed.of(checkout, prefect_database) as deployed:
        deployed.start_worker(MLFLOW_TRACKING_URI=server.url)
        yield deployed, server
