"""The figure of what is mistaken for what, look-alikes side by side."""
# K classes

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from lipnet.measure.confusion import confusion_matrix, group_lookalikes
from stages.results import Results

MOST_LABELS = 60  # more cannot be read: the ones in the worst chains are shown
WRITTEN = 20  # up to so many labels, cells carry their figures
LINKED = 0.05  # a box is drawn about neighbours that swap at least this share of their clips


def draw_confusion(results: Results) -> Figure:
    """Rows: actual, columns: predicted, percent of the row; of the model best on validation."""
    outcome = results.entry(results.best).outcomes["test"]
    counts_KK = confusion_matrix(outcome.labels_N, outcome.predicted_N, len(results.labels))
    order = [label for chain in group_lookalikes(counts_KK) for label in chain][:MOST_LABELS]
    rows_K1 = np.maximum(1, counts_KK.sum(axis=1, keepdims=True))
    percent_KK = (100 * counts_KK / rows_K1)[np.ix_(order, order)]
    names = [results.labels[label] for label in order]
    side = min(14.0, max(6.4, 2.2 + (0.46 if len(order) <= WRITTEN else 0.2) * len(order)))
    figure = Figure(figsize=(side + 0.7, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(percent_KK, cmap="Blues", vmin=0, vmax=100)
    _name_cells(axes, names)
    if len(order) <= WRITTEN:
        _write_cells(axes, percent_KK)
    _box_lookalikes(axes, counts_KK[np.ix_(order, order)])
    axes.set(xlabel="Predicted", ylabel="Actual")
    shown = "" if len(order) == len(results.labels) else f", the {len(order)} most confused labels"
    axes.set_title(f"Confusion on test: {results.best}{shown}")
    bar = figure.colorbar(image, ax=axes, shrink=0.75, pad=0.02)
    bar.set_label("% of the actual label's clips")
    bar.outline.set_visible(False)
    return figure


def _name_cells(axes: Axes, names: list[str]) -> None:
    size = 9.5 if len(names) <= WRITTEN else 7.5
    places = range(len(names))
    axes.set_xticks(places, names, rotation=90 if len(names) > WRITTEN else 45, fontsize=size)
    if len(names) <= WRITTEN:
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


def _box_lookalikes(axes: Axes, counts_KK: NDArray[np.int64]) -> None:
    """A frame about each stretch of neighbours that are often mistaken for one another."""
    clips_K = counts_KK.sum(axis=1)
    start = 0
    for place in range(1, len(counts_KK) + 1):
        if place < len(counts_KK) and _are_linked(counts_KK, clips_K, place):
            continue
        if place - start > 1:
            corner = (start - 0.5, start - 0.5)
            size = place - start
            axes.add_patch(Rectangle(corner, size, size, fill=False, ec="#D55E00", lw=1.8))
        start = place


def _are_linked(counts_KK: NDArray[np.int64], clips_K: NDArray[np.int64], place: int) -> bool:
    swapped = counts_KK[place - 1, place] + counts_KK[place, place - 1]
    return bool(swapped >= LINKED * max(1, clips_K[place - 1] + clips_K[place]))
