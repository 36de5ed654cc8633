"""The page's sections in the form of the paper's tables: generations, students, its own figures."""

from collections.abc import Mapping, Sequence

from lipnet.measure.paper import LRW, LRW1000, PAPER_ROWS
from lipnet.report.columns import format_spec, format_top1
from lipnet.report.markdown import gain, join, percent
from lipnet.report.names import ModelNames, spec_on_a_line
from lipnet.report.rows import ComparisonRow, LeaderboardRow, StrategyRow
from lipnet.sources.discover import find_source

PRINTED = {
    LRW: "Table 3: 500 words of LRW, 88 x 88 pixels",
    LRW1000: "Table 4: 1000 words of LRW-1000, 112 x 112 pixels",
}
STUDENT_HEADINGS = (
    *("spec", "params M", "GFLOPs", "without distillation", "with distillation"),
    *("gain [95 %]", "chosen of", "distilled how"),
)
STRATEGY_HEADINGS = (
    *("student", "seed", "chain of teachers", "shares", "recipe", "val top-1", "test top-1"),
    "over scratch [95 %]",
)
KINDS = ("born-again", "scratch")


def describe_generations(rows: Sequence[LeaderboardRow], names: ModelNames) -> list[str]:
    """Each lineage with born-again generations: initial model, students, ensemble (Table 1)."""
    lineages = dict.fromkeys(row.lineage for row in rows if row.training == "born-again")
    if not lineages:
        return []
    lines = [
        "## Generations",
        "",
        "As in the paper's Table 1: each student is trained with the model of the line above as "
        "its teacher. ★: the best of its lineage on validation. Other initial models of the "
        "spec, trained with another optimiser or seed, come first.",
        "",
        "| model | trained with | test top-1 [95 %] |",
        "|---|---|---:|",
    ]
    for lineage in lineages:
        own = [row for row in rows if row.lineage == lineage]
        others = [row for row in rows if _is_other_initial(row, own[0], lineages)]
        for row in [*others, *(row for row in own if row.training in KINDS)]:
            student = f"student {row.generation[1:]}"
            what = "initial model" if row.training == "scratch" else student
            name = f"{format_spec(row)}, {what} (`{row.model}`){' ★' if row.chosen else ''}"
            lines.append(join([name, row.model_fit.optimiser, format_top1(row.test)]))
        for row in [row for row in own if row.rule == "generations"]:
            name = f"{names.full(row.model)} (`{row.model}`)"
            lines.append(join([name, "-", format_top1(row.test)]))
    return [*lines, ""]


def _is_other_initial(
    row: LeaderboardRow, first: LeaderboardRow, lineages: Mapping[str, None]
) -> bool:
    """Whether a row is a scratch model of the same spec that has no born-again generation."""
    same = row.training == "scratch" and row.spec == first.spec
    return same and row.lineage not in lineages


def describe_students(
    rows: Sequence[LeaderboardRow], comparisons: Sequence[ComparisonRow], names: ModelNames
) -> list[str]:
    """Each spec with and without distillation at its first seed (Table 3); of several distilled
    lineages of a spec, the best on validation."""
    distilled = [row for row in rows if row.training == "distilled"]
    specs = dict.fromkeys(row.spec for row in distilled)
    if not specs:
        return []
    lines = [
        "## Students",
        "",
        "As in the paper's Table 3. If a spec was distilled in several ways, validation chose the "
        "one shown; it is compared with the scratch model of its recipe (the teacher apart), start "
        "and seed, or of others if there is none.",
        "",
        join(STUDENT_HEADINGS),
        join(["---", *["---:"] * (len(STUDENT_HEADINGS) - 2), "---"]),
    ]
    for spec in specs:
        candidates = [row for row in distilled if row.spec == spec and row.chosen]
        seed = min(row.model_fit.seed for row in candidates)
        candidates = [row for row in candidates if row.model_fit.seed == seed]
        best = max(candidates, key=lambda row: (row.val.top1, -row.model_fit.val_loss))
        pair = next((one for one in comparisons if one.second == best.model), None)
        first = next((row for row in rows if pair and row.model == pair.first), None)
        cells = [format_spec(best), f"{best.params_m:.2f}", f"{best.gflops:.3f}"]
        cells.append(format_top1(first.test) if first else "-")
        cells.append(format_top1(best.test))
        cells.append(gain(pair.difference, pair.low, pair.high) if pair else "-")
        other = "" if best.model_fit.has_paper_loss else "; not the paper's loss"
        cells += [str(len(candidates)), names.short(best) + other]
        lines.append(join(cells))
    return [*lines, ""]


def describe_strategies(rows: Sequence[StrategyRow], names: ModelNames) -> list[str]:
    """Students that were distilled in several ways."""
    if not rows:
        return []
    lines = [
        "## Ways of distilling",
        "",
        "One student, several teachers (paper, section 5.2). The chain starts with the model that "
        "had no teacher; `shares` is what the student's architecture has in common with the last "
        "teacher's, `recipe` is how the students' own training differs. ★: chosen on "
        "validation.",
        "",
        join(STRATEGY_HEADINGS),
        join(["---", "---:", "---", "---", "---", "---:", "---:", "---:"]),
    ]
    for row in rows:
        chain = " → ".join(names.full(name) for name in row.chain)
        name = f"{spec_on_a_line(row.spec)} (`{row.model}`){' ★' if row.chosen else ''}"
        cells = [name, str(row.seed), chain, row.shares, row.recipe or "the same"]
        cells += [percent(row.val_top1), percent(row.test_top1)]
        lines.append(join([*cells, gain(row.difference, row.low, row.high)]))
    return [*lines, ""]


def describe_paper(rows: Sequence[LeaderboardRow], source: str) -> list[str]:
    """The paper's figures for the specs of the leaderboard, in a table of their own: they are of
    another corpus."""
    corpus = find_source(source).paper_name or LRW
    specs = {row.spec for row in rows}
    known = [row for row in PAPER_ROWS if row.corpus == corpus and row.spec in specs]
    if not known:
        return []
    lines = [
        f"## The paper's {corpus} figures, for the same specs",
        "",
        f"Ma et al., ICASSP 2021, {PRINTED[corpus]}. Not the clips of the "
        "leaderboard above, so not comparable with it.",
        "",
        f"| spec | params M | GFLOPs | {corpus} top-1, scratch | {corpus} top-1, distilled |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in known:
        top1 = ["-" if own is None else f"{own}" for own in (row.top1_scratch, row.top1_distilled)]
        spec = spec_on_a_line(row.spec)
        lines.append(join([spec, row.params_m, row.gflops, *top1]))
    return [*lines, ""]
