"""The figure of models over the folds of one corpus: accuracy by epoch, and its spread."""

from collections.abc import Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lipnet.errors import InputError
from lipnet.report.figures.colours import DISTILLED
from lipnet.report.figures.curves import name_lines, tick_epochs
from lipnet.report.results import Entry
from lipnet.train.history import EpochRecord, read_history

# F folds  E epochs
BAND, LINE = 0.15, 0.45  # opacity of the spread, and of a fold's own line
ROOM = 0.35  # of the epochs, for the names


def draw_folds(models: Sequence[tuple[str, Sequence[Entry]]]) -> Figure:
    """Validation top-1 by epoch of each named model: a thin line per fold, the mean over the folds,
    the range between them, and each fold's best epoch. InputError for a model without epochs."""
    figure = Figure(figsize=(9.5, 4.8), layout="constrained")
    axes = figure.subplots()
    ends, last = [], 1
    for (name, entries), colour in zip(models, cycle(DISTILLED), strict=False):
        histories = [_read_epochs(entry) for entry in entries]
        mean_E = _draw_model(axes, histories, colour)
        ends.append((float(mean_E[-1]), len(mean_E) - 1, name, colour))
        last = max(last, *(len(history) - 1 for history in histories))
    tick_epochs([axes], last, ROOM)
    name_lines(axes, ends, last, leader=":")
    folds = len(models[0][1])
    title = f"Mean and range of {folds} folds" if folds > 1 else "One fold"
    axes.set(title=title, xlabel="Epoch", ylabel="Validation top-1 (%)")
    return figure


def _read_epochs(entry: Entry) -> list[EpochRecord]:
    path = entry.folder / "history.csv"
    history = [] if entry.members or not path.is_file() else read_history(path)
    if not history:
        raise InputError(
            f"{entry.name} has no training history to draw: ensembles, cascades and compressed "
            "models that were not tuned have none"
        )
    return history


def _draw_model(
    axes: Axes, histories: Sequence[Sequence[EpochRecord]], colour: str
) -> Sequence[float]:
    """Draw the model; the mean over the folds, of the epochs that every fold has."""
    curves = [[100 * record.val_top1 for record in history] for history in histories]
    for history, curve in zip(histories, curves, strict=True):
        best = max(number for number, record in enumerate(history) if record.best)
        axes.plot(best, curve[best], "o", ms=4, color=colour)
        if len(curves) > 1:
            axes.plot(range(len(curve)), curve, lw=0.8, color=colour, alpha=LINE)
    shown = min(map(len, curves))
    values_FE = np.array([curve[:shown] for curve in curves])
    if len(curves) > 1:
        low_E, high_E = values_FE.min(0), values_FE.max(0)
        axes.fill_between(range(shown), low_E, high_E, color=colour, alpha=BAND, lw=0)
    mean_E: list[float] = values_FE.mean(0).tolist()
    axes.plot(range(shown), mean_E, lw=1.8, color=colour)
    return mean_E
