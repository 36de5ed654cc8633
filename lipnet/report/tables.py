"""The report's tables, from results: tracked, so no timings, and equal work gives equal bytes."""
# N clips  K classes

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipnet.lineage.generation import Packing
from lipnet.measure.accuracy import Estimate, accuracy, paired_difference
from lipnet.measure.confusion import confusion_matrix, find_lookalikes
from lipnet.measure.homophenes import Homophenes, find_homophenes, spell
from lipnet.report.comparisons import Comparison
from lipnet.report.csv_rows import write_rows
from lipnet.report.recipes import list_settings
from lipnet.report.results import CascadeFacts, Entry, Outcome, Results
from lipnet.report.rows import (
    CascadeCost,
    ComparisonRow,
    Compression,
    FamilyRow,
    Fit,
    HomopheneRow,
    LabelRow,
    LeaderboardRow,
    LookalikeRow,
    MergedRow,
    Score,
    SeedPairRow,
    SlotRow,
    StrategyRow,
)
from lipnet.report.seeds import family_rows, find_families, pool_pairs, pooled_rows
from lipnet.report.strategies import strategy_rows

ALL_SLOTS = "all"


def leaderboard_rows(results: Results) -> list[LeaderboardRow]:
    """One row per model, then one per ensemble, cascade and compressed model; without latencies."""
    settings = _settings_of(results.models)
    rows = [_leaderboard_row(entry, settings.get(entry.name, ())) for entry in results.entries]
    rows += [
        replace(_leaderboard_row(entry), cascade=_cascade_of(entry, facts, results))
        for entry in results.cascades
        if (facts := entry.cascade)
    ]
    return rows + [
        replace(_leaderboard_row(entry), compression=_compression_of(entry, packing, results))
        for entry in results.compressed
        if (packing := entry.packing)
    ]


def _settings_of(models: Sequence[Entry]) -> dict[str, tuple[str, ...]]:
    """By model what sets its recipe apart from those of its spec and training."""
    alike: defaultdict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for model in models:
        alike[model.spec, model.training].append(model.recipe)
    return {
        model.name: list_settings(
            model.recipe, alike[model.spec, model.training], is_taught=model.teacher != ""
        )
        for model in models
    }


def _leaderboard_row(entry: Entry, settings: tuple[str, ...] = ()) -> LeaderboardRow:
    unseen = entry.outcomes.get("unseen")
    return LeaderboardRow(
        model=entry.name,
        lineage=entry.lineage,
        generation=entry.generation,
        spec=entry.spec,
        teacher=entry.teacher,
        training=entry.training,
        rule=entry.rule,
        members=entry.members,
        chosen=None if entry.members else entry.chosen,
        params_m=entry.params_m,
        gflops=entry.gflops,
        gmacs=entry.gmacs,
        fit=None if entry.members else _fit_of(entry, settings),
        val=_score_of(entry.outcomes["val"]),
        test=_score_of(entry.outcomes["test"]),
        unseen=_score_of(unseen) if unseen else None,
    )


def _cascade_of(entry: Entry, facts: CascadeFacts, results: Results) -> CascadeCost:
    change = _difference(results.entry(entry.members[1]), entry)
    return CascadeCost(
        **asdict(facts),
        difference=change.value,
        difference_low=change.low,
        difference_high=change.high,
    )


def _difference(first: Entry, second: Entry) -> Estimate:
    """The second's top-1 on test less the first's."""
    one, other = first.outcomes["test"], second.outcomes["test"]
    return paired_difference(one.correct_N, other.correct_N, other.units_N)


def _compression_of(entry: Entry, packing: Packing, results: Results) -> Compression:
    change = _difference(results.entry(packing.of), entry)
    return Compression(
        how=packing.how,
        tuned_epochs=packing.epochs,
        file_bytes=packing.file_bytes,
        ratio=packing.source_bytes / packing.file_bytes,
        bits_per_weight=8 * packing.file_bytes / (1e6 * entry.params_m),
        difference=change.value,
        difference_low=change.low,
        difference_high=change.high,
    )


def _fit_of(entry: Entry, settings: tuple[str, ...]) -> Fit:
    return Fit(
        input_size=entry.input_size,
        epochs=entry.epochs,
        best_epoch=entry.best_epoch,
        seed=entry.seed,
        val_loss=entry.val_loss,
        optimiser=str(entry.recipe["optimiser"]),
        temperature=float(entry.recipe["temperature"]),
        settings=settings,
        start=entry.start,
    )


def _score_of(outcome: Outcome) -> Score:
    top1, top5 = outcome.top1, outcome.top5
    intervals = (top1.value, top1.low, top1.high, top5.value, top5.low, top5.high)
    return Score(*intervals, clips=top1.clips, units=top1.units)


def write_tables(folder: Path, results: Results, comparisons: list[Comparison]) -> None:
    """Accuracy by label and, if clips have slots, by slot; comparisons, seeds, look-alikes."""
    pairs = [comparison_row(comparison) for comparison in comparisons]
    write_rows(folder / "comparisons.csv", ComparisonRow, pairs)
    write_rows(folder / "per_label.csv", LabelRow, _label_rows(results))
    write_rows(folder / "lookalikes.csv", LookalikeRow, _lookalike_rows(results))
    families = find_families(results)
    if families:
        write_rows(folder / "seeds.csv", FamilyRow, family_rows(families))
        write_rows(folder / "seed_pairs.csv", SeedPairRow, pooled_rows(pool_pairs(families)))
    strategies = list(strategy_rows(results))
    if strategies:
        write_rows(folder / "strategies.csv", StrategyRow, strategies)
    alike = find_homophenes(results.labels)
    groups = [HomopheneRow(spell(group[0]) or (), tuple(group)) for group in alike.groups]
    write_rows(folder / "homophenes.csv", HomopheneRow, groups)
    if alike.english:
        write_rows(folder / "homophene_accuracy.csv", MergedRow, merged_rows(results, alike))
    slots = list(slot_rows(results))
    if slots:
        write_rows(folder / "per_slot.csv", SlotRow, slots)


def comparison_row(comparison: Comparison) -> ComparisonRow:
    """A comparison as the table keeps it."""
    found = comparison.difference
    return ComparisonRow(
        question=comparison.question,
        first=comparison.first,
        second=comparison.second,
        spec=comparison.spec,
        split=comparison.split,
        difference=found.value,
        low=found.low,
        high=found.high,
        clips=found.clips,
        units=found.units,
    )


def _held_out(results: Results) -> Iterator[tuple[Entry, str, Outcome]]:
    """Each entry's outcome of each split but validation."""
    for entry in results.entries:
        for split in results.splits[1:]:
            if split in entry.outcomes:
                yield entry, split, entry.outcomes[split]


def _label_rows(results: Results) -> Iterator[LabelRow]:
    n_labels = len(results.labels)
    for entry, split, outcome in _held_out(results):
        clips_K = np.bincount(outcome.labels_N, minlength=n_labels)
        right_K = np.bincount(outcome.labels_N, weights=outcome.correct_N, minlength=n_labels)
        for label, clips, right in zip(results.labels, clips_K, right_K, strict=True):
            top1 = float(right / clips) if clips else None
            yield LabelRow(entry.name, split, label, int(clips), top1)


def _lookalike_rows(results: Results) -> Iterator[LookalikeRow]:
    outcome = results.entry(results.best).outcomes["test"]
    matrix_KK = confusion_matrix(outcome.labels_N, outcome.predicted_N, len(results.labels))
    for pair in find_lookalikes(matrix_KK, results.labels, limit=len(results.labels)):
        counts = (pair.mistaken, pair.clips, pair.share)
        yield LookalikeRow(results.best, "test", pair.first, pair.second, *counts)


def merged_rows(results: Results, alike: Homophenes) -> Iterator[MergedRow]:
    """Top-1 if labels that look the same count as one label, and how many of the mistakes are
    between such labels."""
    for entry, split, outcome in _held_out(results):
        right_N = alike.alike(outcome.labels_N, outcome.predicted_N)
        found = accuracy(right_N, outcome.units_N)
        wrong = int((~outcome.correct_N).sum())
        yield MergedRow(
            model=entry.name,
            split=split,
            clips=found.clips,
            top1=outcome.top1.value,
            merged_top1=found.value,
            merged_top1_low=found.low,
            merged_top1_high=found.high,
            mistakes=wrong,
            between_alike=wrong - int((~right_N).sum()),
        )


def slot_rows(results: Results) -> Iterator[SlotRow]:
    """Top-1 by slot and over all slots, with chance and what the slot alone gives; no rows if
    clips have no slots.

    `slot_alone` always answers the slot's most common validation label: a lipreader that sees
    nothing but the position in the sentence (19 % over GRID's six slots).
    """
    for entry, split, outcome in _held_out(results):
        known = entry.outcomes["val"]
        if not any(known.slots_N):
            continue
        alone_N = _answer_by_slot(outcome, known)
        for slot in [*sorted({str(slot) for slot in outcome.slots_N}), ALL_SLOTS]:
            yield _slot_row(entry.name, split, slot, outcome, alone_N)


def _answer_by_slot(outcome: Outcome, known: Outcome) -> NDArray[np.bool_]:
    """Whether each clip's label is the most common validation label of its slot."""
    alone_N = np.zeros(len(outcome.labels_N), dtype=np.bool_)
    for slot in np.unique(outcome.slots_N):
        commonest = Counter(known.labels_N[known.slots_N == slot].tolist()).most_common(1)
        answer = commonest[0][0] if commonest else -1
        alone_N |= (outcome.slots_N == slot) & (outcome.labels_N == answer)
    return alone_N


def _slot_row(
    model: str, split: str, slot: str, outcome: Outcome, alone_N: NDArray[np.bool_]
) -> SlotRow:
    inside_N = (outcome.slots_N == slot) | np.bool_(slot == ALL_SLOTS)
    found = accuracy(outcome.correct_N[inside_N], outcome.units_N[inside_N])
    return SlotRow(
        model=model,
        split=split,
        slot=slot,
        clips=found.clips,
        units=found.units,
        top1=found.value,
        top1_low=found.low,
        top1_high=found.high,
        chance=1 / len(np.unique(outcome.labels_N[inside_N])),
        slot_alone=float(alone_N[inside_N].mean()),
    )
