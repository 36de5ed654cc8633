"""A flow run's artifacts: leaderboard, figures, and links to the report and MLflow."""

import base64
import json
import re
from socket import gethostname

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from pipeline.leaderboard import prefect_rows
from pipeline.pages import list_pages
from pipeline.paths import Paths
from tracking.uri import find_mlflow

FIGURES = {
    "accuracy_gflops": "Accuracy against cost",
    "generations": "Accuracy by generation",
    "learning_curves": "Learning curves",
}


def show_preflight(paths: Paths) -> None:
    """Create the artifact of the estimate; an error here is only a warning."""
    if not paths.preflight.exists():
        return
    try:
        create_table_artifact(
            table=json.loads(paths.preflight.read_text(encoding="utf-8")),
            key=f"preflight-{_key_of(paths)}",
            description=f"Disk space and time that all steps of {paths.profile} need, estimated",
        )
    except Exception as error:  # of the server, the network or the files
        get_run_logger().warning("the estimate has no artifact: %s", error)


def _key_of(paths: Paths) -> str:
    return re.sub("[^a-z0-9]+", "-", paths.profile.lower())


def show_report(paths: Paths) -> None:
    """Create the artifacts of the flow run that calls this; an error here is only a warning."""
    try:
        _show_report(paths)
    except Exception as error:  # of the server, the network or the files
        get_run_logger().warning("some artifacts of the report are missing: %s", error)


def _show_report(paths: Paths) -> None:
    name = _key_of(paths)
    described = (
        f"Models of {paths.profile}; accuracies in %, top-1 on validation and test; "
        "the interval is of test top-1"
    )
    create_table_artifact(
        table=prefect_rows(paths), key=f"leaderboard-{name}", description=described
    )
    create_markdown_artifact(
        embed_figures(paths), key=f"figures-{name}", description="Figures of the report"
    )
    create_markdown_artifact(
        format_links(paths),
        key=f"links-{name}",
        description="The report, all models, and comparisons, in MLflow",
    )


def embed_figures(paths: Paths) -> str:
    """The figures in markdown with their images inside: a browser elsewhere has no other access."""
    parts = []
    for name, title in FIGURES.items():
        image = paths.report / "figures" / f"{name}.png"
        if image.exists():
            content = base64.b64encode(image.read_bytes()).decode()
            parts.append(f"## {title}\n![{title}](data:image/png;base64,{content})")
    return "\n\n".join(parts)


def format_links(paths: Paths) -> str:
    """Links to the report and to MLflow's pages, and the report's path on this machine."""
    page = (paths.report / "report.html").resolve()
    lines = [f"The report is also a file, `{page}` on {gethostname()}.", ""]
    pages = list_pages(paths, find_mlflow())
    if not pages:
        return "\n".join([*lines, "Nothing of this profile is in MLflow yet."])
    links = [f"- [{title[0].upper()}{title[1:]}]({address})" for title, address in pages]
    return "\n".join([*links, "", *lines])
