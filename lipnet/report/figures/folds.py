"""The figure of models over the folds of one corpus: accuracy by epoch, and its spread."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lipnet.errors import InputError
from lipnet.report.figures.colours import colours_of
from lipnet.report.figures.curves import name_lines, tick_epochs
from lipnet.report.results import Entry
from lipnet.train.history import read_history

# F folds  E epochs
BAND, LINE = 0.15, 0.45  # opacity of the spread, and of a fold's own line
ROOM = 0.35  # of the epochs, for the names


def draw_folds(models: Sequence[tuple[str, Sequence[Entry]]]) -> Figure:
    """Validation top-1 by epoch of each named model: a thin line per fold, the mean over the folds,
    the range between them, and each fold's best epoch. InputError for a model without epochs."""
    figure = Figure(figsize=(9.5, 4.8), layout="constrained")
    axes = figure.subplots()
    colours = colours_of([entries[0] for _, entries in models])
    ends, last = [], 1
    for (name, entries), colour in zip(models, colours, strict=True):
        curves = [_read_top1(entry) for entry in entries]
        shown = min(map(len, curves))  # a mean of the epochs that every fold has
        mean_E = np.mean([curve[:shown] for curve in curves], axis=0)
        _draw_model(axes, entries, curves, colour)
        axes.plot(range(shown), mean_E, lw=1.8, color=colour)
        ends.append((float(mean_E[-1]), shown - 1, name, colour))
        last = max(last, shown - 1)
    tick_epochs([axes], last, ROOM)
    name_lines(axes, ends, last)
    folds = len(models[0][1])
    title = f"Mean and range of {folds} folds" if folds > 1 else "One fold"
    axes.set(title=title, xlabel="Epoch", ylabel="Validation top-1 (%)")
    return figure


def _read_top1(entry: Entry) -> list[float]:
    """Percent, by epoch."""
    path = entry.folder / "history.csv"
    if entry.members or entry.cascade is not None or not path.is_file():
        raise InputError(f"{entry.name} has no epochs to draw: name a model that was trained")
    return [100 * record.val_top1 for record in read_history(path)]


def _draw_model(
    axes: Axes, entries: Sequence[Entry], curves: Sequence[Sequence[float]], colour: str
) -> None:
    for entry, curve in zip(entries, curves, strict=True):
        if len(curves) > 1:
            axes.plot(range(len(curve)), curve, lw=0.8, color=colour, alpha=LINE)
        axes.plot(entry.best_epoch, curve[entry.best_epoch], "o", ms=4, color=colour)
    if len(curves) > 1:
        shown = min(map(len, curves))
        values_FE = np.array([curve[:shown] for curve in curves])
        axes.fill_between(
            range(shown), values_FE.min(0), values_FE.max(0), color=colour, alpha=BAND, lw=0
        )
