"""The page: what was done, what the results are and how far they can be trusted."""

from collections.abc import Iterable, Mapping, Sequence

from lipnet.files import write_atomic
from lipnet.report.columns import Place, columns_for, describe_machines
from lipnet.report.findings import describe_findings, describe_seeds
from lipnet.report.html import write_html
from lipnet.report.label_page import (
    describe_homophenes,
    describe_labels,
    describe_lookalikes,
    describe_slots,
)
from lipnet.report.markdown import join
from lipnet.report.paper_page import (
    describe_generations,
    describe_paper,
    describe_strategies,
    describe_students,
)
from lipnet.report.rows import LeaderboardRow, models_of
from lipnet.report.saved import Corpus, SavedReport
from lipnet.report.study import Study
from lipnet.shards.summary import SplitSummary

COST_CAPTION = (
    "One column per spec, at its own cost. Large points: the mean of its models from scratch "
    "(hollow) and its distilled model that is best on validation (filled); the arrow joins them. "
    "Small points: single models, such as other seeds and teachers. Bars: 95 % intervals over the "
    "test clips, and over seeds too if the point is a mean. Dashed, if it is known: the ceiling, "
    "the top-1 that no model can exceed on average because some labels look exactly alike."
)
FIGURES = (
    ("accuracy_params", "Accuracy against parameters", COST_CAPTION),
    ("accuracy_gflops", "Accuracy against FLOPs", "The same at each spec's FLOPs."),
    ("generations", "Top-1 by generation", ""),
    ("learning_curves", "Learning curves", ""),
    ("confusion", "Confusion, the most confused next to each other", ""),
    ("confusion_visemes", "Confusion, labels that look the same next to each other", ""),
)


def write_page(study: Study, rows: Sequence[LeaderboardRow], report: SavedReport) -> None:
    """Write report.md and report.html next to the tables and figures that they are made of."""
    parts = [
        [f"# Report of profile `{study.name}`", ""],
        describe_corpus(report.corpus, report.splits, rows),
        ["## Leaderboard", "", *format_leaderboard(rows), "", *explain_leaderboard(rows), ""],
        ["## Findings", "", *describe_findings(rows, report)],
        describe_generations(rows),
        describe_students(rows, report.comparisons),
        describe_strategies(report.strategies),
        describe_seeds(report.families, report.seed_pairs),
        ["## Figures", "", *list_figures()],
        describe_lookalikes(report.lookalikes, rows),
        describe_homophenes(report.homophenes, report.merged, report.best),
        describe_slots(report.slots, report.best),
        describe_labels(report.labels, report.best),
        describe_paper(rows, report.corpus.source),
    ]
    text = "\n".join(line for part in parts for line in part).rstrip() + "\n"
    with write_atomic(study.report / "report.md") as partial:
        partial.write_text(text, encoding="utf-8")
    write_html(study.report / "report.md")


def describe_corpus(
    corpus: Corpus, splits: Mapping[str, SplitSummary], rows: Sequence[LeaderboardRow]
) -> list[str]:
    """Source, clips by split with what failed, seeds and recipe."""
    lines = [
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


def format_leaderboard(rows: Sequence[LeaderboardRow]) -> list[str]:
    """The leaderboard in markdown, the most expensive spec first, ensembles last."""
    columns = columns_for(Place.PAGE, rows)
    return [
        join([column.heading for column in columns]),
        join(["---" if column.is_text else "---:" for column in columns]),
        *(join([column.format(row) for column in columns]) for row in rows),
    ]


def explain_leaderboard(rows: Sequence[LeaderboardRow]) -> list[str]:
    """How the columns were computed."""
    clips, units = rows[0].test.clips, rows[0].test.units
    how = f"Wilson's, over {clips} independent test clips"
    if clips != units:
        how = f"by bootstrap over the {units} independent units of the {clips} test clips"
    lines = [
        "Bold: the best of its lineage on validation. Accuracies in %, intervals "
        f"{how}. FLOPs are multiply-adds plus 2 for each BatchNorm output, as the paper counts."
    ]
    timed = next((row.latency for row in rows if row.latency), None)
    if timed:
        lines.append(
            f"Latency: one clip on {timed.threads} thread of {describe_machines(rows)}; "
            "an ensemble's is the sum of its members'."
        )
    return lines


def list_figures() -> list[str]:
    """Each figure under its name, with its caption."""
    return [
        line
        for name, title, caption in FIGURES
        for line in (f"### {title}", "", f"![{title}](figures/{name}.png)", "", caption, "")
    ]


def _list_values(values: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(set(values))))
