"""What the tests of this folder share: one Prefect server, one worker and one MLflow server."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from flows.servers import MLFLOW
from tests.e2e.checkout import Checkout
from tests.e2e.deployed import Deployed, server_somewhere
from tests.e2e.postgres import find_programs, postgres
from tests.e2e.served.servers import Served, Store
from tests.e2e.system import STORE, mlflow_at


@pytest.fixture(scope="package")
def store(make_bucket: Callable[[], str]) -> Iterator[Store | None]:
    """PostgreSQL and an S3 bucket, as several people have; None without PostgreSQL."""
    programs = find_programs()
    if programs is None:
        yield None
        return
    with postgres(programs) as databases:
        for name in ("prefect", "mlflow"):
            databases.create(name)
        yield Store(databases, make_bucket())


@pytest.fixture(scope="package")
def served(
    undisturbed: Checkout,
    store: Store | None,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Served]:
    """Deployments with a worker whose runs are logged to an MLflow server, ended with the last test
    of this folder. Tests may change it, so they run in one process, in the order of
    tests/conftest.py."""
    checkout = undisturbed.fork(tmp_path_factory.mktemp("served") / "checkout")
    server = server_somewhere(MLFLOW)
    with ExitStack() as running:
        if store is None:
            shutil.copy(request.getfixturevalue("empty_store"), checkout.place / STORE)
            running.enter_context(mlflow_at(checkout, server))
            database = request.getfixturevalue("prefect_database")
            deployed = running.enter_context(Deployed.of(checkout, database))
        else:
            places = {"store": store.databases.url("mlflow"), "artifacts": store.artifacts}
            running.enter_context(mlflow_at(checkout, server, **places))
            database = store.databases.url("prefect", driver="asyncpg")
            deployed = running.enter_context(Deployed.of(checkout, database))
        deployed.start_worker(MLFLOW_TRACKING_URI=server.url)
        yield Served(deployed, server, store)
