"""The figure of accuracy by context: top-1 against the frames that were read per clip."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from lipnet.report.conditions import CONTEXT, MeasuredCondition, MeasuredModel

MARKERS = "os^Dv<>P"


def draw_context(measured: Mapping[str, MeasuredModel], titles: Mapping[str, str]) -> Figure:
    """A curve per model with 95 % intervals; its points are the contexts that were measured."""
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.subplots()
    for number, (model, found) in enumerate(measured.items()):
        points = sorted(found.of_kind(CONTEXT), key=lambda own: own.frames)
        axes.errorbar(
            [own.frames for own in points],
            [100 * own.top1.value for own in points],
            _find_bars(points),
            marker=MARKERS[number % len(MARKERS)],
            lw=1.4,
            elinewidth=1,
            capsize=2.5,
            label=titles[model],
        )
    axes.set_xlabel("Frames read per clip: the word and its context (mean)")
    axes.set_ylabel("Test top-1 (%), 95 % interval")
    axes.set_ylim(0, 100)
    axes.legend(loc="lower right", fontsize=8)
    return figure


def _find_bars(points: Sequence[MeasuredCondition]) -> list[list[float]]:
    """How far each interval extends below and above its point, in percent."""
    return [
        [100 * (own.top1.value - own.top1.low) for own in points],
        [100 * (own.top1.high - own.top1.value) for own in points],
    ]
