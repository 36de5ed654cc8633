"""Names of metrics and models in MLflow: they sort by subject, and accuracy comes first.

`accuracy/...`, `cost/...` and `fit/...` describe the weights that were kept, which are those of the
best epoch; `by_epoch/...` is the learning curve, whose value in a table is that of the last epoch.
"""

import json
from collections.abc import Mapping
from dataclasses import fields

from lipnet.report.csv_rows import column_values
from lipnet.report.rows import LeaderboardRow, RowLatency, Score
from lipnet.train.history import EpochRecord

# MLflow's comparison opens on the metric that a run got first. The test split is read last, so this
# is the accuracy on validation: of the best epoch so far, then of the weights that were kept.
FIRST, FIRST_OF_EPOCH = "accuracy/val_top1", "by_epoch/val_top1"
# In the order in which they are logged.
BY_EPOCH = ("val_top1", "val_top5", "val_loss", "train_loss", "train_ce", "train_kd", "lr")
FIT = ("val_loss", "best_epoch")
# Of a compressed model.
SIZE = ("file_bytes", "ratio", "bits_per_weight")
LOST = ("difference", "difference_low", "difference_high")
# Of a cascade.
SHARES = ("threshold", "leaves_val", "leaves")
# Equal for all models of a study, or a setting: tags.
CONSTANTS = ("_clips", "_units", "latency_threads")

# The page of all runs: an experiment's tag holds the state of a page that was shared in MLflow.
VIEW = "leaderboard"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
SORTED_BY = "metrics.`accuracy/test_top1`"
SHOWN = (
    *(SORTED_BY, f"metrics.`{FIRST}`", "metrics.`cost/params_m`"),
    *("metrics.`cost/gflops`", "tags.`kind`"),
)


def describe_view() -> str:
    """MLflow's state of a table of runs with accuracy and cost as columns, the best first."""
    return json.dumps({"selectedColumns": SHOWN, "orderByKey": SORTED_BY, "orderByAsc": False})


def epoch_figures(record: EpochRecord) -> dict[str, float]:
    """One epoch's figures under MLflow's names, accuracy first and learning rate last."""
    return {f"by_epoch/{name}": getattr(record, name) for name in BY_EPOCH}


def final_figures(row: LeaderboardRow) -> dict[str, float]:
    """The row's results under MLflow's names, test accuracy first.

    Each float of a split's score is an accuracy, each other one of the row or its latency a cost;
    of a compressed model also what it lost, and the size of its file; of a cascade its difference
    to the large model, its worst case, its threshold and which share of clips leaves.
    """
    scores = {f"{split}_": score for split, score in row.scores.items()}
    accuracies = sorted(_list_floats(scores).items())
    latency = {"latency_": row.latency} if row.latency else {}
    fit = {name: float(getattr(row.fit, name)) for name in FIT} if row.fit else {}
    packed = {name: float(getattr(row.compression, name)) for name in SIZE if row.compression}
    changed = row.compression or row.cascade
    lost = {name: float(getattr(changed, name)) for name in LOST if changed}
    worst = {"worst_gflops": row.cascade.worst_gflops} if row.cascade else {}
    subjects = {
        "accuracy": {"test_top1": row.test.top1, **dict(accuracies), **lost},
        "cost": {**_list_floats({"": row, **latency}), **packed, **worst},
        "cascade": {name: getattr(row.cascade, name) for name in SHARES if row.cascade},
        "fit": fit,
    }
    return {
        f"{subject}/{name}": number
        for subject, figures in subjects.items()
        for name, number in figures.items()
    }


def _list_floats(parts: Mapping[str, LeaderboardRow | RowLatency | Score]) -> dict[str, float]:
    """The floats of dataclasses, with a prefix for the names of each."""
    return {
        prefix + own.name: number
        for prefix, part in parts.items()
        for own in fields(part)
        if isinstance(number := getattr(part, own.name), float)
    }


def constants(row: LeaderboardRow) -> dict[str, str]:
    """The row's numbers that are no results: how many clips, units and threads."""
    values = column_values(row)
    return {name: str(value) for name, value in values.items() if name.endswith(CONSTANTS)}


def kind_of(
    teacher: str | None, *, is_taught: bool, how: str = "", start: str | None = None
) -> str:
    """How a model was made: compressed by the steps `how`, scratch, fine-tuned (without a teacher,
    from the weights `start`), born-again (from its own lineage) or distilled, if its lineage is
    taught by another one."""
    if how:
        return "compressed"
    if not teacher:
        return "fine-tuned" if start else "scratch"
    return "distilled" if is_taught else "born-again"


def registered_name(profile: str, spec: str) -> str:
    """The registered model of a spec: its versions have the same architecture."""
    return f"lipnet-{profile}-{spec.replace(' + ', '-')}"


def describe_version(row: LeaderboardRow) -> str:
    """A registered version in a sentence: accuracy, parameters and FLOPs."""
    test = row.test
    return (
        f"{row.model}: test top-1 {test.top1:.1%} (95 % interval {test.top1_low:.1%} to "
        f"{test.top1_high:.1%}), validation {row.val.top1:.1%}; {row.params_m:.2f} M parameters, "
        f"{row.gflops:.3f} GFLOPs per clip. The best of its lineage on validation."
    )
