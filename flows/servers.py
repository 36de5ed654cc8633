"""The web servers of MLflow and Prefect: their addresses, and a program that runs both."""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from urllib.error import URLError
from urllib.request import urlopen

from flows.guard import PAGES, UI_ADDRESSES
from lipnet.errors import InputError
from pipeline.pages import format_pages
from tracking.uri import UI_PORT, find_mlflow, tracking_uri

START_SECONDS = 120.0
STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Server:
    """A web server on this machine; `health` is the path of its health check."""

    name: str
    port: int
    health: str
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def is_up(self) -> bool:
        """Whether this server is running, and not another program on its port."""
        try:
            with urlopen(f"{self.url}{self.health}", timeout=2) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError, ValueError):
            return False

    def check_free(self) -> None:
        """InputError if the port is in use."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError as error:
                option = f"--{self.name.lower()}-port"
                raise InputError(
                    f"{self.name} cannot listen on {self.host}:{self.port} ({error.strerror}): "
                    f"stop the program that uses the port, or choose another one with {option}"
                ) from None


MLFLOW = Server("MLflow", UI_PORT, "/health")
PREFECT = Server("Prefect", 4200, "/api/health")


def mlflow_command(server: Server, store: str, artifacts: str = "mlartifacts") -> list[str]:
    """The command that starts MLflow. One worker is enough for one user; four need a gigabyte."""
    place = ["--host", server.host, "--port", str(server.port), "--workers", "1"]
    stored = ["--backend-store-uri", store, "--artifacts-destination", artifacts]
    return [sys.executable, "-m", "mlflow", "server", *place, *stored]


def prefect_command(server: Server) -> list[str]:
    """The command that starts Prefect, behind flows.guard; `prefect server start` has no guard."""
    place = ["--host", server.host, "--port", str(server.port), "--log-level", "warning"]
    return [sys.executable, "-m", "uvicorn", "--factory", "flows.guard:make_app", *place]


def serve(
    servers: Sequence[tuple[Server, list[str]]], logs: Path, notes: Sequence[str] = ()
) -> None:
    """Run the servers until one of them ends or a signal arrives, then stop them all; print the
    notes when all are up."""
    for server, _ in servers:
        server.check_free()
    logs.mkdir(parents=True, exist_ok=True)
    running: list[tuple[Server, subprocess.Popen[bytes]]] = []
    try:
        for server, command in servers:
            running.append((server, start_server(server, command, log_of(logs, server))))
        for server, process in running:
            wait_until_up(server, process, log_of(logs, server))
            print(f"{server.name:8} {server.url}", flush=True)
        for note in notes:
            print(note, flush=True)
        print("press Ctrl-C to stop", flush=True)
        watch(running, logs)
    finally:
        end_servers([process for _, process in running])


def log_of(logs: Path, server: Server) -> Path:
    return logs / f"{server.name.lower()}-server.log"


def start_server(server: Server, command: list[str], log: Path) -> "subprocess.Popen[bytes]":
    """Start a server in its own session, so that Ctrl-C reaches only this process.

    Prefect's pages send their requests to port 4200, on any port that serves them, so set the
    address unless the environment does (as for a proxy).
    """
    quiet = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    }
    if server.name == PREFECT.name:
        # Other pages may not read what the server answers; flows.guard refuses their requests.
        pages = f"{server.url},http://localhost:{server.port}"
        quiet[PAGES] = os.environ.get(PAGES, pages)
        if not any(name in os.environ for name in (*UI_ADDRESSES, "PREFECT_API_URL")):
            quiet[UI_ADDRESSES[0]] = f"{server.url}/api"
    with log.open("wb") as out:
        return subprocess.Popen(
            command,
            env={**os.environ, **quiet},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait_until_up(server: Server, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until the server responds; InputError with the end of its log if it does not start."""
    deadline = time.monotonic() + START_SECONDS
    while not server.is_up():
        if process.poll() is not None or time.monotonic() > deadline:
            raise InputError(f"{server.name} did not start; the last lines of {log}:\n{tail(log)}")
        time.sleep(0.2)


def watch(running: Sequence[tuple[Server, "subprocess.Popen[bytes]"]], logs: Path) -> None:
    """Run until interrupted by a signal; InputError if a server ends by itself."""
    while True:
        for server, process in running:
            if process.poll() is not None:
                log = log_of(logs, server)
                raise InputError(f"{server.name} has ended; the last lines of {log}:\n{tail(log)}")
        time.sleep(0.5)


def tail(log: Path, lines: int = 10) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def end_servers(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Stop each server's process group, first with SIGTERM, then with SIGKILL."""
    for stop_signal in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, stop_signal)
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)


def main() -> None:
    """Run both servers, as `make ui` does."""
    parser = argparse.ArgumentParser(prog="python -m flows.servers", description=__doc__)
    parser.add_argument("--mlflow-port", type=int, default=MLFLOW.port, help="default: %(default)s")
    parser.add_argument(
        "--prefect-port", type=int, default=PREFECT.port, help="default: %(default)s"
    )
    parser.add_argument(
        "--logs",
        type=Path,
        default=Path("data/tmp"),
        help="folder for the servers' logs (default: %(default)s)",
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    mlflow = replace(MLFLOW, port=options.mlflow_port)
    prefect = replace(PREFECT, port=options.prefect_port)
    store = tracking_uri()
    servers = [(prefect, prefect_command(prefect))]
    pages = mlflow.url
    if store.startswith("http"):
        pages = find_mlflow()
        print(f"MLflow   {pages} (MLFLOW_TRACKING_URI)", flush=True)
    else:
        servers.insert(0, (mlflow, mlflow_command(mlflow, store)))
    try:
        serve(servers, options.logs, format_pages(pages))
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("\nstopped", flush=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
