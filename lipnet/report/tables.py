"""The report's tables as CSV and JSON: tracked, so no timings, and equal work gives equal bytes."""
# N clips  K classes

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipnet.files import write_atomic, write_json
from lipnet.measure.accuracy import accuracy
from lipnet.measure.confusion import confusion_matrix, find_lookalikes
from lipnet.measure.homophenes import Homophenes, find_homophenes, spell
from lipnet.report.comparisons import Comparison
from lipnet.report.results import Entry, Outcome, Results
from lipnet.report.seeds import family_rows, find_families, pool_pairs, pooled_rows
from lipnet.report.strategies import COLUMNS as STRATEGY_COLUMNS
from lipnet.report.strategies import strategy_rows
from lipnet.train.history import read_history

DIGITS = 6
EVERY_SLOT = "all"
Cell = str | int | float | bool
Row = Mapping[str, Cell]


def write_rows(path: Path, rows: Iterable[Row], *, columns: Sequence[str] = ()) -> None:
    """Write CSV atomically; the columns are given or those of the first row."""
    listed = list(rows)
    names = list(columns) or list(listed[0])
    with write_atomic(path) as beside, beside.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _text(cell) for name, cell in row.items()} for row in listed)


def _text(cell: Cell) -> str:
    if isinstance(cell, bool):
        return str(int(cell))
    return repr(round(float(cell), DIGITS)) if isinstance(cell, float) else str(cell)


def result_rows(results: Results) -> list[dict[str, Cell]]:
    """One row a model, then one an ensemble."""
    return [_result_row(entry, results.splits) for entry in results.entries]


def _result_row(entry: Entry, splits: list[str]) -> dict[str, Cell]:
    is_model = not entry.members
    row: dict[str, Cell] = {
        "model": entry.name,
        "lineage": entry.lineage,
        "generation": entry.generation,
        "spec": entry.spec,
        "teacher": entry.teacher,
        "training": entry.training,
        "rule": entry.rule,
        "members": " ".join(entry.members),
        "chosen": entry.chosen if is_model else "",
        "params_m": entry.params_m,
        "gflops": entry.gflops,
        "gmacs": entry.gmacs,
        "input_size": entry.input_size if is_model else "",
        "epochs": entry.epochs if is_model else "",
        "best_epoch": entry.best_epoch if is_model else "",
        "seed": entry.seed if is_model else "",
        "val_loss": entry.val_loss if is_model else "",
        "optimiser": str(entry.recipe["optimiser"]) if is_model else "",
    }
    for split in splits:
        row |= _split_cells(split, entry.outcomes.get(split))
    return row


def _split_cells(split: str, outcome: Outcome | None) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    for name in ("top1", "top5"):
        found = getattr(outcome, name) if outcome else None
        for suffix, part in (("", "value"), ("_low", "low"), ("_high", "high")):
            cells[f"{split}_{name}{suffix}"] = getattr(found, part) if found else ""
    cells[f"{split}_clips"] = outcome.top1.clips if outcome else ""
    cells[f"{split}_units"] = outcome.top1.units if outcome else ""
    return cells


def write_metrics(path: Path, results: Results, *, corpus: Mapping[str, object]) -> None:
    """What `dvc metrics show` and `dvc metrics diff` print; `corpus` says what it is about."""
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


def write_plots(folder: Path, results: Results) -> None:
    """Long-format CSV for `dvc plots`: curves, accuracy against cost, generations, confusion."""
    write_rows(folder / "learning_curves.csv", _curve_rows(results))
    write_rows(folder / "accuracy_cost.csv", [_point(entry) for entry in results.entries])
    write_rows(folder / "generations.csv", _generation_rows(results))
    write_rows(folder / "confusion.csv", _confusion_rows(results))


def _curve_rows(results: Results) -> Iterator[Row]:
    for model in results.models:
        for record in read_history(model.folder / "history.csv"):
            yield {
                "model": model.name,
                "lineage": model.lineage,
                "epoch": record.epoch,
                "val_top1": record.val_top1,
                "val_loss": record.val_loss,
                "train_loss": record.train_loss,
            }


def _point(entry: Entry) -> Row:
    top1 = entry.outcomes["test"].top1
    return {
        "model": entry.name,
        "spec": entry.spec,
        "training": entry.training,
        "params_m": entry.params_m,
        "gflops": entry.gflops,
        "test_top1": top1.value,
        "test_top1_low": top1.low,
        "test_top1_high": top1.high,
    }


def _generation_rows(results: Results) -> Iterator[Row]:
    for model in results.models:
        yield {
            "lineage": model.lineage,
            "generation": int(model.generation[1:]),
            "val_top1": model.outcomes["val"].top1.value,
            "test_top1": model.outcomes["test"].top1.value,
        }


def _confusion_rows(results: Results) -> Iterator[Row]:
    outcome = results.entry(results.best).outcomes["test"]
    for actual, predicted in zip(outcome.labels_N, outcome.predicted_N, strict=True):
        yield {"actual": results.labels[actual], "predicted": results.labels[predicted]}


def write_tables(folder: Path, results: Results, comparisons: list[Comparison]) -> None:
    """Accuracy by label and, where clips have slots, by slot; comparisons; look-alikes."""
    write_rows(folder / "per_label.csv", _label_rows(results))
    write_rows(
        folder / "comparisons.csv",
        [comparison_row(comparison) for comparison in comparisons],
        columns=COMPARISON_COLUMNS,
    )
    write_rows(folder / "lookalikes.csv", _lookalike_rows(results), columns=LOOKALIKE_COLUMNS)
    families = find_families(results)
    if families:
        write_rows(folder / "seeds.csv", family_rows(families))
        pairs = pooled_rows(pool_pairs(families))
        write_rows(folder / "seed_pairs.csv", pairs, columns=PAIR_COLUMNS)
    ways = list(strategy_rows(results))
    if ways:
        write_rows(folder / "strategies.csv", ways, columns=STRATEGY_COLUMNS)
    alike = find_homophenes(results.labels)
    groups = (
        {"visemes": " ".join(spell(group[0]) or ()), "labels": " ".join(group)}
        for group in alike.groups
    )
    write_rows(folder / "homophenes.csv", groups, columns=("visemes", "labels"))
    if alike.english:
        write_rows(folder / "homophene_accuracy.csv", homophene_rows(results, alike))
    slots = list(slot_rows(results))
    if slots:
        write_rows(folder / "per_slot.csv", slots)


COMPARISON_COLUMNS = (
    *("question", "first", "second", "spec", "split"),
    *("difference", "low", "high", "clips", "units"),
)
PAIR_COLUMNS = (
    *("first", "second", "spec", "seeds", "difference", "low", "high", "by_seed"),
    *("clips", "units", "teachers"),
)
LOOKALIKE_COLUMNS = ("model", "split", "first", "second", "mistaken", "clips", "share")


def comparison_row(comparison: Comparison) -> Row:
    """A comparison as cells."""
    found = comparison.difference
    return {
        "question": comparison.question,
        "first": comparison.first,
        "second": comparison.second,
        "spec": comparison.spec,
        "split": comparison.split,
        "difference": found.value,
        "low": found.low,
        "high": found.high,
        "clips": found.clips,
        "units": found.units,
    }


def _label_rows(results: Results) -> Iterator[Row]:
    for entry in results.entries:
        for split in results.splits[1:]:
            outcome = entry.outcomes.get(split)
            if outcome is None:
                continue
            clips_K = np.bincount(outcome.labels_N, minlength=len(results.labels))
            right_K = np.bincount(
                outcome.labels_N, weights=outcome.correct_N, minlength=len(results.labels)
            )
            for label, clips, right in zip(results.labels, clips_K, right_K, strict=True):
                top1 = float(right / clips) if clips else ""
                counts: dict[str, Cell] = {"clips": int(clips), "top1": top1}
                yield {"model": entry.name, "split": split, "label": label, **counts}


def _lookalike_rows(results: Results) -> Iterator[Row]:
    outcome = results.entry(results.best).outcomes["test"]
    matrix_KK = confusion_matrix(outcome.labels_N, outcome.predicted_N, len(results.labels))
    for pair in find_lookalikes(matrix_KK, results.labels, limit=len(results.labels)):
        yield {
            "model": results.best,
            "split": "test",
            "first": pair.first,
            "second": pair.second,
            "mistaken": pair.mistaken,
            "clips": pair.clips,
            "share": pair.share,
        }


def homophene_rows(results: Results, alike: Homophenes) -> Iterator[Row]:
    """Top-1 where labels that lips show alike count as one, and the mistakes that are between
    such labels, beside those that are not."""
    for entry in results.entries:
        for split in results.splits[1:]:
            outcome = entry.outcomes.get(split)
            if outcome is None:
                continue
            right_N = alike.alike(outcome.labels_N, outcome.predicted_N)
            found = accuracy(right_N, outcome.units_N)
            wrong = int((~outcome.correct_N).sum())
            yield {
                "model": entry.name,
                "split": split,
                "clips": found.clips,
                "top1": outcome.top1.value,
                "merged_top1": found.value,
                "merged_top1_low": found.low,
                "merged_top1_high": found.high,
                "mistakes": wrong,
                "between_alike": wrong - int((~right_N).sum()),
            }


def slot_rows(results: Results) -> Iterator[Row]:
    """Top-1 by slot and over all, beside chance and what the slot alone gives; none without slots.

    `slot_alone` always answers the slot's commonest validation label: a lipreader that sees
    nothing but the position in the sentence (19 % over GRID's six slots).
    """
    for entry in results.entries:
        known = entry.outcomes["val"]
        for split in results.splits[1:]:
            if split not in entry.outcomes or not any(known.slots_N):
                continue
            outcome = entry.outcomes[split]
            alone_N = _answer_by_slot(outcome, known)
            for slot in [*sorted({str(slot) for slot in outcome.slots_N}), EVERY_SLOT]:
                cells = _slot_cells(outcome, alone_N, slot)
                yield {"model": entry.name, "split": split, **cells}


def _answer_by_slot(outcome: Outcome, known: Outcome) -> NDArray[np.bool_]:
    """Whether the commonest validation label of its slot is each clip's label."""
    alone_N = np.zeros(len(outcome.labels_N), dtype=np.bool_)
    for slot in np.unique(outcome.slots_N):
        commonest = Counter(known.labels_N[known.slots_N == slot].tolist()).most_common(1)
        answer = commonest[0][0] if commonest else -1
        alone_N |= (outcome.slots_N == slot) & (outcome.labels_N == answer)
    return alone_N


def _slot_cells(outcome: Outcome, alone_N: NDArray[np.bool_], slot: str) -> Row:
    inside_N = (outcome.slots_N == slot) | np.bool_(slot == EVERY_SLOT)
    found = accuracy(outcome.correct_N[inside_N], outcome.units_N[inside_N])
    return {
        "slot": slot,
        "clips": found.clips,
        "units": found.units,
        "top1": found.value,
        "top1_low": found.low,
        "top1_high": found.high,
        "chance": 1 / len(np.unique(outcome.labels_N[inside_N])),
        "slot_alone": float(alone_N[inside_N].mean()),
    }
