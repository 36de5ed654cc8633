"""The connection to Ray: a Ray of this process alone, or the cluster at RAY_ADDRESS."""

import importlib
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from secrets import token_hex
from typing import Any

from lipnet.errors import InputError

# Results are small records (actors write large data to disk), so a small object store is enough.
OBJECT_STORE_BYTES = 200 * 1024**2
MIN_TEMPORARY_BYTES = 64 * 2**20  # Ray's sockets, addresses and logs
CONNECT_SECONDS = 10.0
QUIET = {"log_to_driver": False, "logging_level": "WARNING"}
PASSED_ON = ("MLFLOW_TRACKING_URI",)  # no secrets: Ray shows and logs environment variables


def uses_cluster() -> bool:
    """Whether RAY_ADDRESS names a cluster to join."""
    return os.environ.get("RAY_ADDRESS", "") not in ("", "local")


@contextmanager
def connect(cores: int, *, gpus: int = 0) -> Iterator[Any]:
    """Ray: connected to the cluster at RAY_ADDRESS if that is set, else started here and stopped
    at the end of the block."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Else Ray warns about a future change of how it hides GPUs from actors that request none.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    with set_environment({} if uses_cluster() else local_environment()):
        yield from _connect(cores, gpus)


@cache
def local_environment() -> dict[str, str]:
    """Settings for a Ray that only this process and its children use: it listens on 127.0.0.1, and
    connections need a token. (Ray's own token would be in a file that every user can read.)"""
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": token_hex(32),
        # The name is of the systems where this is the default. Else Ray listens on all interfaces.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }


@contextmanager
def set_environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set those environment variables that are not set, until the end of the block."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _connect(cores: int, gpus: int) -> Iterator[Any]:
    ray = importlib.import_module("ray")  # takes seconds, so only if there are jobs
    if ray.is_initialized():
        yield ray
        return
    if uses_cluster():
        _join_cluster(ray)
    else:
        _start(ray, cores, gpus)
    try:
        yield ray
    finally:
        ray.shutdown(wait_for_processes=True)


def _join_cluster(ray: Any) -> None:
    address = os.environ["RAY_ADDRESS"]
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if (
            host and port.isdecimal()
        ):  # if nothing listens there, Ray itself would retry for minutes
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
        # Remote processes log to the same server as this one, not the one set for `ray start`.
        own = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        ray.init(runtime_env={"env_vars": own} if own else None, **QUIET)
    except (OSError, RuntimeError) as error:  # no server, or another version of Ray or Python
        raise InputError(
            f"cannot connect to Ray at RAY_ADDRESS {address!r}: {error}; start Ray there with this "
            "environment (docs/cluster.md), or unset RAY_ADDRESS to use only this machine"
        ) from error


def _start(ray: Any, cores: int, gpus: int) -> None:
    """Start Ray here; InputError if its folder for temporary files has no room, or it fails."""
    temporary = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    try:
        free = shutil.disk_usage(temporary).free
        if free < MIN_TEMPORARY_BYTES:  # Ray would wait for minutes and not name it
            raise InputError(
                f"the folder for temporary files, {temporary}, has {free / 2**20:.0f} MiB free: "
                "free some space there, or set TMPDIR to another folder"
            )
        ray.init(
            address="local",  # else Ray joins a cluster that another program started here
            include_dashboard=False,
            num_cpus=cores,
            num_gpus=gpus,
            object_store_memory=OBJECT_STORE_BYTES,
            **QUIET,
        )
    except (OSError, RuntimeError) as error:
        raise InputError(f"Ray cannot start on this machine ({error})") from error
