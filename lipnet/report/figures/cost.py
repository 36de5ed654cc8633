"""The figure of accuracy against cost: specs from scratch and distilled (paper, Figure 3)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import log10
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox, ScaledTranslation

from lipnet.measure.accuracy import pooled_accuracy
from lipnet.report.comparisons import best_of, scratch_twin
from lipnet.report.figures.placement import Label, boxes_along, boxes_of, place_labels
from lipnet.report.recipes import without_seed
from lipnet.report.results import SLIMMABLE, Entry, Results
from lipnet.report.spec_names import name_spec

# Okabe and Ito's colours, distinguishable with colour blindness.
COLOURS = {
    "scratch": "#6b6b6b",
    "born-again": "#0072B2",
    "distilled": "#D55E00",
    "slimmable": "#CC79A7",
    "ensemble": "#009E73",
}
NAMES = {
    "scratch": "from scratch",
    "born-again": "born again",
    "distilled": "distilled",
    "slimmable": "one of several widths",
    "ensemble": "ensemble",
}
TUNED = {"scratch": "without a teacher"}  # if any model was fine-tuned from given weights
COSTS = {"params_m": "parameters", "gflops": "FLOPs"}
AXES = {"params_m": "Parameters (millions)", "gflops": "GFLOPs per clip"}
TICKS = (1, 2, 3, 5, 7)
MARGIN = 0.12
MAX_ENSEMBLES = 3  # every lineage has one; all of them would hide the models
RADIUS = 6.0  # pixels around a point that no label covers
DODGE = 1.5  # points: bars of one spec are drawn next to each other, their points are not moved


@dataclass(frozen=True)
class Mark:
    """A point with its 95 % interval, all in percent, at a cost."""

    training: str
    cost: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Column:
    """One spec, or one ensemble: all of it is drawn at one cost.

    `dots` are top-1 of single models (training, percent). The arrow goes from `scratch`, the mean
    over seeds, to `distilled`, the best on validation.
    """

    label: str
    cost: float
    dots: tuple[tuple[str, float], ...]
    scratch: Mark | None
    distilled: Mark | None

    @property
    def marks(self) -> list[Mark]:
        return [mark for mark in (self.scratch, self.distilled) if mark is not None]

    @property
    def top(self) -> float:
        return max([mark.value for mark in self.marks] + [value for _, value in self.dots])


def draw_accuracy_by_cost(
    results: Results,
    cost: str,
    *,
    ceiling: float | None,
) -> Figure:
    """Test top-1 against `cost` (params_m or gflops), one arrow per spec: scratch to distilled."""
    columns = [*_find_specs(results, cost), *_find_ensembles(results, cost)]
    tuned = any(model.start is not None for model in results.models)
    figure = Figure(figsize=(9.5, 5.8), layout="constrained")
    axes = figure.subplots()
    for column in columns:
        _draw_column(axes, column)
    _set_scale(axes, columns, ceiling)
    axes.set(title=f"Accuracy against {COSTS[cost]}", xlabel=f"{AXES[cost]}, log scale")
    axes.set_ylabel("Test top-1 (%), 95 % interval")
    _draw_legend(axes, columns, NAMES | TUNED if tuned else NAMES)
    figure.draw_without_rendering()  # fixes the layout, so pixel positions are final
    _draw_labels(axes, columns, ceiling)
    return figure


def _find_specs(results: Results, cost: str) -> Iterator[Column]:
    for spec in dict.fromkeys(model.spec for model in results.models):
        own = [model for model in results.models if model.spec == spec]
        scratch = [model for model in own if model.training == "scratch"]
        several = [model for model in own if model.training == SLIMMABLE]
        distilled = list(_best_of_lineages([model for model in own if model not in several]))
        shown = [*scratch, *distilled, *several]
        marked = distilled or ([] if scratch else several)
        place = float(getattr(own[0], cost))
        yield Column(
            label=name_spec(spec),
            cost=place,
            dots=tuple((model.training, 100 * _test_top1(model)) for model in shown),
            scratch=_mark_mean(_find_twins(scratch, marked), place) if scratch else None,
            distilled=_mark(best_of(marked), place) if marked else None,
        )


def _find_twins(scratch: list[Entry], distilled: list[Entry]) -> list[Entry]:
    """The repetitions of the training from scratch that the best distilled model is compared with;
    without one, of the best from scratch."""
    twin = scratch_twin(scratch, best_of(distilled)) if distilled else best_of(scratch)
    assert twin is not None
    recipe = without_seed(twin.recipe)
    alike = [model for model in scratch if without_seed(model.recipe) == recipe]
    return [model for model in alike if model.start == twin.start]


def _best_of_lineages(models: list[Entry]) -> Iterator[Entry]:
    """Each lineage's distilled model that is best on validation."""
    distilled = [model for model in models if model.training != "scratch"]
    for lineage in dict.fromkeys(model.lineage for model in distilled):
        yield best_of([model for model in distilled if model.lineage == lineage])


def _find_ensembles(results: Results, cost: str) -> Iterator[Column]:
    """The best ensembles on validation."""
    ensembles = sorted(results.ensembles, key=lambda own: -own.outcomes["val"].top1.value)
    for own in ensembles[:MAX_ENSEMBLES]:
        place = float(getattr(own, cost))
        many = len(own.members)
        name = (
            f"{name_spec(own.spec)}\nensemble of {many}"
            if own.spec
            else f"greedy ensemble\nof {many}"
        )
        yield Column(name, place, (), None, _mark(own, place))


def _mark(entry: Entry, cost: float) -> Mark:
    top1 = entry.outcomes["test"].top1
    return Mark(entry.training, cost, 100 * top1.value, 100 * top1.low, 100 * top1.high)


def _mark_mean(models: list[Entry], cost: float) -> Mark:
    """The mean over the trainings of one spec, with its interval over trainings and clips."""
    if len(models) == 1:
        return _mark(models[0], cost)
    outcomes = [model.outcomes["test"] for model in models]
    mean = pooled_accuracy([(outcome.correct_N, outcome.units_N) for outcome in outcomes])
    return Mark(models[0].training, cost, 100 * mean.value, 100 * mean.low, 100 * mean.high)


def _test_top1(model: Entry) -> float:
    return model.outcomes["test"].top1.value


def _draw_column(axes: Axes, column: Column) -> None:
    for training, value in column.dots:
        look: dict[str, Any] = {"ms": 4.5, "mec": "white", "mew": 0.5, "alpha": 0.75, "zorder": 3}
        axes.plot([column.cost], [value], "o", color=COLOURS[training], **look)
    for mark in column.marks:
        _draw_mark(axes, mark, shift=0.0 if len(column.marks) == 1 else DODGE)
    if column.scratch and column.distilled:
        _draw_arrow(axes, column.scratch, column.distilled)


def _draw_mark(axes: Axes, mark: Mark, *, shift: float) -> None:
    """The point at its cost, and its bar `shift` points to the left (scratch) or right."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    offset = -shift if mark.training == "scratch" else shift
    aside = ScaledTranslation(offset / 72, 0, figure.dpi_scale_trans)
    axes.errorbar(
        [mark.cost],
        [mark.value],
        [[mark.value - mark.low], [mark.high - mark.value]],
        fmt="none",
        ecolor=(COLOURS[mark.training], 0.55),
        elinewidth=1.2,
        capsize=2.5,
        zorder=2,
        transform=axes.transData + aside,
    )
    axes.plot([mark.cost], [mark.value], **_look_of(mark.training), zorder=4)


def _look_of(training: str) -> dict[str, Any]:
    """How the points of a column are drawn, also in the legend."""
    hollow = training == "scratch"
    return {
        "ls": "",
        "marker": "*" if training == "ensemble" else "o",
        "ms": 14 if training == "ensemble" else 8,
        "color": COLOURS[training],
        "mfc": "white" if hollow else COLOURS[training],
        "mew": 1.6 if hollow else 0.8,
        "mec": COLOURS[training] if hollow else "white",
    }


def _draw_arrow(axes: Axes, start: Mark, end: Mark) -> None:
    axes.annotate(
        "",
        (end.cost, end.value),
        xytext=(start.cost, start.value),
        arrowprops={
            "arrowstyle": "-|>",
            "color": COLOURS[end.training],
            "lw": 1.3,
            "shrinkA": 5,
            "shrinkB": 4.5,
            "mutation_scale": 10,
        },
        zorder=2,
    )


def _set_scale(axes: Axes, columns: list[Column], ceiling: float | None) -> None:
    places = [log10(column.cost) for column in columns]
    pad = MARGIN * (max(places) - min(places) or 1.0)
    axes.set_xscale("log")
    axes.set_xlim(10 ** (min(places) - pad), 10 ** (max(places) + pad))
    axes.xaxis.set_major_locator(LogLocator(subs=TICKS))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    values = [value for column in columns for _, value in column.dots]
    low = min([mark.low for column in columns for mark in column.marks] + values)
    highs = [mark.high for column in columns for mark in column.marks]
    high = max([*highs, *values] + ([100 * ceiling] if ceiling else []))
    room = MARGIN * max(high - low, 4.0)
    axes.set_ylim(max(0.0, low - room), min(105.0, high + room))
    if ceiling is not None:
        axes.axhline(100 * ceiling, color="#444444", lw=1, ls=(0, (5, 4)), zorder=1)
        axes.annotate(
            f"known ceiling {100 * ceiling:.1f} %",
            (0.005, 100 * ceiling),
            xycoords=("axes fraction", "data"),
            xytext=(0, 3),
            textcoords="offset points",
            fontsize=9,
            color="#444444",
        )


def _draw_legend(axes: Axes, columns: list[Column], names: Mapping[str, str]) -> None:
    shown = {training for column in columns for training, _ in column.dots}
    shown |= {mark.training for column in columns for mark in column.marks}
    handles = [
        Line2D([], [], **_look_of(training), label=names[training])
        for training in COLOURS
        if training in shown
    ]
    axes.legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=4, fontsize=9.5)


def _draw_labels(axes: Axes, columns: list[Column], ceiling: float | None) -> None:
    """One label per column, next to its highest point."""
    obstacles: list[Bbox] = []
    for column in columns:
        values = [value for _, value in column.dots] + [mark.value for mark in column.marks]
        obstacles += boxes_of(axes, [(column.cost, value) for value in values], radius=RADIUS)
        ends = [end for mark in column.marks for end in (mark.low, mark.high)]
        low, high = (column.cost, min(ends)), (column.cost, max(ends))
        obstacles += boxes_along(axes, low, high, radius=4)
    obstacles += [text.get_window_extent() for text in axes.texts if text.get_text()]
    if ceiling is not None:
        left, right = axes.get_xlim()
        obstacles += boxes_along(axes, (left, 100 * ceiling), (right, 100 * ceiling), radius=3)
    labels = [Label(column.label, column.cost, column.top) for column in columns]
    place_labels(axes, labels, obstacles, size=9)
