"""metrics.json: what `dvc metrics show` and `dvc metrics diff` print."""

from collections.abc import Mapping
from pathlib import Path

from lipnet.files import write_json
from lipnet.report.csv_rows import DIGITS
from lipnet.report.results import Entry, Results


def write_metrics(path: Path, results: Results, *, corpus: Mapping[str, object]) -> None:
    """Write accuracy and cost of every entry; `corpus` describes the clips."""
    best = results.entry(results.best)
    write_json(
        path,
        {
            "corpus": {"labels": len(results.labels), **corpus},
            "best_on_validation": {"model": best.name, **_metrics(best)},
            "models": {model.name: _metrics(model) for model in results.models},
            "ensembles": {own.name: _metrics(own) for own in results.ensembles},
        },
    )


def _metrics(entry: Entry) -> dict[str, object]:
    cost = {name: round(getattr(entry, name), DIGITS) for name in ("params_m", "gflops", "gmacs")}
    top: dict[str, object] = {
        split: {
            "top1": round(outcome.top1.value, DIGITS),
            "top5": round(outcome.top5.value, DIGITS),
        }
        for split, outcome in entry.outcomes.items()
    }
    return {**top, **cost}
