"""Deployments as their users have them: a server, a worker, a run that is cancelled, one that ends
with its machine, and one that resumes it."""

import shutil
import time
from email.message import Message
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import UUID

import psutil
import pytest
from prefect.client.schemas.objects import StateType

from tests.contract.deployments import DEPLOYMENTS
from tests.e2e.checkout import Checkout
from tests.e2e.conftest import LONG_ENOUGH
from tests.e2e.deployed import PATIENCE, Deployed
from tests.e2e.retrained import LINEAGE, MODELS, is_trained, is_training, same_models
from tests.e2e.served.servers import Served
from tests.e2e.system import restart_after_crash

MIN_KILLED = 5  # a server, a worker, a flow run, DVC and its stage


def _at_work_in(folder: Path) -> list[str]:
    """Stages that run in the folder now."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text().replace("\0", " ")
            if "stages." in command and (process / "cwd").resolve() == folder.resolve():
                found.append(command)
        except OSError:
            continue
    return found


def _check_who_may_ask(deployed: Deployed) -> None:
    """This machine alone reaches the server, and of its browsers' pages the server's own."""
    server = psutil.Process(deployed.running["server"].pid)
    found = [
        connection.laddr.ip
        for process in [server, *server.children(recursive=True)]
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert set(found) == {"127.0.0.1"}
    assert _allowed_origin(deployed, deployed.server.url) == deployed.server.url
    assert _allowed_origin(deployed, "https://elsewhere.example") is None


def _allowed_origin(deployed: Deployed, origin: str) -> str | None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    address = f"{deployed.server.url}/api/deployments/filter"
    try:
        with urlopen(Request(address, method="OPTIONS", headers=asked), timeout=30) as answer:
            headers: Message = answer.headers
    except HTTPError as error:
        headers = error.headers
    return headers["Access-Control-Allow-Origin"]


@pytest.mark.slow
def test_forms_cancelling_and_going_on(served: Served, trained: Checkout) -> None:
    deployed = served.deployed
    _check_who_may_ask(deployed)
    with deployed.client() as client:
        names = {deployment.name for deployment in client.read_deployments()}
        assert names == {own.name for own in DEPLOYMENTS}
        form = client.read_deployment_by_name("train/lineage").parameter_openapi_schema
    assert form is not None
    assert form["required"] == ["lineage"]
    assert all(field["description"] for field in form["properties"].values())
    place = deployed.checkout.place
    deployed.checkout.run("pipeline.profile", "tiny", "recipe.epochs=40")
    run = _start_training(deployed)
    assert _at_work_in(place)
    deployed.cancel(run)
    deployed.wait_for(run, StateType.CANCELLED)
    assert _at_work_in(place) == []
    assert not (place / MODELS).exists()

    shutil.rmtree(place / "data/tmp/tiny/models")
    deployed.checkout.run("pipeline.profile", "tiny", f"recipe.epochs={LONG_ENOUGH}")
    run = _start_training(deployed)
    assert restart_after_crash(deployed, run) >= MIN_KILLED
    assert not is_trained(deployed.checkout)
    again = deployed.begin("train/lineage", lineage=LINEAGE, profile="tiny")
    output = deployed.wait_for(again, StateType.COMPLETED).message or ""
    assert output.endswith(": 1 made, 0 restored, 4 unchanged")
    assert same_models(deployed.checkout, trained)


def _start_training(deployed: Deployed) -> UUID:
    """A run of the lineage that trains."""
    run = deployed.begin("train/lineage", lineage=LINEAGE, profile="tiny")
    deadline = time.monotonic() + PATIENCE
    with deployed.client() as client:
        while not is_training(deployed.checkout):
            assert time.monotonic() < deadline
            state = deployed.state_of(run, client)
            assert state is None or not state.is_final(), state
            time.sleep(0.2)
    return run
