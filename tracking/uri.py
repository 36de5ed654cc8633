"""MLflow's address, and how it is shown without its password."""

import os
import re
from pathlib import Path

DEFAULT_URI = "sqlite:///mlflow.db"
UI_PORT = 5000  # of the server that `make ui` starts
SECRET_QUERY = re.compile(
    r"([?&;#][^=&\s]*(?:token|sig|secret|pass|pwd|credential|key|auth|jwt)[^=&\s]*=)[^&;\s]*",
    re.IGNORECASE,
)


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, else a sqlite file in the working directory, the repository's root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI


def shown_uri() -> str:
    """The tracking URI without names and passwords."""
    return hide_password(tracking_uri())


def find_mlflow() -> str:
    """The address of MLflow's pages: the server that runs are logged to, without a user name and
    password, or else the server of `make ui`."""
    uri = shown_uri()
    is_server = uri.startswith(("http://", "https://"))
    return uri.rstrip("/") if is_server else f"http://127.0.0.1:{UI_PORT}"


def hide_password(text: str) -> str:
    """The text without the names, passwords and tokens of addresses in it.

    A password may have a slash in it, which would end the part before the host otherwise. So if an
    address has a colon, all up to its last @ is left out: rather too much than a secret.
    """
    text = re.sub(r"//(?:[^\s/]*:\S*|[^\s/@]*)@", "//", text)
    return SECRET_QUERY.sub(r"\1***", text)


def artifact_location(experiment: str) -> str | None:
    """mlartifacts next to a sqlite store; None for a server, which has its own location."""
    uri = tracking_uri()
    if not uri.startswith("sqlite:///"):
        return None
    database = Path(uri.removeprefix("sqlite:///")).resolve()
    return (database.parent / "mlartifacts" / experiment).as_uri()
