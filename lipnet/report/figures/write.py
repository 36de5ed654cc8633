"""The report's figures, as PNG and SVG with equal bytes for equal results (matplotlib, Agg)."""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from lipnet.report.figures.confusion import draw_confusion, draw_viseme_confusion
from lipnet.report.figures.cost import draw_accuracy_by_cost
from lipnet.report.figures.style import house_style, save_figure
from lipnet.report.results import Entry, Results
from lipnet.train.history import read_history

# Tableau's ten, then their lighter versions: a lineage has the same colour in all figures.
COLOURS = [
    to_hex(colour)
    for colour in (*mpl.color_sequences["tab10"], *mpl.color_sequences["tab20"][1::2])
]
LINES = ("-", "--", ":", "-.")
FIGURES = (
    *("accuracy_params", "accuracy_gflops", "learning_curves", "generations"),
    *("confusion", "confusion_visemes"),
)


def write_figures(folder: Path, results: Results, *, ceiling: float | None) -> None:
    """Draw every figure into `folder`; `ceiling`: the highest top-1 that the clips allow."""
    drawings: dict[str, Callable[[], Figure]] = {
        "accuracy_params": lambda: draw_accuracy_by_cost(results, "params_m", ceiling=ceiling),
        "accuracy_gflops": lambda: draw_accuracy_by_cost(results, "gflops", ceiling=ceiling),
        "learning_curves": lambda: draw_learning_curves(results),
        "generations": lambda: draw_generations(results),
        "confusion": lambda: draw_confusion(results),
        "confusion_visemes": lambda: draw_viseme_confusion(results),
    }
    folder.mkdir(parents=True, exist_ok=True)
    with house_style():
        for name in FIGURES:
            save_figure(drawings[name](), folder / name)


def draw_learning_curves(results: Results) -> Figure:
    """Validation top-1 and training loss by epoch: a colour per lineage, a dash per generation."""
    height = max(4.6, 0.7 + 0.22 * len(results.models))
    figure = Figure(figsize=(11.5, height), layout=ConstrainedLayoutEngine(wspace=0.08))
    accuracy_axes, loss_axes = figure.subplots(1, 2)
    for model in results.models:
        history = read_history(model.folder / "history.csv")
        epochs = [record.epoch for record in history]
        look = {"color": lineage_colour(results, model.lineage), "ls": _dash(results, model)}
        top1 = [100 * record.val_top1 for record in history]
        accuracy_axes.plot(epochs, top1, label=model.name, lw=1.5, **look)
        best = [100 * record.val_top1 for record in history if record.epoch == model.best_epoch]
        accuracy_axes.plot([model.best_epoch], best, "o", ms=4.5, color=look["color"])
        loss_axes.plot(epochs, [record.train_loss for record in history], lw=1.5, **look)
    accuracy_axes.set(title="Validation", xlabel="Epoch", ylabel="Top-1 (%); dot: epoch kept")
    loss_axes.set(title="Training", xlabel="Epoch", ylabel="Loss (nats, with distillation term)")
    figure.legend(loc="outside right upper", fontsize=9, handlelength=2.6)
    for axes in (accuracy_axes, loss_axes):
        axes.xaxis.get_major_locator().set_params(integer=True)
    return figure


def draw_generations(results: Results) -> Figure:
    """Test top-1 of each lineage's generations with 95 % intervals; filled: best on validation."""
    lineages = list(dict.fromkeys(model.lineage for model in results.models))
    figure = Figure(figsize=(9.5, max(4.6, 0.7 + 0.24 * len(lineages))), layout="constrained")
    axes = figure.subplots()
    step = min(0.07, 0.6 / len(lineages))
    for place, lineage in enumerate(lineages):
        shift = (place - (len(lineages) - 1) / 2) * step
        _draw_lineage(axes, results, lineage, shift)
    numbers = sorted({int(model.generation[1:]) for model in results.models})
    axes.set_xticks(numbers, [f"g{number}" for number in numbers])
    axes.set_xlim(numbers[0] - 0.5, numbers[-1] + 0.5)
    axes.grid(axis="x", visible=False)
    axes.set(title="Top-1 by generation", ylabel="Test top-1 (%), 95 % interval")
    axes.set_xlabel("Generation (g0: no teacher; filled: kept, best on validation)")
    figure.legend(loc="outside right upper", fontsize=9)
    return figure


def _draw_lineage(axes: Axes, results: Results, lineage: str, shift: float) -> None:
    models = [model for model in results.models if model.lineage == lineage]
    colour = lineage_colour(results, lineage)
    places = [int(model.generation[1:]) + shift for model in models]
    top1 = [model.outcomes["test"].top1 for model in models]
    values = [100 * found.value for found in top1]
    lows = [100 * (found.value - found.low) for found in top1]
    highs = [100 * (found.high - found.value) for found in top1]
    axes.errorbar(
        places,
        values,
        [lows, highs],
        color=colour,
        lw=1.4,
        elinewidth=1,
        capsize=2.5,
        label=lineage,
    )
    for place, value, model in zip(places, values, models, strict=True):
        inside = colour if model.chosen else "white"
        axes.plot([place], [value], "o", ms=6.5, mfc=inside, mec=colour, zorder=3)


def lineage_colour(results: Results, lineage: str) -> str:
    """The lineage's colour, the same in every figure."""
    lineages = list(dict.fromkeys(model.lineage for model in results.models))
    return COLOURS[lineages.index(lineage) % len(COLOURS)]


def _dash(results: Results, model: Entry) -> str:
    siblings = [other.name for other in results.models if other.lineage == model.lineage]
    return LINES[siblings.index(model.name) % len(LINES)]
