"""PostgreSQL from Debian's package, for a test: a cluster of its own behind a private socket."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2

SERVER_USER = "postgres"  # the server refuses to be run by root


def find_programs() -> Path | None:
    """Where initdb and pg_ctl lie (Debian keeps them off the PATH), if they do."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    path = shutil.which("initdb")
    return Path(path).parent if path else None


@dataclass(frozen=True)
class Postgres:
    """A running server, behind a socket in a folder that nobody else may enter."""

    folder: Path

    def create(self, name: str) -> None:
        """Create an empty database."""
        with closing(psycopg2.connect(self._name("postgres"))) as connection:
            connection.autocommit = True
            connection.cursor().execute(f"create database {name}")

    def url(self, name: str, driver: str = "psycopg2") -> str:
        """The URL of a database for SQLAlchemy."""
        return f"postgresql+{driver}://lipnet@/{name}?host={self.folder}"

    def read(self, name: str, query: str) -> list[tuple[object, ...]]:
        """The rows that a query finds in a database."""
        with closing(psycopg2.connect(self._name(name))) as connection:
            cursor = connection.cursor()
            cursor.execute(query)
            return list(cursor.fetchall())

    def _name(self, database: str) -> str:
        return f"host={self.folder} user=lipnet dbname={database}"


@contextmanager
def postgres(programs: Path) -> Iterator[Postgres]:
    """Run a server of its own, which is stopped and deleted at the end."""
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
            yield Postgres(place)
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
