"""A checkout with its own Prefect server, deployments and workers, as their users have them."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from socket import socket
from typing import Any
from uuid import UUID, uuid4

import psutil
import pytest
from httpx import HTTPError
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.states import Cancelling
from prefect.workers.process import ProcessWorker

from flows.servers import PREFECT, Server, prefect_command, start_server, wait_until_up
from tests.e2e.checkout import Checkout

PATIENCE = 600.0
EAGER = {"PREFECT_WORKER_QUERY_SECONDS": "2"}
# Prefect opens fifteen connections at once, for which a slow machine takes more than five seconds.
SLOW_DATABASE = {
    "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": "60",
    "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
}
POOLS = ("cpu", "gpu")


def server_somewhere(kind: Server) -> Server:
    """A server of that kind on a free port."""
    with socket() as probe:
        probe.bind((kind.host, 0))
        return replace(kind, port=probe.getsockname()[1])


@dataclass
class Deployed:
    """A checkout, a server on a port of its own, and a worker; all may die and be started again."""

    checkout: Checkout
    server: Server
    database: Path | str | None = None
    running: dict[str, subprocess.Popen[Any]] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def of(cls, checkout: Checkout, database: Path | str | None = None) -> "Iterator[Deployed]":
        """With a server that knows the pools and every deployment of prefect.yaml; `database` is
        the URL of one, a file to copy, or None for a new file."""
        made = cls(checkout, server_somewhere(PREFECT), database)
        if isinstance(database, Path):
            home = Path(made.environment["PREFECT_HOME"])
            home.mkdir()
            shutil.copy(database, home)
        try:
            made.start_server()
            template = ProcessWorker.get_default_base_job_template()
            with made.client() as client:
                for pool in POOLS:
                    wanted = WorkPoolCreate(name=pool, type="process", base_job_template=template)
                    client.create_work_pool(wanted)
            made.prefect("deploy", "--all")
            yield made
        finally:  # killed at once: a graceful stop takes ten seconds each
            for process in made.running.values():
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            made.kill_everything()
            for process in made.running.values():
                process.wait(PATIENCE)

    @property
    def environment(self) -> dict[str, str]:
        api = f"{self.server.url}/api"
        return {"PREFECT_API_URL": api, "PREFECT_HOME": str(self.checkout.place / "prefect")}

    def start_server(self) -> None:
        """Start the server, on its database of the last time where there is one."""
        log = self.checkout.place / "server.log"
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("PREFECT_HOME", self.environment["PREFECT_HOME"])
            if isinstance(self.database, str):
                url = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": self.database}
                for name, value in (url | SLOW_DATABASE).items():
                    environment.setenv(name, value)
            process = start_server(self.server, prefect_command(self.server), log)
        self.running["server"] = process
        wait_until_up(self.server, process, log)

    def start_worker(self, pool: str = "gpu", **environment: str) -> None:
        """Start a worker that looks for runs every two seconds."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        with (self.checkout.place / f"worker-{pool}.log").open("ab") as out:
            self.running[pool] = subprocess.Popen(
                [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool],
                cwd=self.checkout.place,
                env={**os.environ, **self.environment, "PATH": path, **EAGER, **environment},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill_everything(self) -> int:
        """SIGKILL to servers, workers, flow runs and stages, until none is left; their number."""
        killed: set[int] = set()
        deadline = time.monotonic() + 60
        while found := [one for one in psutil.process_iter() if self._is_ours(one)]:
            assert time.monotonic() < deadline, found
            for one in found:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
                    killed.add(one.pid)
        return len(killed)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                return False
            return process.environ().get("PREFECT_HOME") == self.environment["PREFECT_HOME"]
        except psutil.Error:
            return False

    def prefect(self, *arguments: str) -> str:
        """What a command of Prefect's says."""
        process = self.checkout.start("prefect", "--no-prompt", *arguments, **self.environment)
        output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, output
        return output

    def client(self) -> SyncPrefectClient:
        """Prefect's own client, which asks again where the server is too busy to answer (503)."""
        return SyncPrefectClient(f"{self.server.url}/api")

    def begin(self, deployment: str, **parameters: object) -> UUID:
        """Start a run as the UI's form does, and one only; its id."""
        with self.client() as client:
            found = client.read_deployment_by_name(deployment)
            made = client.create_flow_run_from_deployment(
                found.id, parameters=parameters, idempotency_key=str(uuid4())
            )
        return made.id

    def cancel(self, run: UUID) -> None:
        """Cancel a run as the UI's button does."""
        with self.client() as client:
            output = client.set_flow_run_state(run, Cancelling(), force=False)
        assert output.status == SetStateStatus.ACCEPT, output

    def state_of(self, run: UUID, client: SyncPrefectClient) -> State[Any] | None:
        """The run's state, asked by this client, which is slow to make; none while the server does
        not answer."""
        try:
            return client.read_flow_run(run).state
        except HTTPError:  # it is dying, or not there
            return None

    def wait_for(self, run: UUID, *kinds: StateType) -> State[Any]:
        """The run's state, once it is one of these kinds; AssertionError if it ends as another
        one."""
        deadline = time.monotonic() + PATIENCE
        with self.client() as client:
            while (state := self.state_of(run, client)) is None or state.type not in kinds:
                assert time.monotonic() < deadline, state
                assert state is None or not state.is_final(), state
                time.sleep(0.5)
        return state
