"""The page of the study of takes per word: docs/results/teach.md and its figure."""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.takes import (
    CHOOSING,
    CLIPS,
    COUNTS,
    EPOCHS,
    FIRST_RELEASED,
    RELEASED,
    SCRATCH,
    SEEDS,
    SETS,
    START_CLIPS,
    Cell,
    Result,
    choose_epochs,
    find_result,
    plan_cells,
)
from benchmarks.takes_sets import OTHER_TAKES, TAKES, TRAIN_SPEAKERS, TRAIN_TAKES
from lipnet.cli.demo import MODEL
from lipnet.errors import InputError
from lipnet.files import write_atomic
from lipnet.measure.accuracy import Estimate, pooled_accuracy
from lipnet.report.figures.colours import DISTILLED
from lipnet.report.figures.colours import SCRATCH as GREYS
from lipnet.report.figures.style import house_style, save_figure

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, FIGURE = Path("results", "teach.md"), Path("images", "teach_takes.png")
GAIN = 0.05  # of accuracy; twice the takes that add less are not worth their time
MARKERS = "os^"
TITLES = {"s1": "Ten digits, speaker s1 of GRID", "rendered": "Ten words, three rendered speakers"}
STARTS = {
    ("s1", SCRATCH): "from scratch",
    ("s1", "s1-words"): "weights of s1's other words",
    ("s1", "rendered"): "weights of rendered speakers, other words",
    ("rendered", SCRATCH): "from scratch",
    ("rendered", "released"): "released weights: a real speaker, other words",
    ("rendered", "rendered"): "weights of other rendered speakers, the same words",
}
ABOUT = f"""Accuracy of `lipnet teach`'s training on takes that were held back, against the takes of
each word that were trained on. Each point is {SEEDS} trainings, with another seed each and, of
the rendered speakers, another speaker; intervals (95 %) resample trainings and takes, and are
somewhat too narrow for so few trainings.

![Accuracy against takes per word](../{FIGURE})
"""
METHOD = f"""## What was measured
- **Digits.** {TAKES} takes of each digit by GRID's speaker s1, cut from as many sentences: windows
  of 29 frames, so that other words are around the digit, and there are no pauses. *Weights of
  s1's other words* are trained here from scratch on at most {OTHER_TAKES} clips of each of his 41
  other words, of sentences without a take.
- **Rendered words.** {TAKES} takes of three seconds of each of ten words, by each of three rendered
  speakers of whom no training has clips, with pauses. *Weights of other rendered speakers* are
  trained here on the same words by {TRAIN_SPEAKERS} others, {TRAIN_TAKES} takes each. They
  are also the weights of other speakers for the digits: the videos have no other real speaker
  with enough sentences. The *released weights* are {{released}}.
- **Trainings.** The recipe of `lipnet teach`, ShuffleNet v2 0.5x + TCN 1x at 44 pixels. A training
  sees about {CLIPS:,} clips in all ({EPOCHS[1]} epochs at most), so the more takes, the less often
  each is seen; `lipnet teach` trains on 4,000. The weights that are trained here saw
  {START_CLIPS:,}. With 6,000, which were tried first, with one seed, they were no better than
  random weights.
- Of each word, 12 takes are held back (120 in all) and {CHOOSING} choose the epoch, however few are
  trained on. Held-back takes are of the same sitting as the others. No person recorded any of them
  with the page.

`python -m benchmarks.takes DIR --grid GRID`, then `python -m benchmarks.takes_page DIR`. The
trainings took {{hours:.1f}} hours of one core's CPU time, without those of the starting weights.
"""


@dataclass(frozen=True)
class Point:
    """What the trainings of one set, start and number of takes read."""

    words: Estimate
    pauses: float | None  # the share that was read as such; None: the takes have none


Points = Mapping[tuple[str, str, int], Point]


def main() -> None:
    """Write the page and the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="of `benchmarks.takes`")
    parser.add_argument("--docs", type=Path, default=DOCS)
    asked = parser.parse_args()
    results = read_results(asked.folder)
    points = summarise(results)
    hours = sum(own.cpu_seconds for own in results.values()) / 3600
    released = find_released(results)
    figure = asked.docs / FIGURE
    figure.parent.mkdir(parents=True, exist_ok=True)
    with house_style():
        save_figure(draw(points), figure.with_suffix(""), kinds=("png",))
    with write_atomic(asked.docs / PAGE) as temporary:
        temporary.write_text("\n".join(make_lines(points, hours, released)), encoding="utf-8")


def read_results(folder: Path) -> dict[Cell, Result]:
    """The result of every training of the study; InputError if one is missing."""
    results = {}
    for cell in plan_cells(list(SETS), COUNTS, SEEDS):
        path = find_result(folder, cell)
        if not path.is_file():
            raise InputError(f"{path} is missing: run python -m benchmarks.takes {folder}")
        results[cell] = result = read_result(path)
        if result.epochs != choose_epochs(result.clips, CLIPS):
            raise InputError(f"{path} is of a study of another length: delete it, and run it again")
    return results


def find_released(results: Mapping[Cell, Result]) -> str:
    """The released weights that the trainings started from, and those of today, if they are others;
    InputError if some started from others than the rest."""
    own = [result.start for cell, result in results.items() if cell.start == RELEASED]
    names = sorted({name or FIRST_RELEASED for name in own})
    if len(names) != 1:
        raise InputError(f"trainings started from different weights, {', '.join(names)}")
    name, today = names[0], MODEL.stem
    changed = f"; `lipnet teach` starts from\n  `{today}` now, which was not measured"
    return f"`{name}`{changed if name != today else ''}"


def read_result(path: Path) -> Result:
    """The result of one training."""
    return Result(**json.loads(path.read_text(encoding="utf-8")))


def summarise(results: Mapping[Cell, Result]) -> Points:
    """Accuracies over the seeds of each set, start and number of takes."""
    groups: dict[tuple[str, str, int], list[Result]] = {}
    for cell, result in results.items():
        groups.setdefault((cell.takes, cell.start, cell.count), []).append(result)
    return {key: pool(own) for key, own in groups.items()}


def pool(results: Sequence[Result]) -> Point:
    """One accuracy of several trainings, whose held-back takes may be the same."""
    words = pooled_accuracy([(np.asarray(own.right, np.bool_), own.units) for own in results])
    read, pauses = (sum(own.pauses[place] for own in results) for place in (0, 1))
    return Point(words, read / pauses if pauses else None)


def choose_count(points: Points, name: str, start: str) -> int:
    """The fewest takes of which twice as many (or the next number that was measured) add less than
    GAIN; the most that were measured if each adds more."""
    counts = sorted(count for own, other, count in points if (own, other) == (name, start))
    found = [points[name, start, count].words.value for count in counts]
    gains = (after - before for before, after in zip(found, found[1:], strict=False))
    return next(
        (count for count, gain in zip(counts, gains, strict=False) if gain < GAIN), counts[-1]
    )


def make_lines(points: Points, hours: float, released: str) -> Iterator[str]:
    """The page, line by line."""
    yield "# How many takes of each word does teaching need?\n"
    yield f"**{advise(points)}**\n"
    yield ABOUT
    for name, own in SETS.items():
        yield f"## {TITLES[name]}"
        yield (
            "| takes of each word | " + " | ".join(STARTS[name, own_] for own_ in own.starts) + " |"
        )
        yield "|---:|" + "---:|" * len(own.starts)
        for count in COUNTS:
            cells = (format_point(points[name, start, count]) for start in own.starts)
            yield f"| {count} | " + " | ".join(cells) + " |"
        yield ""
    yield METHOD.format(hours=hours, released=released)


def advise(points: Points) -> str:
    """What a person who records takes can act on, of rendered and of real speech."""
    rendered, real = ("rendered", "released"), ("s1", "s1-words")
    counts = [choose_count(points, *own) for own in (rendered, real)]
    amount = " to ".join(str(count) for count in sorted(set(counts)))
    own, digits = (
        points[*key, count].words for key, count in zip((rendered, real), counts, strict=True)
    )
    few = [f"{points[*key, min(COUNTS)].words.value:.0%}" for key in (rendered, real)]
    return (
        f"Record {amount} takes of each word: from the released weights, {counts[0]} takes read "
        f"{own.value:.0%} of rendered speakers' words right ({own.low:.0%} to {own.high:.0%}); "
        f"from weights of his other words, {counts[1]} takes read {digits.value:.0%} of a real "
        f"speaker's digits ({digits.low:.0%} to {digits.high:.0%}). With {min(COUNTS)} takes it is "
        f"{few[0]} and {few[1]}."
    )


def format_point(point: Point) -> str:
    """An accuracy in percent with its interval, and the pauses that were read as such."""
    words = point.words
    text = f"{100 * words.value:.1f} ({100 * words.low:.1f}-{100 * words.high:.1f})"
    return text if point.pauses is None else f"{text}, pauses {100 * point.pauses:.0f}"


def draw(points: Points) -> Figure:
    """A panel per set: a curve per start, with intervals."""
    figure = Figure(figsize=(9.6, 5.0), layout="constrained")
    for axes, (name, own) in zip(figure.subplots(1, 2, sharey=True), SETS.items(), strict=True):
        for number, start in enumerate(own.starts):
            draw_curve(axes, points, name, start, number)
        axes.set_title(TITLES[name])
        axes.set_xscale("log", base=2)
        axes.set_xticks(COUNTS, [str(count) for count in COUNTS])
        axes.minorticks_off()
        axes.set_xlabel("Takes of each word that were trained on")
        axes.set_ylim(0, 100)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), fontsize=8)
    figure.axes[0].set_ylabel("Held-back takes read right (%), 95 % interval")
    return figure


def draw_curve(axes: Axes, points: Points, name: str, start: str, number: int) -> None:
    """The accuracies from one start."""
    found = [points[name, start, count].words for count in COUNTS]
    values = [100 * own.value for own in found]
    bars = [
        [100 * (own.value - own.low) for own in found],
        [100 * (own.high - own.value) for own in found],
    ]
    axes.errorbar(
        COUNTS,
        values,
        bars,
        color=GREYS[0] if start == SCRATCH else DISTILLED[number - 1],
        marker=MARKERS[number],
        lw=1.4,
        elinewidth=1,
        capsize=2.5,
        label=STARTS[name, start],
    )


if __name__ == "__main__":
    main()
