"""MLflow's address, and how it is shown without its password."""

import os
import re
from pathlib import Path

DEFAULT_URI = "sqlite:///mlflow.db"


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, else a sqlite file in the working directory, the repository's root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI


def shown_uri() -> str:
    """The tracking URI without names and passwords."""
    return hide_password(tracking_uri())


def hide_password(text: str) -> str:
    """The text without the names and passwords of addresses in it."""
    return re.sub(r"//[^/\s]*@", "//", text)


def artifact_location(experiment: str) -> str | None:
    """mlartifacts next to a sqlite store; None for a server, which has its own location."""
    uri = tracking_uri()
    if not uri.startswith("sqlite:///"):
        return None
    database = Path(uri.removeprefix("sqlite:///")).resolve()
    return (database.parent / "mlartifacts" / experiment).as_uri()
