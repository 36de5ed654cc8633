"""The figure of accuracy by generation, for lineages that have several."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lipnet.report.figures.colours import DISTILLED
from lipnet.report.results import Entry, Results
from lipnet.report.spec_names import name_spec


def draw_generations(results: Results) -> Figure | None:
    """Test top-1 of generations with 95 % intervals, a panel per lineage with several of them; None
    if no lineage has several."""
    lineages = dict.fromkeys(model.lineage for model in results.models)
    groups = [[own for own in results.models if own.lineage == lineage] for lineage in lineages]
    groups = [group for group in groups if len(group) > 1]
    if not groups:
        return None
    figure = Figure(figsize=(max(5.0, 2.8 * len(groups)), 4.2), layout="constrained")
    panels = figure.subplots(1, len(groups), squeeze=False, sharey=True)[0]
    for axes, models in zip(panels, groups, strict=True):
        _draw_lineage(axes, models)
    panels[0].set_ylabel("Test top-1 (%), 95 % interval")
    return figure


def _draw_lineage(axes: Axes, models: Sequence[Entry]) -> None:
    places = [int(model.generation[1:]) for model in models]
    top1 = [model.outcomes["test"].top1 for model in models]
    values = [100 * found.value for found in top1]
    lows = [100 * (found.value - found.low) for found in top1]
    highs = [100 * (found.high - found.value) for found in top1]
    colour = DISTILLED[1]
    axes.errorbar(places, values, [lows, highs], color=colour, lw=1.4, elinewidth=1, capsize=2.5)
    for place, value, model in zip(places, values, models, strict=True):
        inside = colour if model.chosen else "white"
        axes.plot([place], [value], "o", ms=6.5, mfc=inside, mec=colour, zorder=3)
    axes.set_xticks(places, [f"g{place}" for place in places])
    axes.set_xlim(places[0] - 0.5, places[-1] + 0.5)
    axes.grid(axis="x", visible=False)
    axes.set_title(f"{name_spec(models[0].spec)}\n{models[0].lineage}", fontsize=10)
