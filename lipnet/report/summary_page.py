"""The page's first lines: the best model, its data and its training; what distillation gained."""

from collections.abc import Mapping, Sequence

from lipnet.report.label_page import describe_background
from lipnet.report.markdown import percent
from lipnet.report.names import ModelNames
from lipnet.report.recipes import RECIPES_DIFFER
from lipnet.report.rows import ComparisonRow, LeaderboardRow, SeedPairRow, models_of
from lipnet.report.saved import SavedReport
from lipnet.report.trainings import TrainingRow, describe_training

DISTILLED = ("distilled", "born-again")  # what a study is about, first


def describe_summary(
    rows: Sequence[LeaderboardRow],
    report: SavedReport,
    names: ModelNames,
    trainings: Mapping[str, TrainingRow],
) -> list[str]:
    """A paragraph for the best model and its training, and one for distillation."""
    best = next(row for row in rows if row.model == report.best)
    corpus, score = report.corpus, best.test
    return [
        f"**{names.full(best.model)}** is the best single model on validation. It reads "
        f"**{percent(score.top1)} %** of {score.clips:,} test clips of {corpus.source} (95 % "
        f"interval {percent(score.top1_low)} to {percent(score.top1_high)}; {corpus.labels} "
        f"labels, chance {percent(corpus.chance)} %) with {best.params_m:.2f} million parameters "
        f"and {best.gflops:.3f} GFLOPs per clip. "
        + describe_training(best.model, len(models_of(rows)), trainings)
        + describe_background(report.labels, report.best),
        "",
        *_describe_gain(rows, report, names),
    ]


def _describe_gain(
    rows: Sequence[LeaderboardRow], report: SavedReport, names: ModelNames
) -> list[str]:
    """The gain of the distilled model that is best on validation: over its seeds, if several."""
    chosen = _best_distilled(rows)
    if chosen is None:
        return ["No model was distilled.", ""]
    pair = next((one for one in report.comparisons if one.second == chosen.model), None)
    if pair is None:
        return ["No distilled model has a model of its spec from scratch to compare with.", ""]
    pooled = next((own for own in report.seed_pairs if chosen.model in (own.models or ())), None)
    found: ComparisonRow | SeedPairRow = pooled or pair
    seeds = f"mean of {len(pooled.seeds)} seeds" if pooled else "one seed"
    shown = "" if found.low > 0 or found.high < 0 else ", no difference shown"
    other = " by another recipe" if pair.question.endswith(RECIPES_DIFFER) else ""
    return [
        f"Distillation: {names.full(chosen.model)}, the best on validation of those that were "
        f"distilled, against the same spec from scratch{other}: "
        f"**{100 * found.difference:+.1f} points** "
        f"(95 % interval {100 * found.low:+.1f} to {100 * found.high:+.1f}; {seeds}{shown}). "
        "It costs nothing in use: parameters and FLOPs are the same. Training also needs the "
        "teacher.",
        "",
    ]


def _best_distilled(rows: Sequence[LeaderboardRow]) -> LeaderboardRow | None:
    for training in DISTILLED:
        own = [row for row in models_of(rows) if row.training == training and row.chosen]
        if own:
            return max(own, key=lambda row: (row.val.top1, -row.model_fit.val_loss))
    return None
