"""Deployments as their users have them: a server, a worker, a run cancelled and one after it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Any
from urllib.request import Request, urlopen

import pytest

from flows.ui import PREFECT, Server, end_servers, prefect_command, start_server, wait_until_up
from tests.e2e.checkout import Checkout

PATIENCE = 300.0
EAGER = {"PREFECT_WORKER_QUERY_SECONDS": "2"}


@dataclass
class Deployed:
    """A checkout with its own Prefect server, deployments and a worker of both pools."""

    checkout: Checkout
    server: Server

    @property
    def environment(self) -> dict[str, str]:
        api = f"{self.server.url}/api"
        return {"PREFECT_API_URL": api, "PREFECT_HOME": str(self.checkout.place / "prefect")}

    def prefect(self, *arguments: str) -> str:
        process = self.checkout.start("prefect", "--no-prompt", *arguments, **self.environment)
        said, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
        return said

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        request = Request(
            f"{self.server.url}/api{path}", content, {"Content-Type": "application/json"}
        )
        with urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def begin(self, deployment: str, **parameters: object) -> str:
        """Start a run as the UI's form does; its id."""
        found = self.ask(f"/deployments/name/{deployment}")
        made = self.ask(f"/deployments/{found['id']}/create_flow_run", {"parameters": parameters})
        return str(made["id"])

    def state_of(self, run: str) -> dict[str, Any]:
        state: dict[str, Any] = self.ask(f"/flow_runs/{run}")["state"]
        return state

    def wait_for(self, run: str, *kinds: str) -> dict[str, Any]:
        """The run's state, once it is one of these kinds."""
        deadline = time.monotonic() + PATIENCE
        while (state := self.state_of(run))["type"] not in kinds:
            assert time.monotonic() < deadline, state
            assert state["type"] not in ("FAILED", "CRASHED"), state
            time.sleep(0.5)
        return state


@pytest.fixture
def deployed(undisturbed: Checkout, tmp_path: Path) -> Iterator[Deployed]:
    checkout = undisturbed.fork(tmp_path / "deployed")
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        server = Server(PREFECT.name, probe.getsockname()[1], PREFECT.health)
    made = Deployed(checkout, server)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PREFECT_HOME", made.environment["PREFECT_HOME"])
        log = tmp_path / "server.log"
        processes: list[subprocess.Popen[Any]] = [start_server(prefect_command(server), log)]
    try:
        wait_until_up(server, processes[0], log)  # type: ignore[arg-type]
        for pool in ("cpu", "gpu"):
            made.prefect("work-pool", "create", pool, "--type", "process")
        made.prefect("deploy", "--all")
        worker = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "gpu"]
        with (tmp_path / "worker.log").open("wb") as out:
            processes.append(
                subprocess.Popen(
                    worker,
                    cwd=tmp_path,
                    env={**os.environ, **made.environment, "PATH": _path(), **EAGER},
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        yield made
    finally:
        end_servers(processes)


def _path() -> str:
    return f"{Path(sys.executable).parent}:{os.environ['PATH']}"


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


@pytest.mark.slow
def test_forms_cancelling_and_going_on(deployed: Deployed) -> None:
    names = {item["name"] for item in deployed.ask("/deployments/filter", {})}
    assert names == {"reproduce", "lineage", "preprocess", "report"}
    form = deployed.ask("/deployments/name/train/lineage")["parameter_openapi_schema"]
    assert form["required"] == ["lineage"]
    assert all(field["description"] for field in form["properties"].values())
    place = deployed.checkout.place
    lineage = "rn18-tcn"
    lines = place / "data" / "tmp" / "tiny" / "models" / lineage / "progress.jsonl"
    deployed.checkout.run("stages.profile", "tiny", "recipe.epochs=40")
    run = deployed.begin("train/lineage", lineage=lineage, profile="tiny")
    deadline = time.monotonic() + PATIENCE
    while not lines.exists():
        assert time.monotonic() < deadline
        assert deployed.state_of(run)["type"] in ("SCHEDULED", "PENDING", "RUNNING")
        time.sleep(0.2)
    assert _at_work_in(place)
    deployed.ask(f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}, "force": False})
    deployed.wait_for(run, "CANCELLED")
    assert _at_work_in(place) == []
    assert not (place / "data" / "tiny" / "models" / lineage).exists()
    deployed.checkout.run("stages.profile", "tiny", "recipe.epochs=3")
    again = deployed.begin("train/lineage", lineage=lineage, profile="tiny")
    assert deployed.wait_for(again, "COMPLETED")["message"].endswith(": 1 made, 4 had not changed")
    assert (place / "data" / "tiny" / "models" / lineage / "lineage.json").exists()
