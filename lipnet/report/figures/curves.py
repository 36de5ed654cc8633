"""The figure of learning curves: a row per spec, names at the lines."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lipnet.report.figures.colours import looks_of
from lipnet.report.names import ModelNames, spec_on_a_line
from lipnet.report.results import Entry, Results
from lipnet.report.tables import leaderboard_rows
from lipnet.train.history import read_history

ROW_HEIGHT, LINE_HEIGHT = 2.9, 0.19  # inches: of a row at least, and per name in it
ROOM = 0.75  # of the epochs, to the right of the curves, for the names


def draw_learning_curves(results: Results) -> Figure:
    """Validation top-1 and training loss by epoch; scratch grey, each distilled model coloured."""
    specs = list(dict.fromkeys(model.spec for model in results.models))
    groups = [[model for model in results.models if model.spec == spec] for spec in specs]
    heights = [max(ROW_HEIGHT, 1.0 + LINE_HEIGHT * len(group)) for group in groups]
    figure = Figure(figsize=(11.5, sum(heights)), layout="constrained")
    ratios = {"height_ratios": heights, "width_ratios": [1.75, 1]}
    panels = figure.subplots(len(specs), 2, squeeze=False, gridspec_kw=ratios)
    rows = leaderboard_rows(results)
    names, by_model = ModelNames(rows), {row.model: row for row in rows}
    for (accuracy_axes, loss_axes), spec, models in zip(panels, specs, groups, strict=True):
        labels = [names.short(by_model[model.name]) for model in models]
        _draw_spec(accuracy_axes, loss_axes, models, labels)
        accuracy_axes.set(title=spec_on_a_line(spec), ylabel="Validation top-1 (%)")
        loss_axes.set(ylabel="Training loss (nats)")
    for axes in panels[-1]:
        axes.set_xlabel("Epoch")
    return figure


def _draw_spec(
    accuracy_axes: Axes, loss_axes: Axes, models: Sequence[Entry], labels: Sequence[str]
) -> None:
    ends = []
    last = 1
    for model, label, (style, colour) in zip(models, labels, looks_of(models), strict=True):
        history = read_history(model.folder / "history.csv")
        epochs = [record.epoch for record in history]
        top1 = [100 * record.val_top1 for record in history]
        accuracy_axes.plot(epochs, top1, style, lw=1.4, color=colour)
        best = [100 * record.val_top1 for record in history if record.epoch == model.best_epoch]
        accuracy_axes.plot([model.best_epoch], best, "o", ms=4, color=colour)
        losses = [record.train_loss for record in history]
        loss_axes.plot(epochs, losses, style, lw=1.4, color=colour)
        last = max(last, epochs[-1])
        ends.append((top1[-1], epochs[-1], label, colour))
    tick_epochs([accuracy_axes, loss_axes], last)
    name_lines(accuracy_axes, ends, last)


def tick_epochs(panels: Sequence[Axes], last: int, room: float = ROOM) -> None:
    """Put ticks at whole epochs, and leave room for names to the right of the first panel (`room`:
    a share of the epochs)."""
    panels[0].set_xlim(-0.02 * last, last * (1 + room))
    ticks = MaxNLocator(integer=True).tick_values(0, last)
    for axes in panels:
        axes.set_xticks([tick for tick in ticks if 0 <= tick <= last])


def name_lines(
    axes: Axes, ends: Sequence[tuple[float, int, str, str]], last: int, *, leader: str = "-"
) -> None:
    """Each name at the right end of its line, moved up or down so that no two overlap."""
    low, high = axes.get_ylim()
    gap = (high - low) / max(12, len(ends) + 1)
    ordered = sorted(ends)
    places: list[float] = []
    for value, _, _, _ in ordered:
        places.append(value if not places else max(value, places[-1] + gap))
    excess = max(0.0, places[-1] - (high - gap / 2))
    for position in reversed(range(len(places))):
        limit = high - gap / 2 if position == len(places) - 1 else places[position + 1] - gap
        places[position] = min(places[position], limit) if excess else places[position]
    for (value, epoch, label, colour), place in zip(ordered, places, strict=True):
        axes.annotate(
            label,
            (epoch, value),
            xytext=(last * 1.06, place),
            textcoords="data",
            va="center",
            fontsize=8,
            color=colour,
            arrowprops={
                "arrowstyle": "-",
                "linestyle": leader,
                "color": colour,
                "lw": 0.5,
                "shrinkA": 0,
                "shrinkB": 2,
                "relpos": (0, 0.5),  # the line starts at the name's left end
            },
            annotation_clip=False,
        )
    axes.set_ylim(low, high)
