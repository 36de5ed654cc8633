"""What a flow run shows in the end: leaderboard, figures, and the ways to report and MLflow."""

import base64
import csv
import json
import re
from collections.abc import Mapping
from socket import gethostname

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.servers import find_mlflow
from pipeline.paths import Paths

FIGURES = {
    "accuracy_gflops": "Accuracy against cost",
    "generations": "Accuracy by generation",
    "learning_curves": "Learning curves",
}


def show_report(paths: Paths) -> None:
    """All of it as artifacts of the flow run that calls this; what is only shown fails no run."""
    try:
        _show_report(paths)
    except Exception as error:  # the server's, the network's and the files' alike
        get_run_logger().warning("not all of the report can be shown: %s", error)


def _show_report(paths: Paths) -> None:
    name = re.sub("[^a-z0-9]+", "-", paths.profile.lower())
    with (paths.report / "leaderboard.csv").open(newline="", encoding="utf-8") as lines:
        rows = [shorten(row) for row in csv.DictReader(lines)]
    told = f"Models of {paths.profile}; intervals are 95 %, accuracies top-1 on test and validation"
    create_table_artifact(table=rows, key=f"leaderboard-{name}", description=told)
    create_markdown_artifact(
        draw_figures(paths), key=f"figures-{name}", description="Figures of the report"
    )
    create_markdown_artifact(
        describe_places(paths),
        key=f"links-{name}",
        description="The report, and in MLflow all runs and the generations of each lineage",
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


def describe_places(paths: Paths) -> str:
    """Where the report lies, and links to MLflow's pages as `tracking.publish` found them."""
    page = (paths.report / "report.html").resolve()
    lines = [f"The whole report as one page: `{page}` on {gethostname()}", ""]
    if not paths.mlflow_pages.exists():
        return "\n".join([*lines, "Nothing of this profile is in MLflow yet."])
    base = find_mlflow()
    places = json.loads(paths.mlflow_pages.read_text(encoding="utf-8"))
    lines += [f"[All runs of {paths.profile}]({base}{places['runs']})", ""]
    for lineage, place in places["generations"].items():
        lines.append(f"- [Compare the generations of {lineage}]({base}{place})")
    return "\n".join(lines)
