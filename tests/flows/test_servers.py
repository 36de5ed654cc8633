"""`make ui` as its users have it: both servers answer their pages and clients, and nobody else."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from socket import socket

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate

from flows.servers import MLFLOW, PREFECT
from tests.contract.imports import ROOT

pytestmark = pytest.mark.slow
ELSEWHERE = "elsewhere.example"
JSON = {"Content-Type": "application/json"}
WEBSOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
# What creates something on the server, its body, and a path that answers a GET.
WRITES = {
    "Prefect": ("/api/concurrency_limits/", '{"tag": "gpu", "concurrency_limit": 0}'),
    "MLflow": ("/api/2.0/mlflow/experiments/create", '{"name": "hostile"}'),
}
READS = {
    "Prefect": "/api/admin/settings",
    "MLflow": "/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default",
}


def free_port() -> int:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def ports(
    prefect_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, int]]:
    """The ports of both servers while `python -m flows.servers` runs; Ctrl-C ends it."""
    place = tmp_path_factory.mktemp("ui")
    (place / "prefect").mkdir()
    shutil.copy(prefect_database, place / "prefect")
    found = {"Prefect": free_port(), "MLflow": free_port()}
    options = [f"--{name.lower()}-port={port}" for name, port in found.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.servers", *options, "--logs", str(place)],
        cwd=place,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PREFECT_HOME": str(place / "prefect"),
            "MLFLOW_TRACKING_URI": f"sqlite:///{place}/mlflow.db",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell's background jobs ignore SIGINT, and so would this process.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    try:
        lines = iter(process.stdout.readline, "")
        printed = next((line for line in lines if line.startswith("press Ctrl-C")), None)
        assert printed, "the servers did not start"
        yield found
    finally:
        os.killpg(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert (process.returncode, rest) == (0, "\nstopped\n")


def ask(port: int, method: str, path: str, body: str = "", **headers: str) -> int:
    """The status of the answer to a request that a browser, or a program, could send."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    if body:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body.encode() or None)
    with connection.getresponse() as response:
        status = response.status
    connection.close()
    return status


@pytest.mark.parametrize("name", WRITES)
def test_other_pages_are_refused(ports: dict[str, int], name: str) -> None:
    port, (path, body) = ports[name], WRITES[name]
    # MLflow takes pages of other ports for its own.
    local = [f"http://127.0.0.1:{port + 1}"] if name == "Prefect" else []
    for origin in (f"https://{ELSEWHERE}", "null", *local):
        for kind in ({}, {"Content-Type": "text/plain"}, JSON):
            assert ask(port, "POST", path, body, Origin=origin, **kind) == 403


@pytest.mark.parametrize("name", WRITES)
def test_a_foreign_name_of_this_machine_is_refused(ports: dict[str, int], name: str) -> None:
    port, (path, body) = ports[name], WRITES[name]
    host = f"{ELSEWHERE}:{port}"
    assert ask(port, "POST", path, body, Host=host, Origin=f"http://{host}", **JSON) == 403
    assert ask(port, "GET", READS[name], Host=host) == 403


def test_websockets_of_other_pages_are_refused(ports: dict[str, int]) -> None:
    port = ports["Prefect"]
    for path in ("/api/events/in", "/api/events/out", "/api/logs/out"):
        foreign = {**WEBSOCKET, "Origin": f"https://{ELSEWHERE}"}
        assert ask(port, "GET", path, **foreign) == 403
        rebound = {**WEBSOCKET, "Origin": f"http://{ELSEWHERE}", "Host": ELSEWHERE}
        assert ask(port, "GET", path, **rebound) == 403


@pytest.mark.parametrize("name", WRITES)
def test_their_own_pages_are_answered(ports: dict[str, int], name: str) -> None:
    port, path = ports[name], READS[name]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}"):
        assert ask(port, "GET", "/", Host=host) == 200
        assert ask(port, "GET", path, Host=host, Origin=f"http://{host}") == 200
    assert ask(port, "GET", (PREFECT if name == "Prefect" else MLFLOW).health) == 200


def test_clients_are_answered(ports: dict[str, int]) -> None:
    with SyncPrefectClient(f"http://127.0.0.1:{ports['Prefect']}/api") as client:
        client.create_work_pool(WorkPoolCreate(name="cpu", type="process"))
        assert client.read_concurrency_limits(limit=10, offset=0) == []  # no hostile request
    path, _ = WRITES["MLflow"]
    assert ask(ports["MLflow"], "POST", path, '{"name": "own"}', **JSON) == 200


def test_only_this_machine_can_connect(ports: dict[str, int]) -> None:
    for port in ports.values():
        with socket() as probe:
            probe.settimeout(5)
            # Every address of 127.0.0.0/8 is this machine, but the servers are bound to one.
            assert probe.connect_ex(("127.0.0.2", port)) != 0
