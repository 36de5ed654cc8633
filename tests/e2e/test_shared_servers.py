"""Servers for several people: PostgreSQL behind MLflow and Prefect, artifacts in a store."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import fsspec
import pytest
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows.servers import MLFLOW, Server, end_servers, mlflow_command, start_server, wait_until_up
from tests.e2e.checkout import Checkout
from tests.e2e.deployed import Deployed, server_somewhere
from tests.e2e.postgres import find_programs, postgres

DEPLOYMENT = "preprocess/preprocess"
RUNS = 16


@pytest.fixture
def programs() -> Path:
    found = find_programs()
    if found is None:
        pytest.skip("no PostgreSQL here (Debian's package postgresql)")
    return found


@pytest.mark.slow
def test_all_of_a_profile_arrives_in_postgresql_and_s3(
    programs: Path, undisturbed: Checkout, tmp_path: Path, bucket: str
) -> None:
    checkout = undisturbed.fork(tmp_path / "publishing")
    server = server_somewhere(MLFLOW)
    with postgres(programs) as store:
        command = mlflow_command(server, store, artifacts=f"{bucket}/mlflow")
        log = tmp_path / "mlflow.log"
        process = start_server(server, command, log)
        try:
            wait_until_up(server, process, log)
            output = _publish(checkout, server)
        finally:
            end_servers([process])
    assert re.search(r"\b3 models and \d ensembles; 3 models\b", output)
    names = {path.rpartition("/")[2] for path in fsspec.filesystem("s3").find(bucket)}
    assert names >= {"weights.safetensors", "leaderboard.csv", "report.html"}


def _publish(checkout: Checkout, server: Server) -> str:
    process = checkout.start("tracking.publish", MLFLOW_TRACKING_URI=server.url)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


@pytest.mark.slow
def test_prefect_on_postgresql_runs_a_deployment_and_takes_many_runs_at_once(
    programs: Path, undisturbed: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = undisturbed.fork(tmp_path / "deployed")
    with postgres(programs) as store:
        address = store.replace("psycopg2", "asyncpg")
        monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", address)
        # It opens fifteen connections at once, for which a slow machine takes more than five.
        monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT", "60")
        monkeypatch.setenv("PREFECT_SERVER_DATABASE_TIMEOUT", "60")
        with Deployed.of(checkout) as deployed:
            deployed.start_worker("cpu")
            run = deployed.begin(DEPLOYMENT, profile="tiny")
            output = deployed.wait_for(run, StateType.COMPLETED).message or ""
            end_servers([deployed.running["cpu"]])
            with ThreadPoolExecutor(RUNS) as together:
                runs = set(together.map(_begin_once, [deployed] * RUNS))
    assert output.startswith("5 stages: 0 made"), output
    assert len(runs - {run}) == RUNS


def _begin_once(deployed: Deployed) -> UUID:
    """Start a run; PrefectHTTPStatusError if the server is too busy, with no second try."""
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
        return deployed.begin(DEPLOYMENT, profile="tiny")
