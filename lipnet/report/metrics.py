"""metrics.json: the headline figures that `dvc exp show` and `dvc metrics diff` print."""

from collections.abc import Iterable
from pathlib import Path
from statistics import mean

from lipnet.files import write_json
from lipnet.report.comparisons import Comparison
from lipnet.report.csv_rows import DIGITS
from lipnet.report.recipes import RECIPES_DIFFER
from lipnet.report.results import Results


def write_metrics(path: Path, results: Results, comparisons: Iterable[Comparison]) -> None:
    """Write accuracy and cost of the model that is best on validation, and the gain of
    distillation; results.csv has every model.

    The gain is the mean difference in test top-1 between distilled models and the models from
    scratch of their specs and recipes, born-again generations apart; it is left out if nothing is
    compared.
    DVC sorts names: accuracy first. They are short: `dvc metrics show` has one column for each.
    """
    best = results.entry(results.best)
    accuracy = {split: best.outcomes[split].top1.value for split in ("test", "val")}
    metrics: dict[str, object] = {
        "accuracy": {split: round(value, DIGITS) for split, value in accuracy.items()},
        "gflops": round(best.gflops, DIGITS),
        "model": best.name,
        "params_m": round(best.params_m, DIGITS),
    }
    gains = [
        pair.difference.value
        for pair in comparisons
        if results.entry(pair.first).training == "scratch"
        and results.entry(pair.second).training == "distilled"
        and not pair.question.endswith(RECIPES_DIFFER)
    ]
    if gains:
        metrics["gain"] = round(mean(gains), DIGITS)
    write_json(path, metrics)
