"""The two user interfaces, MLflow's and Prefect's: where they listen, and `make ui` to run both."""

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

from lipnet.errors import InputError
from tracking.uri import shown_uri, tracking_uri

START_SECONDS = 120.0
FAREWELL_SECONDS = 10.0
UI_ADDRESSES = ("PREFECT_SERVER_UI_API_URL", "PREFECT_UI_API_URL", "PREFECT_API_URL")
PAGES = "PREFECT_SERVER_CORS_ALLOWED_ORIGINS"


@dataclass(frozen=True)
class Server:
    """One web server on this machine; `health` is the path that answers once it is up."""

    name: str
    port: int
    health: str
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def answers(self) -> bool:
        """Whether this very server is up, and not another program on its port."""
        try:
            with urlopen(f"{self.url}{self.health}", timeout=2) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError, ValueError):
            return False

    def check_free(self) -> None:
        """InputError where something listens on the port already."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError as error:
                option = f"--{self.name.lower()}-port"
                raise InputError(
                    f"{self.name} can't listen on {self.host}:{self.port} ({error.strerror}): "
                    f"end what runs there, or choose another port with {option}"
                ) from None


MLFLOW = Server("MLflow", 5000, "/health")
PREFECT = Server("Prefect", 4200, "/api/health")


def find_mlflow() -> str:
    """Where MLflow is looked at: the server that runs are logged to, without a name and password
    in its address, else that of `make ui`."""
    uri = shown_uri()
    return uri.rstrip("/") if uri.startswith(("http://", "https://")) else MLFLOW.url


def mlflow_command(server: Server, store: str, artifacts: str = "mlartifacts") -> list[str]:
    """One worker is enough for a person, and four take a gigabyte."""
    place = ["--host", server.host, "--port", str(server.port), "--workers", "1"]
    stored = ["--backend-store-uri", store, "--artifacts-destination", artifacts]
    return [sys.executable, "-m", "mlflow", "server", *place, *stored]


def prefect_command(server: Server) -> list[str]:
    place = ["--host", server.host, "--port", str(server.port)]
    return [sys.executable, "-m", "prefect", "server", "start", *place]


def serve(servers: Sequence[tuple[Server, list[str]]], logs: Path) -> None:
    """Run the servers until one ends or a signal comes, then end them all."""
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
        print("Ctrl-C ends both", flush=True)
        watch(running, logs)
    finally:
        end_servers([process for _, process in running])


def log_of(logs: Path, server: Server) -> Path:
    return logs / f"{server.name.lower()}-server.log"


def start_server(server: Server, command: list[str], log: Path) -> "subprocess.Popen[bytes]":
    """Start in a session of its own, so that a Ctrl-C reaches this process alone.

    Prefect's pages ask port 4200, whatever port they come from, unless the environment says
    otherwise (of a proxy in front, say).
    """
    quiet = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    }
    if server.name == PREFECT.name:
        # Else any page of the web that is open in a browser here could start runs.
        pages = f"{server.url},http://localhost:{server.port}"
        quiet[PAGES] = os.environ.get(PAGES, pages)
        if not any(name in os.environ for name in UI_ADDRESSES):
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
    """Wait for the first answer; InputError with the log's end where the server does not come."""
    deadline = time.monotonic() + START_SECONDS
    while not server.answers():
        if process.poll() is not None or time.monotonic() > deadline:
            raise InputError(f"{server.name} did not start; the end of {log}:\n{tail(log)}")
        time.sleep(0.2)


def watch(running: Sequence[tuple[Server, "subprocess.Popen[bytes]"]], logs: Path) -> None:
    """Return never, but by a signal or InputError when a server ends by itself."""
    while True:
        for server, process in running:
            if process.poll() is not None:
                log = log_of(logs, server)
                raise InputError(f"{server.name} has ended; the end of {log}:\n{tail(log)}")
        time.sleep(0.5)


def tail(log: Path, lines: int = 10) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def end_servers(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    """End each server's whole group, first politely."""
    for farewell in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, farewell)
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(FAREWELL_SECONDS)


def main() -> None:
    """The command behind `make ui`."""
    parser = argparse.ArgumentParser(prog="python -m flows.servers", description=__doc__)
    parser.add_argument("--mlflow-port", type=int, default=MLFLOW.port)
    parser.add_argument("--prefect-port", type=int, default=PREFECT.port)
    parser.add_argument("--logs", type=Path, default=Path("data/tmp"), help="the servers' output")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    mlflow = replace(MLFLOW, port=options.mlflow_port)
    prefect = replace(PREFECT, port=options.prefect_port)
    store = tracking_uri()
    servers = [(prefect, prefect_command(prefect))]
    if store.startswith("http"):
        print(f"MLflow   {find_mlflow()} (MLFLOW_TRACKING_URI)", flush=True)
    else:
        servers.insert(0, (mlflow, mlflow_command(mlflow, store)))
    try:
        serve(servers, options.logs)
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("\nended", flush=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
