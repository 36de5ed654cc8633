"""What a flow run shows in the end: leaderboard, figures, and the ways to report and MLflow."""

import base64
import csv
import json
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)

from flows.ui import MLFLOW
from stages.paths import Paths

FIGURES = {
    "accuracy_gflops": "Accuracy against cost",
    "generations": "Accuracy by generation",
    "learning_curves": "Learning curves",
}


def show_report(paths: Paths) -> None:
    """All of it as artifacts of the flow run that calls this."""
    name = paths.profile.replace("_", "-")
    with (paths.report / "leaderboard.csv").open(newline="", encoding="utf-8") as lines:
        rows = [shorten(row) for row in csv.DictReader(lines)]
    told = f"Models of {paths.profile}; intervals are 95 %, accuracies top-1 on test and validation"
    create_table_artifact(table=rows, key=f"leaderboard-{name}", description=told)
    create_markdown_artifact(
        draw_figures(paths), key=f"figures-{name}", description="Figures of the report"
    )
    page = paths.report / "report.html"
    if page.exists():
        create_link_artifact(
            link=page.resolve().as_uri(),
            link_text=f"{page} on the machine that made it",
            key=f"report-{name}",
            description="The whole report as one page",
        )
    create_markdown_artifact(
        describe_mlflow(paths),
        key=f"mlflow-{name}",
        description="Runs, and the generations of each lineage side by side",
    )


def shorten(row: Mapping[str, str]) -> dict[str, str]:
    """A leaderboard's row as a person compares models."""
    low, high = (f"{100 * float(row[f'test_top1_{end}']):.1f}" for end in ("low", "high"))
    return {
        "model": row["model"],
        "test %": f"{100 * float(row['test_top1']):.1f}",
        "interval": f"{low} to {high}",
        "validation %": f"{100 * float(row['val_top1']):.1f}",
        "M params": f"{float(row['params_m']):.2f}",
        "GFLOPs": f"{float(row['gflops']):.3f}",
        "ms": row["latency_ms_p50"],
        "taught by": row["teacher"],
        "spec": row["spec"],
        "members": row["members"],
    }


def draw_figures(paths: Paths) -> str:
    """Figures with the pictures in them, so that they are seen wherever the server's pages are."""
    parts = []
    for name, told in FIGURES.items():
        picture = paths.report / "figures" / f"{name}.png"
        if picture.exists():
            content = base64.b64encode(picture.read_bytes()).decode()
            parts.append(f"## {told}\n![{told}](data:image/png;base64,{content})")
    return "\n\n".join(parts)


def describe_mlflow(paths: Paths) -> str:
    """Links to MLflow's pages, as `stages.publish` found them."""
    base = find_mlflow()
    places = json.loads(paths.mlflow_pages.read_text(encoding="utf-8"))
    lines = [f"[All runs of {paths.profile}]({base}{places['runs']})", ""]
    for lineage, place in places["generations"].items():
        lines.append(f"- [Compare the generations of {lineage}]({base}{place})")
    return "\n".join(lines)


def find_mlflow() -> str:
    """Where MLflow is looked at: the server that runs are logged to, without a name and password
    in its address, else that of `make ui`."""
    tracking = urlsplit(os.environ.get("MLFLOW_TRACKING_URI", ""))
    if not tracking.scheme.startswith("http"):
        return MLFLOW.url
    place = tracking.netloc.rpartition("@")[2]
    return f"{tracking.scheme}://{place}{tracking.path.rstrip('/')}"
