"""The page's sections on labels: which are confused, which look the same, which are hardest."""

from collections.abc import Sequence

from lipnet.labels import BACKGROUND
from lipnet.report.markdown import interval, join, percent, verbatim
from lipnet.report.names import ModelNames
from lipnet.report.rows import (
    HomopheneRow,
    LabelRow,
    LeaderboardRow,
    LookalikeRow,
    MergedRow,
    SlotRow,
)

MAX_LOOKALIKES, MAX_HARDEST = 8, 10  # pairs and labels that the page names


def describe_lookalikes(
    pairs: Sequence[LookalikeRow], rows: Sequence[LeaderboardRow], names: ModelNames
) -> list[str]:
    """The labels most mistaken for each other, and their part in all mistakes."""
    if not pairs:
        return []
    best = next(row for row in rows if row.model == pairs[0].model)
    wrong = round(best.test.clips * (1 - best.test.top1))
    shown = pairs[:MAX_LOOKALIKES]
    covered = sum(pair.mistaken for pair in shown)
    lines = [
        "## Look-alikes",
        "",
        f"Most mistaken for each other by {names.full(best.model)}, the best single model "
        f"on validation. These {len(shown)} pairs account for {covered} of its {wrong} mistakes "
        "on test.",
        "",
        "| labels | mistaken | of clips | share |",
        "|---|---:|---:|---:|",
    ]
    for pair in shown:
        labels = f"{verbatim(pair.first)} / {verbatim(pair.second)}"
        counts = [str(pair.mistaken), str(pair.clips)]
        lines.append(join([labels, *counts, f"{percent(pair.share)} %"]))
    return [*lines, ""]


def describe_homophenes(
    groups: Sequence[HomopheneRow], merged: Sequence[MergedRow], best: str, names: ModelNames
) -> list[str]:
    """Which labels look the same by the dictionary, and top-1 if each group is one label."""
    if not merged:
        return []
    named = "; ".join(verbatim(", ".join(group.labels)) for group in groups)
    lines = [
        "## Labels that look the same",
        "",
        "Labels of one viseme sequence, by the CMU Pronouncing Dictionary (American) and "
        f"Lee and Yook's visemes: {named or 'none here'}. Top-1 with those counted as one label, "
        "on test; every model and split is in "
        "[tables/homophene_accuracy.csv](tables/homophene_accuracy.csv).",
        "",
        "| model | top-1 | look-alikes as one [95 %] | mistakes | of them between look-alikes |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in merged:
        if row.split == "test":
            name = names.full(row.model)
            name = f"**{name}**" if row.model == best else name
            top1 = interval(row.merged_top1, row.merged_top1_low, row.merged_top1_high)
            counts = [str(row.mistakes), str(row.between_alike)]
            lines.append(join([name, percent(row.top1), top1, *counts]))
    return [*lines, ""]


def describe_slots(rows: Sequence[SlotRow], best: str, names: ModelNames) -> list[str]:
    """Top-1 by slot of the sentence for the best single model."""
    if not rows:
        return []
    lines = [
        "## By slot of the sentence",
        "",
        "The position in the sentence alone narrows the labels: `slot alone` answers each slot's "
        f"most common validation label without seeing a face. Here {names.full(best)}; every "
        "model is in [tables/per_slot.csv](tables/per_slot.csv).",
        "",
        "| split | slot | clips | top-1 [95 %] | chance in slot | slot alone |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        if row.model == best:
            cells = [row.split, row.slot, str(row.clips)]
            cells.append(interval(row.top1, row.top1_low, row.top1_high))
            lines.append(join([*cells, percent(row.chance), percent(row.slot_alone)]))
    return [*lines, ""]


def describe_background(rows: Sequence[LabelRow], best: str) -> str:
    """A sentence with how many test clips are windows without a word; "" if there are none."""
    own = [row for row in rows if (row.model, row.split) == (best, "test")]
    clips = sum(row.clips for row in own if row.label == BACKGROUND)
    if not clips:
        return ""
    return (
        f" {clips:,} of the {sum(row.clips for row in own):,} test clips are windows without a "
        f"word, with the label {verbatim(BACKGROUND)}: every top-1 on this page counts them, "
        "except those of the other slots in the table by slot."
    )


def describe_labels(rows: Sequence[LabelRow], best: str, names: ModelNames) -> list[str]:
    """The labels with the lowest top-1 of the best single model on test."""
    own = [
        (row.top1, row.label, row.clips)
        for row in rows
        if (row.model, row.split) == (best, "test") and row.top1 is not None
    ]
    hardest = sorted(own)[:MAX_HARDEST]
    lines = [
        "## By label",
        "",
        f"The {len(hardest)} of {len(own)} labels with the lowest top-1 of {names.full(best)} on "
        "test; every label of every model is in [tables/per_label.csv](tables/per_label.csv).",
        "",
        "| label | clips | top-1 |",
        "|---|---:|---:|",
        *(join([verbatim(label), str(clips), percent(top1)]) for top1, label, clips in hardest),
    ]
    return [*lines, ""]
