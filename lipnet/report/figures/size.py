"""The figure of accuracy against the bytes of the weights file: models and compressed copies."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from lipnet.report.figures.colours import DISTILLED
from lipnet.report.figures.placement import Label, boxes_along, boxes_of, place_labels
from lipnet.report.results import Entry, Results
from lipnet.report.spec_names import name_spec

SOURCE = "#6b6b6b"
TICKS = (1, 2, 5)
MARGIN = 0.08
RADIUS = 6.0  # pixels around a point that no label covers


@dataclass(frozen=True)
class Point:
    """A weights file: its bytes, and test top-1 with its 95 % interval in percent."""

    label: str
    file_bytes: int
    value: float
    low: float
    high: float
    is_tuned: bool = False


@dataclass(frozen=True)
class Family:
    """A model and its compressed copies."""

    source: Point
    copies: tuple[Point, ...]

    @property
    def points(self) -> list[Point]:
        return [self.source, *self.copies]


def draw_accuracy_by_size(results: Results) -> Figure | None:
    """Test top-1 against bytes, each model joined to its copies; None without compressed models."""
    families = _find_families(results)
    if not families:
        return None
    figure = Figure(figsize=(9.5, 5.8), layout="constrained")
    axes = figure.subplots()
    for family, colour in zip(families, _cycle(len(families)), strict=True):
        _draw_family(axes, family, colour)
    _set_scale(axes, [point for family in families for point in family.points])
    axes.set(title="Accuracy against bytes", xlabel="Bytes of the weights file, log scale")
    axes.set_ylabel("Test top-1 (%), 95 % interval")
    _draw_legend(axes, families)
    figure.draw_without_rendering()  # fixes the layout, so pixel positions are final
    _draw_labels(axes, families)
    return figure


def _find_families(results: Results) -> list[Family]:
    families = []
    for name in dict.fromkeys(entry.teacher for entry in results.compressed):
        own = [entry for entry in results.compressed if entry.teacher == name]
        source = results.entry(name)
        size = own[0].packing.source_bytes if own[0].packing else 0
        copies = tuple(
            _point_of(entry, entry.packing.how, entry.packing.file_bytes, entry.packing.epochs)
            for entry in own
            if entry.packing
        )
        families.append(Family(_point_of(source, name_spec(source.spec), size), copies))
    return families


def _point_of(entry: Entry, label: str, size: int, epochs: int = 0) -> Point:
    top1 = entry.outcomes["test"].top1
    return Point(label, size, 100 * top1.value, 100 * top1.low, 100 * top1.high, epochs > 0)


def _cycle(count: int) -> list[str]:
    return [DISTILLED[number % len(DISTILLED)] for number in range(count)]


def _draw_family(axes: Axes, family: Family, colour: str) -> None:
    """A line through the points in order of size, and each point with its interval."""
    ordered = sorted(family.points, key=lambda point: point.file_bytes)
    places = [point.file_bytes for point in ordered]
    axes.plot(places, [point.value for point in ordered], color=colour, lw=1, alpha=0.4, zorder=1)
    axes.axhline(family.source.value, color=colour, lw=0.9, ls=(0, (4, 4)), alpha=0.5, zorder=1)
    for point in family.points:
        axes.errorbar(
            [point.file_bytes],
            [point.value],
            [[point.value - point.low], [point.high - point.value]],
            fmt="none",
            ecolor=(colour, 0.45),
            elinewidth=1.2,
            capsize=2.5,
            zorder=2,
        )
        is_source = point is family.source
        axes.plot(
            [point.file_bytes],
            [point.value],
            "s" if is_source else "o",
            ms=8,
            color=colour,
            mfc="white" if is_source or not point.is_tuned else colour,
            mew=1.6,
            zorder=4,
        )


def _set_scale(axes: Axes, points: Sequence[Point]) -> None:
    axes.set_xscale("log")
    sizes = [point.file_bytes for point in points]
    room = (max(sizes) / min(sizes)) ** MARGIN
    axes.set_xlim(min(sizes) / room, max(sizes) * room)
    axes.xaxis.set_major_locator(LogLocator(subs=TICKS))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_bytes(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    low, high = min(point.low for point in points), max(point.high for point in points)
    space = MARGIN * max(high - low, 4.0)
    axes.set_ylim(max(0.0, low - space), min(105.0, high + space))


def format_bytes(value: float) -> str:
    """A size in powers of ten, without digits that are zero."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= size:
            return f"{value / size:g} {unit}"
    return f"{value:g} B"


def _draw_legend(axes: Axes, families: Sequence[Family]) -> None:
    looks = [("as trained", "s", "white"), ("compressed", "o", "white")]
    if any(copy.is_tuned for family in families for copy in family.copies):
        looks.append(("compressed and tuned", "o", SOURCE))
    handles = [
        Line2D([], [], ls="", marker=marker, ms=8, color=SOURCE, mfc=inside, mew=1.6, label=label)
        for label, marker, inside in looks
    ]
    axes.legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=3, fontsize=9.5)


def _draw_labels(axes: Axes, families: Sequence[Family]) -> None:
    """One label per point, next to it."""
    points = [point for family in families for point in family.points]
    obstacles = boxes_of(axes, [(point.file_bytes, point.value) for point in points], radius=RADIUS)
    for point in points:
        low, high = (point.file_bytes, point.low), (point.file_bytes, point.high)
        obstacles += boxes_along(axes, low, high, radius=4)
    left, right = axes.get_xlim()
    for family in families:
        level = family.source.value
        obstacles += boxes_along(axes, (left, level), (right, level), radius=2)
    labels = [Label(point.label, point.file_bytes, point.value) for point in points]
    place_labels(axes, labels, obstacles, size=9)
