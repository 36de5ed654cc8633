"""A tracking server for several people: PostgreSQL behind it, artifacts in an object store."""

from pathlib import Path

import fsspec
import pytest

from flows.ui import MLFLOW, Server, end_servers, mlflow_command, start_server, wait_until_up
from tests.e2e.checkout import Checkout
from tests.e2e.deployed import server_somewhere
from tests.e2e.postgres import find_programs, postgres


@pytest.mark.slow
def test_all_of_a_profile_arrives_in_postgresql_and_s3(
    undisturbed: Checkout, tmp_path: Path, bucket: str
) -> None:
    programs = find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL here (Debian's package postgresql)")
    checkout = undisturbed.fork(tmp_path / "publishing")
    server = server_somewhere(MLFLOW)
    with postgres(programs) as store:
        command = mlflow_command(server, store, artifacts=f"{bucket}/mlflow")
        log = tmp_path / "mlflow.log"
        process = start_server(server, command, log)
        try:
            wait_until_up(server, process, log)
            told = _publish(checkout, server)
        finally:
            end_servers([process])
    assert "3 models and 1 ensembles; 3 models" in told
    names = {path.rpartition("/")[2] for path in fsspec.filesystem("s3").find(bucket)}
    assert names >= {"weights.safetensors", "leaderboard.csv", "report.html"}


def _publish(checkout: Checkout, server: Server) -> str:
    process = checkout.start("stages.publish", MLFLOW_TRACKING_URI=server.url)
    told, _ = process.communicate(timeout=300)
    assert process.returncode == 0, told
    return told
