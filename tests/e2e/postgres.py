"""PostgreSQL from Debian's package, for a test: a cluster of its own behind a private socket."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

SERVER_USER = "postgres"  # the server refuses to be run by root


def find_programs() -> Path | None:
    """Where initdb and pg_ctl lie (Debian keeps them off the PATH), if they do."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    path = shutil.which("initdb")
    return Path(path).parent if path else None


@contextmanager
def postgres(programs: Path) -> Iterator[str]:
    """A running server with an empty database, behind a socket in a folder that nobody else may
    enter; its URL for SQLAlchemy."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        data = str(place / "data")
        if os.geteuid() == 0:
            shutil.chown(place, SERVER_USER)
        options = f"-c listen_addresses= -c unix_socket_directories={place}"
        _run([str(programs / "initdb"), "--auth=trust", "--username=lipnet", "--pgdata", data])
        control = [str(programs / "pg_ctl"), "--pgdata", data, "--wait"]
        try:
            _run([*control, "--log", str(place / "log"), "--options", options, "start"])
            yield f"postgresql+psycopg2://lipnet@/postgres?host={place}"
        finally:
            _run([*control, "--mode=immediate", "stop"])


def _run(command: Sequence[str]) -> None:
    head = ["runuser", "--user", SERVER_USER, "--"] if os.geteuid() == 0 else []
    subprocess.run(
        [*head, *command],
        check=True,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=120,
    )
