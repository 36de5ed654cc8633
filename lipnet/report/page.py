"""The page: what was done, what the results are and how far they can be trusted."""

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from lipnet.clip import CLIP_FRAMES
from lipnet.files import write_atomic
from lipnet.report.cascade_page import describe_cascades
from lipnet.report.columns import (
    GROUPS,
    Column,
    Place,
    columns_for,
    describe_machines,
    group_of,
)
from lipnet.report.compressed_page import describe_compressed
from lipnet.report.conditions import MeasuredModel, read_conditions
from lipnet.report.conditions_page import FIGURE, describe_conditions
from lipnet.report.findings import describe_findings, describe_seeds
from lipnet.report.html import write_html
from lipnet.report.label_page import (
    describe_homophenes,
    describe_labels,
    describe_lookalikes,
    describe_slots,
)
from lipnet.report.markdown import join
from lipnet.report.names import ModelNames, spec_on_a_line
from lipnet.report.paper_page import (
    describe_generations,
    describe_paper,
    describe_strategies,
    describe_students,
)
from lipnet.report.rows import LeaderboardRow, find_choices, models_of
from lipnet.report.saved import Corpus, SavedReport
from lipnet.report.study import Study
from lipnet.report.summary_page import describe_summary
from lipnet.report.trainings import TrainingRow
from lipnet.shards.summary import SplitSummary

COST_CAPTION = (
    "One column per spec, at its own cost. Large points: the mean of its models from scratch "
    "(hollow) and its distilled model that is best on validation (filled); the arrow joins them. "
    "Small points: single models, such as other seeds and teachers. Bars: 95 % intervals over the "
    "test clips, and over seeds too if the point is a mean. Dashed, if it is known: the ceiling, "
    "the top-1 that no model can exceed on average because some labels look exactly alike."
)
SIZE_CAPTION = (
    "Square: a model as it was trained, in single precision, and dashed its accuracy. Points: its "
    "compressed copies, filled if they were tuned. Bars: 95 % intervals over the test clips; those "
    "of the differences, which are paired, are in the table."
)
GENERATIONS_CAPTION = (
    "Lineages with several generations; each is distilled from the one before. Filled: chosen on "
    "validation. Bars: 95 % intervals over the test clips."
)
CURVES_CAPTION = (
    "One row per spec: top-1 on validation and the loss in training. Grey: from scratch; coloured: "
    "distilled, whose loss includes the distillation term. Points: the epoch that was kept."
)
CONFUSION_CAPTION = (
    "The best single model on validation. Each row is an actual label, in percent of its test "
    "clips; a box joins neighbours that are often mistaken for each other."
)
FIGURES = (
    ("accuracy_params", "Accuracy against parameters", COST_CAPTION),
    ("accuracy_gflops", "Accuracy against FLOPs", "The same at each spec's FLOPs."),
    ("accuracy_bytes", "Accuracy against bytes", SIZE_CAPTION),
    ("generations", "Top-1 by generation", GENERATIONS_CAPTION),
    ("learning_curves", "Learning curves", CURVES_CAPTION),
    ("confusion", "Confusion, the most confused next to each other", CONFUSION_CAPTION),
    (
        *("confusion_visemes", "Confusion, labels that look the same next to each other"),
        "The same in the order of visemes; a box joins labels of one viseme sequence.",
    ),
)


def write_page(
    study: Study,
    rows: Sequence[LeaderboardRow],
    report: SavedReport,
    trainings: Mapping[str, TrainingRow],
) -> None:
    """Write report.md and report.html next to the tables and figures that they are made of."""
    names = ModelNames(rows)
    board = [*format_leaderboard(rows, names, report.corpus.labels), "", *explain_leaderboard(rows)]
    measured = read_conditions(study, rows)
    parts = [
        [f"# Report of profile `{study.name}`", ""],
        describe_summary(rows, report, names, trainings),
        link_quality(study),
        ["## Leaderboard", "", *board, ""],
        ["## Findings", "", *describe_findings(rows, report, names)],
        describe_generations(rows, names),
        describe_students(rows, report.comparisons, names),
        describe_strategies(report.strategies, names),
        describe_compressed(rows, names),
        describe_cascades(rows, names),
        describe_conditions(measured, names),
        describe_seeds(report.families, report.seed_pairs),
        ["## Figures", "", *list_figures(study.report)],
        describe_lookalikes(report.lookalikes, rows, names),
        describe_homophenes(report.homophenes, report.merged, report.best, names),
        describe_slots(report.slots, report.best, names),
        describe_labels(report.labels, report.best, names),
        describe_paper(rows, report.corpus.source),
        describe_corpus(report.corpus, report.splits, rows),
    ]
    draw_conditions(study.report, measured, names)
    text = "\n".join(line for part in parts for line in part).rstrip() + "\n"
    with write_atomic(study.report / "report.md") as partial:
        partial.write_text(text, encoding="utf-8")
    write_html(study.report / "report.md")


def draw_conditions(folder: Path, measured: Mapping[str, MeasuredModel], names: ModelNames) -> None:
    """Draw the context curve of the models that were measured, if any, next to the page."""
    if not measured:
        return
    # matplotlib takes a second to import, and few studies have this figure.
    from lipnet.report.figures.context import draw_context
    from lipnet.report.figures.style import house_style, save_figure

    with house_style():
        figure = draw_context(measured, {model: names.full(model) for model in measured})
        save_figure(figure, folder / FIGURE)


def link_quality(study: Study) -> list[str]:
    """A link to the page on the preprocessing, if it is on this machine."""
    if not study.quality_page.exists():
        return []
    place = Path(os.path.relpath(study.quality_page, study.report)).as_posix()
    return [
        f"What became of every clip, and how good the crops are: [quality]({quote(place)}). That "
        "page shows clips, so it stays on the machine that made it.",
        "",
    ]


def describe_corpus(
    corpus: Corpus, splits: Mapping[str, SplitSummary], rows: Sequence[LeaderboardRow]
) -> list[str]:
    """Source, clips by split with what failed, seeds and recipe."""
    lines = [
        "## Data and training",
        "",
        f"Source: **{corpus.source}**, {corpus.labels} labels "
        f"(chance {100 * corpus.chance:.1f} %).",
        "",
        "| split | clips | failed in preprocessing |",
        "|---|---:|---|",
    ]
    for split, counts in splits.items():
        failed = ", ".join(f"{count} {reason}" for reason, count in counts.failed.items())
        lines.append(f"| {split} | {counts.clips} | {failed or 'none'} |")
    fits = [row.model_fit for row in models_of(rows)]
    return [
        *lines,
        "",
        f"{len(fits)} models. Epochs: {_list_values(fit.epochs for fit in fits)}; "
        f"input: {_list_values(fit.input_size for fit in fits)} pixels; "
        f"training seed: {_list_values(fit.seed for fit in fits)}.",
        "Validation chose epochs, generations, teachers and ensembles; "
        "the test split was read once, for this page.",
        "",
    ]


def format_leaderboard(rows: Sequence[LeaderboardRow], names: ModelNames, labels: int) -> list[str]:
    """The leaderboard in markdown: a group per spec, the most expensive first; ensembles and
    compressed models last.

    The first cell of a group's own line is its spec, the others are empty.
    """
    columns = columns_for(Place.PAGE, rows, labels=labels)
    best = [column.find_best(rows) for column in columns]
    starred = find_choices(rows)
    lines = [
        join(["model", *(column.heading for column in columns), "id; teacher or members"]),
        join(["---", *["---:"] * len(columns), "---"]),
    ]
    for group, members in groupby(rows, key=group_of):
        title = group if group in GROUPS else spec_on_a_line(group)
        lines.append(join([f"**{title}**", *[""] * (len(columns) + 1)]))
        for row in members:
            name = names.full(row.model) if group in GROUPS else names.short(row)
            cells = [_format_cell(*pair, row) for pair in zip(columns, best, strict=True)]
            name = f"{name} ★" if row.model in starred else name
            lines.append(join([name, *cells, _format_origin(row)]))
    return lines


def _format_cell(column: Column, best: str, row: LeaderboardRow) -> str:
    """The cell, in bold if its number is printed like the column's best."""
    text = column.format(row)
    return f"**{text}**" if best and column.print_number(row) == best else text


def _format_origin(row: LeaderboardRow) -> str:
    """The ids of the model and of its teacher or members."""
    above = row.members or ((row.teacher,) if row.teacher else ())
    origin = ", ".join(f"`{model}`" for model in above)
    return f"`{row.model}`" + (f" {'of' if row.members else 'from'} {origin}" if origin else "")


def explain_leaderboard(rows: Sequence[LeaderboardRow]) -> list[str]:
    """How the columns were computed."""
    clips, units = rows[0].test.clips, rows[0].test.units
    how = f"Wilson's, over {clips} independent test clips"
    if clips != units:
        how = f"by bootstrap over the {units} independent units of the {clips} test clips"
    lines = [
        "★: chosen on validation, from the generations of its lineage or from all models. "
        f"Bold: the best of its column. Accuracies in %, intervals {how}. GFLOPs: 10^9 "
        f"multiply-adds per clip of {CLIP_FRAMES} frames, plus 2 for each BatchNorm output, as the "
        "paper counts."
    ]
    timed = next((row.latency for row in rows if row.latency), None)
    if timed:
        lines.append(
            f"Latency: one clip on {timed.threads} thread of {describe_machines(rows)}, in PyTorch "
            "with BatchNorm layers (commands that read with a model fold them into the "
            "convolutions, and take less time); an ensemble's is the sum of its members'."
        )
    if any(row.cascade for row in rows):
        lines.append(
            "A cascade's GFLOPs are the mean over the test clips, its latency is the worst case: "
            "both models."
        )
    return lines


def list_figures(report: Path) -> list[str]:
    """Each figure that was drawn, under its name and with its caption."""
    return [
        line
        for name, title, caption in FIGURES
        if (report / "figures" / f"{name}.png").exists()
        for line in (f"### {title}", "", f"![{title}](figures/{name}.png)", "", caption, "")
    ]


def _list_values(values: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(set(values))))
