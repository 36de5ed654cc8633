"""Where MLflow's runs go, and how that is shown to people."""

import os
import re
from pathlib import Path

DEFAULT_URI = "sqlite:///mlflow.db"


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, else a sqlite file in the working directory, the repository's root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI


def shown_uri() -> str:
    """The same as people may see it."""
    return hide_password(tracking_uri())


def hide_password(text: str) -> str:
    """The text without the names and passwords of addresses in it."""
    return re.sub(r"//[^/\s]*@", "//", text)


def artifact_location(experiment: str) -> str | None:
    """Artifacts of a sqlite store lie in mlartifacts beside it; a server knows its own place."""
    uri = tracking_uri()
    if not uri.startswith("sqlite:///"):
        return None
    database = Path(uri.removeprefix("sqlite:///")).resolve()
    return (database.parent / "mlartifacts" / experiment).as_uri()
