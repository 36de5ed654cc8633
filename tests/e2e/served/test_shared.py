"""Servers for several people: PostgreSQL behind MLflow and Prefect, artifacts in a bucket."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import fsspec
import pytest
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows.servers import end_servers
from tests.e2e.deployed import Deployed
from tests.e2e.served.servers import Served, Store

pytestmark = pytest.mark.slow
PREPROCESS = "preprocess/preprocess"
RUNS = 16
MODELS = {"rn18-tcn-g0", "rn18-tcn-g1", "rn18-dstcn-by-rn18-tcn-g1"}


@pytest.fixture
def shared(store: Store | None) -> Store:
    """The store; skips if the servers keep files."""
    if store is None:
        pytest.skip("no PostgreSQL here (Debian's package postgresql)")
    return store


def test_all_of_a_profile_is_in_postgresql_and_s3(shared: Store, served: Served) -> None:
    if not list_models(shared) >= MODELS:  # the flow of test_pages.py publishes, if it runs
        address = {"MLFLOW_TRACKING_URI": served.mlflow.url}
        served.deployed.checkout.run("tracking.publish", **address)
    assert list_models(shared) >= MODELS
    assert shared.databases.read("mlflow", "select * from tags where value = 'ensemble'")
    paths = fsspec.filesystem("s3").find(shared.artifacts)
    names = Counter(path.rpartition("/")[2] for path in paths)
    assert names["weights.safetensors"] >= len(MODELS)
    assert {"leaderboard.csv", "report.html"} <= set(names)


def list_models(store: Store) -> set[object]:
    """The models that MLflow's database has runs of."""
    found = store.databases.read("mlflow", "select value from tags where key = 'model'")
    return {name for (name,) in found}


def test_prefect_on_postgresql_runs_a_deployment_of_another_pool(
    shared: Store, served: Served
) -> None:
    deployed = served.deployed
    deployed.start_worker("cpu")
    run = deployed.begin(PREPROCESS, profile="tiny")
    output = deployed.wait_for(run, StateType.COMPLETED).message or ""
    end_servers([deployed.running.pop("cpu")])
    assert output.startswith("5 stages: 0 made"), output


def test_prefect_on_postgresql_takes_many_runs_at_once(shared: Store, served: Served) -> None:
    """Of the pool "cpu", which has no worker now: they stay scheduled."""
    with ThreadPoolExecutor(RUNS) as together:
        runs = set(together.map(_begin_once, [served.deployed] * RUNS))
    assert len(runs) == RUNS
    found = shared.databases.read("prefect", "select id, state_type from flow_run")
    assert {UUID(str(key)) for key, state in found if state == "SCHEDULED"} >= runs


def _begin_once(deployed: Deployed) -> UUID:
    """Start a run; PrefectHTTPStatusError if the server is too busy, with no second try."""
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
        return deployed.begin(PREPROCESS, profile="tiny")
