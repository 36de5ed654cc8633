"""The confusion matrix as a figure, look-alikes next to each other."""
# K classes

from collections.abc import Sequence
from itertools import pairwise
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from lipnet.measure.confusion import confusion_matrix, group_lookalikes
from lipnet.measure.homophenes import find_homophenes
from lipnet.report.results import Results

MAX_LABELS = 60  # more are not legible: those in the worst chains are shown
MAX_WRITTEN = 20  # up to this many labels, cells show their numbers
TITLE_LETTERS = 9  # per inch of the figure: what fits above it
MIN_LINKED = 0.05  # a box is drawn around neighbours that swap at least this share of their clips


def draw_confusion(results: Results) -> Figure:
    """For the model that is best on validation; a box around neighbours that are often mistaken."""
    counts_KK = _count(results)
    order = [label for chain in group_lookalikes(counts_KK) for label in chain][:MAX_LABELS]
    clips_K = counts_KK.sum(axis=1)
    linked = [_are_linked(counts_KK, clips_K, *pair) for pair in pairwise(order)]
    return _draw(results, counts_KK, order, linked, "the most confused first")


def draw_viseme_confusion(results: Results) -> Figure:
    """The same in the order of visemes; a box around labels that look the same."""
    counts_KK, alike = _count(results), find_homophenes(results.labels)
    order = list(alike.order)
    if len(order) > MAX_LABELS:
        sizes_K = np.bincount(alike.group_K)[alike.group_K]
        order = [place for place in order if sizes_K[place] > 1][:MAX_LABELS] or order[:MAX_LABELS]
    linked = [alike.group_K[first] == alike.group_K[second] for first, second in pairwise(order)]
    return _draw(results, counts_KK, order, linked, "ordered by visemes")


def _count(results: Results) -> NDArray[np.int64]:
    outcome = results.entry(results.best).outcomes["test"]
    return confusion_matrix(outcome.labels_N, outcome.predicted_N, len(results.labels))


def _draw(
    results: Results,
    counts_KK: NDArray[np.int64],
    order: list[int],
    linked: Sequence[bool],
    how: str,
) -> Figure:
    """Rows: actual, columns: predicted, in percent of the row. Labels are in `order`; `linked` is,
    for each label but the last whether it shares a box with the next."""
    rows_K1 = np.maximum(1, counts_KK.sum(axis=1, keepdims=True))
    percent_KK = (100 * counts_KK / rows_K1)[np.ix_(order, order)]
    names = [results.labels[label] for label in order]
    side = min(14.0, max(6.4, 2.2 + (0.46 if len(order) <= MAX_WRITTEN else 0.2) * len(order)))
    figure = Figure(figsize=(side + 0.7, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(percent_KK, cmap="Blues", vmin=0, vmax=100)
    _name_cells(axes, names)
    if len(order) <= MAX_WRITTEN:
        _write_cells(axes, percent_KK)
    _box_neighbours(axes, linked)
    axes.set(xlabel="Predicted", ylabel="Actual")
    all_shown = len(order) == len(results.labels)
    shown = "" if all_shown else f" {len(order)} of {len(results.labels)} labels,"
    title = f"Confusion on test: {results.best},{shown} {how}"
    axes.set_title("\n".join(wrap(title, width=int(side * TITLE_LETTERS))))
    bar = figure.colorbar(image, ax=axes, shrink=0.75, pad=0.02)
    bar.set_label("% of the actual label's clips")
    bar.outline.set_visible(False)
    return figure


def _name_cells(axes: Axes, names: list[str]) -> None:
    size = 9.5 if len(names) <= MAX_WRITTEN else 7.5
    places = range(len(names))
    axes.set_xticks(places, names, rotation=90 if len(names) > MAX_WRITTEN else 45, fontsize=size)
    if len(names) <= MAX_WRITTEN:
        for text in axes.get_xticklabels():
            text.set(ha="right", rotation_mode="anchor")
    axes.set_yticks(places, names, fontsize=size)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _write_cells(axes: Axes, percent_KK: NDArray[np.float64]) -> None:
    for (row, column), value in np.ndenumerate(percent_KK):
        if value >= 0.5:
            colour = "white" if value > 55 else "#222222"
            axes.text(
                column, row, f"{value:.0f}", ha="center", va="center", fontsize=9, color=colour
            )


def _box_neighbours(axes: Axes, linked: Sequence[bool]) -> None:
    """Draw a box around each run of labels that are linked to the next."""
    start = 0
    for place, is_linked in enumerate([*linked, False], start=1):
        if is_linked:
            continue
        if place - start > 1:
            corner = (start - 0.5, start - 0.5)
            size = place - start
            axes.add_patch(Rectangle(corner, size, size, fill=False, ec="#D55E00", lw=1.8))
        start = place


def _are_linked(
    counts_KK: NDArray[np.int64], clips_K: NDArray[np.int64], first: int, second: int
) -> bool:
    swapped = counts_KK[first, second] + counts_KK[second, first]
    return bool(swapped >= MIN_LINKED * max(1, clips_K[first] + clips_K[second]))
