"""The figure of accuracy against cost: specs from scratch and distilled (paper, Figure 3)."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import log10

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from lipnet.report.comparisons import best_of, scratch_twin
from lipnet.report.figures.placement import Label, boxes_along, boxes_of, place_labels, spread_apart
from lipnet.report.results import Entry, Results
from lipnet.report.spec_names import name_spec

# Okabe and Ito's colours, distinguishable with colour blindness.
COLOURS = {
    "scratch": "#6b6b6b",
    "born-again": "#0072B2",
    "taught": "#D55E00",
    "ensemble": "#009E73",
}
MARKS = {"scratch": "o", "born-again": "o", "taught": "o", "ensemble": "*"}
COSTS = {"params_m": "parameters", "gflops": "FLOPs"}
AXES = {"params_m": "Parameters (millions)", "gflops": "Multiply-adds for one clip (GFLOPs)"}
TICKS = (1, 2, 5)
GAP = 0.022  # of the axis, between points of equal cost
MARGIN = 0.12
MAX_ENSEMBLES = 3  # every lineage has one; all of them would hide the models
RADIUS = 6.0  # pixels around a point that no label covers


@dataclass(frozen=True)
class Mark:
    """An entry's position: log10 of its cost, moved away from others, and top-1 in percent."""

    entry: Entry
    place: float
    value: float
    low: float
    high: float

    @property
    def x(self) -> float:
        return float(10**self.place)


def draw_accuracy_by_cost(
    results: Results,
    cost: str,
    *,
    ceiling: float | None,
) -> Figure:
    """Test top-1 against `cost` (params_m or gflops), arrows from scratch to distilled."""
    marks = _place_marks(choose_entries(results), cost)
    figure = Figure(figsize=(9.5, 5.8), layout="constrained")
    axes = figure.subplots()
    for mark in marks:
        _draw_mark(axes, mark)
    _set_scale(axes, marks, ceiling)
    axes.set(title=f"Accuracy against {COSTS[cost]}", xlabel=f"{AXES[cost]}, log scale")
    axes.set_ylabel("Test top-1 (%), 95 % interval")
    _draw_legend(axes, marks)
    arrows = list(_find_arrows(results, marks))
    for start, end in arrows:
        _draw_arrow(axes, start, end)
    figure.draw_without_rendering()  # fixes the layout, so pixel positions are final
    _draw_labels(axes, marks, arrows, ceiling)
    return figure


def choose_entries(results: Results) -> list[Entry]:
    """Scratch models, each lineage's distilled model and the best ensembles on validation."""
    chosen = [model for model in results.models if model.training == "scratch"]
    for lineage in dict.fromkeys(model.lineage for model in results.models):
        distilled = [
            model
            for model in results.models
            if model.lineage == lineage and model.training != "scratch"
        ]
        chosen += [best_of(distilled)] if distilled else []
    ensembles = sorted(results.ensembles, key=lambda own: -own.outcomes["val"].top1.value)
    return chosen + ensembles[:MAX_ENSEMBLES]


def _place_marks(entries: list[Entry], cost: str) -> list[Mark]:
    entries = sorted(entries, key=lambda entry: (getattr(entry, cost), entry.training != "scratch"))
    places = [log10(getattr(entry, cost)) for entry in entries]
    width = max(places) - min(places) or 0.3
    moved = spread_apart(places, GAP * width)
    marks = []
    for entry, place in zip(entries, moved, strict=True):
        top1 = entry.outcomes["test"].top1
        marks.append(Mark(entry, place, 100 * top1.value, 100 * top1.low, 100 * top1.high))
    return marks


def _draw_mark(axes: Axes, mark: Mark) -> None:
    training = mark.entry.training
    colour = COLOURS[training]
    axes.errorbar(
        [mark.x],
        [mark.value],
        [[mark.value - mark.low], [mark.high - mark.value]],
        fmt=MARKS[training],
        ms=14 if training == "ensemble" else 8,
        color=colour,
        mfc="white" if training == "scratch" else colour,
        mew=1.6 if training == "scratch" else 0.8,
        mec=colour if training == "scratch" else "white",
        ecolor=(colour, 0.55),
        elinewidth=1.2,
        capsize=2.5,
        zorder=3,
    )


def _set_scale(axes: Axes, marks: list[Mark], ceiling: float | None) -> None:
    places = [mark.place for mark in marks]
    pad = MARGIN * (max(places) - min(places) or 1.0)
    axes.set_xscale("log")
    axes.set_xlim(10 ** (min(places) - pad), 10 ** (max(places) + pad))
    axes.xaxis.set_major_locator(LogLocator(subs=TICKS))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    low = min(mark.low for mark in marks)
    high = max([mark.high for mark in marks] + ([100 * ceiling] if ceiling else []))
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


def _draw_legend(axes: Axes, marks: list[Mark]) -> None:
    shown = {mark.entry.training for mark in marks}
    names = {"scratch": "from scratch", "born-again": "born again", "taught": "taught"}
    handles = [
        Line2D(
            [],
            [],
            ls="",
            marker=MARKS[training],
            ms=11 if training == "ensemble" else 8,
            color=colour,
            mfc="white" if training == "scratch" else colour,
            mew=1.6 if training == "scratch" else 0.8,
            label=names.get(training, training),
        )
        for training, colour in COLOURS.items()
        if training in shown
    ]
    axes.legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=4, fontsize=9.5)


def _find_arrows(results: Results, marks: list[Mark]) -> Iterable[tuple[Mark, Mark]]:
    by_name = {mark.entry.name: mark for mark in marks}
    for mark in marks:
        if mark.entry.training not in ("born-again", "taught"):
            continue
        siblings = [model for model in results.models if model.lineage == mark.entry.lineage]
        spec, seed = mark.entry.spec, mark.entry.seed
        twin = scratch_twin(siblings, spec, seed) or scratch_twin(results.models, spec, seed)
        if twin is not None:
            yield by_name[twin.name], mark


def _draw_arrow(axes: Axes, start: Mark, end: Mark) -> None:
    axes.annotate(
        "",
        (end.x, end.value),
        xytext=(start.x, start.value),
        arrowprops={
            "arrowstyle": "-|>",
            "color": COLOURS[end.entry.training],
            "lw": 1.3,
            "shrinkA": 5,
            "shrinkB": 4.5,
            "mutation_scale": 10,
        },
        zorder=2,
    )


def _draw_labels(
    axes: Axes, marks: list[Mark], arrows: list[tuple[Mark, Mark]], ceiling: float | None
) -> None:
    """One label per spec, at its highest point; one per ensemble."""
    obstacles = boxes_of(axes, [(mark.x, mark.value) for mark in marks], radius=RADIUS)
    for mark in marks:
        obstacles += boxes_along(axes, (mark.x, mark.low), (mark.x, mark.high), radius=3)
    for start, end in arrows:
        obstacles += boxes_along(axes, (start.x, start.value), (end.x, end.value), radius=3)
    obstacles += _text_boxes(axes)
    if ceiling is not None:
        left, right = axes.get_xlim()
        obstacles += boxes_along(axes, (left, 100 * ceiling), (right, 100 * ceiling), radius=3)
    place_labels(axes, _list_labels(marks), obstacles, size=9)


def _text_boxes(axes: Axes) -> list[Bbox]:
    return [text.get_window_extent() for text in axes.texts if text.get_text()]


def _list_labels(marks: list[Mark]) -> list[Label]:
    labels = []
    best: dict[str, Mark] = {}
    for mark in marks:
        if mark.entry.members:
            labels.append(
                Label(f"{mark.entry.name}\n({len(mark.entry.members)} models)", mark.x, mark.value)
            )
        elif mark.entry.spec not in best or mark.value > best[mark.entry.spec].value:
            best[mark.entry.spec] = mark
    return [Label(name_spec(spec), mark.x, mark.value) for spec, mark in best.items()] + labels
