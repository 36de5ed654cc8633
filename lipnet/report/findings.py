"""What the numbers support and what they do not: comparisons, their limits, and several seeds."""

from collections.abc import Iterator, Mapping, Sequence

from lipnet.report.markdown import join, percent
from lipnet.report.names import ModelNames, spec_on_a_line
from lipnet.report.rows import ComparisonRow, FamilyRow, LeaderboardRow, SeedPairRow
from lipnet.report.saved import SavedReport
from lipnet.sources.discover import find_source

KINDS = {"scratch": "from scratch", "distilled": "distilled"}
MIN_SEEDS = 3  # below, no difference is called better or worse


def describe_findings(
    rows: Sequence[LeaderboardRow], report: SavedReport, names: ModelNames
) -> list[str]:
    """A line for each comparison, then the limits of them all."""
    by_name = {row.model: row for row in rows}
    lines = [f"- {_describe_comparison(pair, by_name, names)}" for pair in report.comparisons]
    lines += [f"- {line}" for line in _list_limits(report, rows, names)]
    return [*lines, ""]


def _describe_comparison(
    pair: ComparisonRow, by_name: Mapping[str, LeaderboardRow], names: ModelNames
) -> str:
    second, first = (percent(by_name[name].test.top1) for name in (pair.second, pair.first))
    return (
        f"{pair.question.capitalize()}: {names.full(pair.second)} ({second} %) "
        f"against {names.full(pair.first)} ({first} %): {_describe_difference(pair)}"
    )


def _describe_difference(pair: ComparisonRow | SeedPairRow) -> str:
    verdict = "no difference shown: the interval contains zero"
    if isinstance(pair, SeedPairRow) and len(pair.seeds) < MIN_SEEDS:
        verdict = f"no verdict from fewer than {MIN_SEEDS} seeds"
    elif pair.low > 0:
        verdict = "better on these clips"
    elif pair.high < 0:
        verdict = "worse on these clips"
    return (
        f"{100 * pair.difference:+.1f} points, 95 % paired interval "
        f"[{100 * pair.low:+.1f}, {100 * pair.high:+.1f}] - {verdict}."
    )


def _list_limits(
    report: SavedReport, rows: Sequence[LeaderboardRow], names: ModelNames
) -> Iterator[str]:
    corpus, comparisons = report.corpus, len(report.comparisons)
    if corpus.ceiling_top1 is not None:
        yield (
            f"Labels that look exactly alike limit top-1 to about {100 * corpus.ceiling_top1:.1f} "
            "% here for any model; a model above it was lucky on these clips."
        )
    if report.overlap is not None:
        yield str(report.overlap)
    for row in rows:
        if row.test.top1_low <= corpus.chance:
            chance = f"{100 * corpus.chance:.1f} %"
            yield f"{names.full(row.model)} is not shown to be above chance ({chance})."
    if comparisons > 1:
        yield (
            f"{comparisons} comparisons, each at 95 %: by chance alone, about one interval in "
            "twenty would exclude zero."
        )
    yield (
        "Intervals cover the choice of test clips. They do not cover the training seed: "
        "another seed changes every number too."
    )
    if find_source(corpus.source).rendered:
        yield "The clips are rendered faces: these numbers do not show accuracy on real video."


def describe_seeds(families: Sequence[FamilyRow], pairs: Sequence[SeedPairRow]) -> list[str]:
    """Models that were trained with several seeds: their means, and the gain from a teacher."""
    if not families:
        return []
    lines = [
        "## Over seeds",
        "",
        "Lineages that differ in the seed alone. Deviation: of one training, over the seeds.",
        "",
        "| model | training | seeds | test top-1, mean | deviation | lowest to highest |",
        "|---|---|---|---:|---:|---:|",
    ]
    for row in families:
        spread = f"{percent(row.lowest)} to {percent(row.highest)}"
        name = f"{spec_on_a_line(row.spec)} (`{row.family}`)"
        cells = [name, KINDS.get(row.kind, row.kind), _list_seeds(row)]
        lines.append(join([*cells, percent(row.mean_top1), percent(row.deviation), spread]))
    lines.append("")
    for pair in pairs:
        by_seed = ", ".join(f"{100 * value:+.1f}" for value in pair.by_seed)
        lines.append(
            f"- Distilled over scratch, {spec_on_a_line(pair.spec)}, seeds {_list_seeds(pair)}: "
            f"`{pair.second}` "
            f"against `{pair.first}`: {_describe_difference(pair)} By seed: {by_seed}. "
            f"The interval resamples seeds and units together; {_count_runs(pair)}."
        )
    return [*lines, ""]


def _count_runs(pair: SeedPairRow) -> str:
    shared = "one teacher run for all seeds"
    teachers = shared if pair.teachers == 1 else f"{pair.teachers} teacher runs"
    return f"{len(pair.seeds)} seeds, {teachers}"


def _list_seeds(row: FamilyRow | SeedPairRow) -> str:
    return ", ".join(map(str, row.seeds))
