"""Context curves and robustness of models, for the page and for model cards."""

from collections.abc import Mapping

from lipnet.report.conditions import CHANGE, CONTEXT, MeasuredCondition, MeasuredModel
from lipnet.report.markdown import gain, interval, join
from lipnet.report.names import ModelNames

FIGURE = "context"  # next to the page, not among the tracked figures
HEADINGS = {CONTEXT: "frames on each side of the word", CHANGE: "change"}
HOW = (
    "top-1 in percent and, after the semicolon, its difference in points to the same clips as they "
    "are, both with 95 % intervals; differences are paired. Context is given as far as the clips "
    "have it. Changes are made to the stored crops: brightness, scale about the middle, whole "
    "pixels, and frame rate, as a camera of that rate would have filmed the clip."
)


def describe_conditions(measured: Mapping[str, MeasuredModel], names: ModelNames) -> list[str]:
    """The page's section: the curve, and a table per kind with a column per model; nothing if no
    model was measured."""
    if not measured:
        return []
    lines = [
        "## Context and robustness",
        "",
        f"Of the models that were measured, on the test clips: {HOW}",
        "",
        f"![Top-1 by the frames that were read]({FIGURE}.png)",
        "",
    ]
    titles = {model: names.full(model) for model in measured}
    for kind in HEADINGS:
        lines += [*_format_table(kind, measured, titles), ""]
    return lines


def describe_model_conditions(measured: MeasuredModel) -> list[str]:
    """The part of a model card."""
    lines = [
        f"**Context and robustness.** On {measured.clips} {measured.split} clips "
        f"({measured.frames:.1f} frames per clip): {HOW}",
        "",
    ]
    title = "top-1 [95 %]; difference [95 %]"
    for kind in HEADINGS:
        lines += [*_format_table(kind, {"": measured}, {"": title}), ""]
    return lines


def _format_table(
    kind: str, measured: Mapping[str, MeasuredModel], titles: Mapping[str, str]
) -> list[str]:
    """A row per condition, in the order in which they were measured, and a column per model."""
    cells = {
        model: {own.name: _format_cell(own, kind) for own in found.of_kind(kind)}
        for model, found in measured.items()
    }
    conditions = dict.fromkeys(name for own in cells.values() for name in own)
    if not conditions:
        return []
    rows = [[name, *(own.get(name, "-") for own in cells.values())] for name in conditions]
    return [
        join([HEADINGS[kind], *(titles[model] for model in measured)]),
        join(["---", *["---:"] * len(measured)]),
        *map(join, rows),
    ]


def _format_cell(own: MeasuredCondition, kind: str) -> str:
    top1, change = own.top1, own.difference
    read = f" ({own.frames:.1f} frames)" if kind == CONTEXT else ""
    return (
        f"{interval(top1.value, top1.low, top1.high)}; "
        f"{gain(change.value, change.low, change.high)}{read}"
    )
