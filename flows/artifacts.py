"""A flow run's artifacts: leaderboard, figures, and links to the report and MLflow."""

import base64
import json
import re
from socket import gethostname

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.servers import find_mlflow
from pipeline.leaderboard import prefect_rows
from pipeline.paths import Paths

FIGURES = {
    "accuracy_gflops": "Accuracy against cost",
    "generations": "Accuracy by generation",
    "learning_curves": "Learning curves",
}


def show_report(paths: Paths) -> None:
    """Create the artifacts of the flow run that calls this; an error here is only a warning."""
    try:
        _show_report(paths)
    except Exception as error:  # of the server, the network or the files
        get_run_logger().warning("some artifacts of the report are missing: %s", error)


def _show_report(paths: Paths) -> None:
    name = re.sub("[^a-z0-9]+", "-", paths.profile.lower())
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
        description="The report; in MLflow all runs, and the generations of each lineage",
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
    """The path of the report, and links to MLflow's pages as `tracking.publish` saved them."""
    page = (paths.report / "report.html").resolve()
    lines = [f"The whole report as one page: `{page}` on {gethostname()}", ""]
    if not paths.mlflow_pages.exists():
        return "\n".join([*lines, "Nothing of this profile is in MLflow yet."])
    base = find_mlflow()
    pages = json.loads(paths.mlflow_pages.read_text(encoding="utf-8"))
    lines += [f"[All runs of {paths.profile}]({base}{pages['runs']})", ""]
    for lineage, address in pages["generations"].items():
        lines.append(f"- [Compare the generations of {lineage}]({base}{address})")
    return "\n".join(lines)
