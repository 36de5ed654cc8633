"""The systems of a finished study in one table and one figure: accuracy against parameters, FLOPs
and milliseconds, from scratch and taught, each compared with one of them on the same test clips.

`python -m scripts.compare_systems data/zoo --reference sn05-tcn05 --page docs/results/zoo.md`
writes the table between the marks of the study in the page, and the figure next to the page. It
reads saved logits and the leaderboard with its latencies: `python -m pipeline.leaderboard` first.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from lipnet.errors import InputError
from lipnet.files import write_atomic
from lipnet.measure.accuracy import Estimate, paired_difference
from lipnet.report.columns import describe_machines
from lipnet.report.comparisons import best_of
from lipnet.report.figures.placement import Label, boxes_along, boxes_of, place_labels
from lipnet.report.figures.style import house_style, save_figure
from lipnet.report.markdown import gain, interval, join
from lipnet.report.names import spec_on_a_line
from lipnet.report.results import Entry, Results, read_results
from lipnet.report.rows import LeaderboardRow
from lipnet.report.saved import read_leaderboard
from lipnet.report.spec_names import name_spec
from lipnet.report.study import Study
from pipeline.program import run_program

TAUGHT = "-by-"  # a taught lineage is SCRATCH-by-TEACHER
COLOURS = {"from scratch": "#6b6b6b", "taught": "#D55E00"}
EDGES = ("begin", "end")  # of the table in the page
PANELS = {"params_m": "Parameters (millions)", "gflops": "GFLOPs per clip", "ms": "ms per clip"}
MARGIN = 0.12
# Points: both intervals of a system are at its cost, the narrow one in front of the wide one.
WIDTHS = {"from scratch": 6.0, "taught": 1.5}


@dataclass(frozen=True)
class System:
    """A model from scratch and its distilled twin, if it has one: test top-1, the same less that
    of the reference trained in the same way, and the gain of the twin."""

    name: str
    spec: str
    params_m: float
    gflops: float
    ms: float | None
    scratch: Estimate
    scratch_difference: Estimate | None
    taught: Estimate | None
    taught_difference: Estimate | None
    gain: Estimate | None

    @property
    def cells(self) -> tuple[str, ...]:
        """The system as a row under the headings."""
        return (
            *(f"{spec_on_a_line(self.spec)} (`{self.name}`)", f"{self.params_m:.2f}"),
            *(f"{self.gflops:.3f}", "-" if self.ms is None else f"{self.ms:.1f}"),
            *(_show(self.scratch), _show_gain(self.scratch_difference)),
            *(_show(self.taught), _show_gain(self.gain), _show_gain(self.taught_difference)),
        )


def find_systems(study: Study, reference: str) -> list[System]:
    """The study's systems, the cheapest first; InputError if `reference` is none of them.

    Models that started from given weights are left out: they are not trained from scratch.
    """
    results, rows = read_results(study), {row.model: row for row in read_leaderboard(study)}
    lineages = list(dict.fromkeys(own.lineage for own in results.models if _is_scratch(own)))
    if reference not in lineages:
        raise InputError(
            f"{study.root} has no system {reference!r} from scratch; it has: {', '.join(lineages)}"
        )
    base = _find_pair(results, reference)
    systems = [_describe(results, rows, name, base) for name in lineages]
    return sorted(systems, key=lambda own: (own.gflops, own.name))


def _find_pair(results: Results, name: str) -> tuple[Entry, Entry | None]:
    """A lineage's model from scratch, and the best on validation of its first taught twin."""
    own = [entry for entry in results.models if entry.lineage == name and _is_scratch(entry)]
    twins = [
        entry
        for entry in results.models
        if entry.lineage.startswith(name + TAUGHT) and entry.start is None
    ]
    first = [entry for entry in twins if entry.lineage == twins[0].lineage]
    return best_of(own), best_of(first) if first else None


def _is_scratch(entry: Entry) -> bool:
    return entry.training == "scratch" and entry.start is None


def _describe(
    results: Results,
    rows: dict[str, LeaderboardRow],
    name: str,
    base: tuple[Entry, Entry | None],
) -> System:
    scratch, taught = _find_pair(results, name)
    latency = rows[scratch.name].latency if scratch.name in rows else None
    return System(
        name=name,
        spec=scratch.spec,
        params_m=scratch.params_m,
        gflops=scratch.gflops,
        ms=latency.ms_p50 if latency else None,
        scratch=scratch.outcomes["test"].top1,
        scratch_difference=_compare(base[0], scratch),
        taught=taught.outcomes["test"].top1 if taught else None,
        taught_difference=_compare(base[1], taught),
        gain=_compare(scratch, taught),
    )


def _compare(base: Entry | None, own: Entry | None) -> Estimate | None:
    """Test top-1 of `own` less that of `base`, paired by clip; None for the same model."""
    if base is None or own is None or base is own:
        return None
    first, second = base.outcomes["test"], own.outcomes["test"]
    return paired_difference(first.correct_N, second.correct_N, second.units_N)


def _show(top1: Estimate | None) -> str:
    return "-" if top1 is None else interval(top1.value, top1.low, top1.high)


def _show_gain(own: Estimate | None) -> str:
    return "-" if own is None else gain(own.value, own.low, own.high)


def make_table(systems: Sequence[System], reference: str) -> str:
    """The table in markdown."""
    over = f"over `{reference}`"
    headings = (
        *("system", "params M", "GFLOPs", "ms", "from scratch, test top-1 [95 %]", over),
        *("taught, test top-1 [95 %]", "over scratch", f"{over}, taught"),
    )
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return "\n".join([join(headings), f"|{'|'.join(rule)}|", *(join(own.cells) for own in systems)])


def draw_systems(systems: Sequence[System]) -> Figure:
    """Test top-1 against each cost that is known, from scratch (hollow) and taught."""
    costs = [name for name in PANELS if all(getattr(own, name) for own in systems)]
    figure = Figure(figsize=(6.0 * len(costs), 5.6), layout="constrained")
    panels = figure.subplots(1, len(costs), sharey=True, squeeze=False)[0]
    for axes, cost in zip(panels, costs, strict=True):
        _draw_panel(axes, systems, cost)
    panels[0].set_ylabel("Test top-1 (%), 95 % interval")
    handles = [
        Line2D([], [], **_look_of(training), label=training)
        for training in COLOURS
        if training == "from scratch" or any(own.taught for own in systems)
    ]
    panels[-1].legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    figure.draw_without_rendering()  # fixes the layout, so pixel positions are final
    for axes, cost in zip(panels, costs, strict=True):
        _label_panel(axes, systems, cost)
    return figure


def _marks_of(own: System) -> list[tuple[str, Estimate]]:
    taught = [("taught", own.taught)] if own.taught else []
    return [("from scratch", own.scratch), *taught]


def _draw_panel(axes: Axes, systems: Sequence[System], cost: str) -> None:
    for own in systems:
        for training, top1 in _marks_of(own):
            bar = [[100 * (top1.value - top1.low)], [100 * (top1.high - top1.value)]]
            place, is_taught = [getattr(own, cost)], training == "taught"
            axes.errorbar(
                place,
                [100 * top1.value],
                bar,
                fmt="none",
                elinewidth=WIDTHS[training],
                ecolor=(COLOURS[training], 0.9 if is_taught else 0.3),
                zorder=2.5 if is_taught else 2,
            )
            axes.plot(place, [100 * top1.value], **_look_of(training), zorder=3)
    places = np.log10([getattr(own, cost) for own in systems])
    room = MARGIN * (np.ptp(places) or 1.0)
    axes.set_xscale("log")
    axes.set_xlim(10 ** (places.min() - room), 10 ** (places.max() + room))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"{PANELS[cost]}, log scale")


def _look_of(training: str) -> dict[str, Any]:
    colour = COLOURS[training]
    inside = "white" if training == "from scratch" else colour
    return {"ls": "", "marker": "o", "ms": 7, "color": colour, "mfc": inside, "mew": 1.5}


def _label_panel(axes: Axes, systems: Sequence[System], cost: str) -> None:
    obstacles: list[Bbox] = []
    labels: list[Label] = []
    backbones = [name_spec(own.spec).partition("\n")[0] for own in systems]
    for own, backbone in zip(systems, backbones, strict=True):
        for _, top1 in _marks_of(own):
            place = getattr(own, cost)
            obstacles += boxes_of(axes, [(place, 100 * top1.value)], radius=6)
            obstacles += boxes_along(
                axes, (place, 100 * top1.low), (place, 100 * top1.high), radius=3
            )
        top = max(100 * top1.value for _, top1 in _marks_of(own))
        text = own.name if backbones.count(backbone) > 1 else backbone
        labels.append(Label(text, getattr(own, cost), top))
    place_labels(axes, labels, obstacles, size=8.5)


def insert(text: str, study: str, table: str) -> str:
    """The page with the table between the study's marks; InputError if it has none."""
    begin, end = (
        f"<!-- {edge} of {study}, made by scripts/compare_systems.py -->" for edge in EDGES
    )
    if text.count(begin) != 1 or text.count(end) != 1:
        raise InputError(f"the page needs one line {begin!r} and, after it, one {end!r}")
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"


def main(argv: Sequence[str] | None = None) -> None:
    """Write the table and the figure."""
    parser = argparse.ArgumentParser(prog="python -m scripts.compare_systems", description=__doc__)
    parser.add_argument("study", type=Path, metavar="STUDY", help="such as data/zoo")
    parser.add_argument("--reference", required=True, metavar="LINEAGE")
    parser.add_argument("--page", type=Path, required=True, metavar="FILE")
    parsed = parser.parse_args(argv)
    study = Study(parsed.study)
    systems = find_systems(study, parsed.reference)
    machine = describe_machines(read_leaderboard(study))
    table = make_table(systems, parsed.reference)
    note = f"Milliseconds: one clip of 29 frames on one thread of {machine}, the median.\n\n"
    text = insert(parsed.page.read_text(encoding="utf-8"), study.name, note + table)
    with house_style():
        save_figure(draw_systems(systems), parsed.page.parent / study.name, kinds=("png",))
    with write_atomic(parsed.page) as place:
        place.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run_program(main)
