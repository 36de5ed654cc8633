"""A cascade of two of a study's models, from saved logits: accuracy, shares and cost."""
# N clips

from dataclasses import dataclass

from lipnet.errors import InputError
from lipnet.inference.logits import SavedLogits, check_same_clips, read_logits
from lipnet.measure.accuracy import Estimate, accuracy, paired_difference, topk
from lipnet.report.parts import shared_cost
from lipnet.report.rows import LeaderboardRow, files_of
from lipnet.report.saved import read_results_rows
from lipnet.report.study import Study
from lipnet.selection.cascade import choose_cascade

VAL = "val"


@dataclass(frozen=True)
class JudgedCascade:
    """What a cascade does on one split. `leaves` is the share of clips that the small model
    answers; `gflops` is the mean per clip and `worst_gflops` the cost of both models, which the
    slowest clip takes. Differences are paired by clip."""

    small: str
    large: str
    split: str
    threshold: float
    leaves_val: float
    leaves: float
    gflops: float
    worst_gflops: float
    large_gflops: float
    top1: Estimate
    top1_small: Estimate
    top1_large: Estimate
    over_small: Estimate
    over_large: Estimate


def judge_cascade(study: Study, small: str, large: str, *, split: str = "test") -> JudgedCascade:
    """Choose the threshold on validation, then judge on `split`.

    InputError for a model that the study does not have, a pair in the wrong order, and logits of
    other clips.
    """
    rows = {row.model: row for row in files_of(read_results_rows(study))}
    first, second = (_find(rows, name, study) for name in (small, large))
    if first.gflops >= second.gflops:
        raise InputError(
            f"{small} costs {first.gflops:.3f} GFLOPs and {large} {second.gflops:.3f}: the first "
            "model has to be the cheaper one"
        )
    how = first.compression.how if first.compression and first.teacher == large else ""
    shared = shared_cost(how, first.spec, first.model_fit.input_size)[0]
    known = _read_pair(study, first, second, VAL)
    cascade = choose_cascade(known[0].logits, known[1].logits, known[0].labels)
    own, other = _read_pair(study, first, second, split)
    leaves = float(cascade.leaves(own.logits).mean())
    scores = (cascade.probabilities(own.logits, other.logits), own.logits, other.logits)
    right, right_small, right_large = (topk(score_NK, own.labels, 1) for score_NK in scores)
    return JudgedCascade(
        small=small,
        large=large,
        split=split,
        threshold=cascade.threshold,
        leaves_val=float(cascade.leaves(known[0].logits).mean()),
        leaves=leaves,
        gflops=first.gflops + (1 - leaves) * (second.gflops - shared),
        worst_gflops=first.gflops + second.gflops - shared,
        large_gflops=second.gflops,
        top1=accuracy(right, own.units),
        top1_small=accuracy(right_small, own.units),
        top1_large=accuracy(right_large, own.units),
        over_small=paired_difference(right_small, right, own.units),
        over_large=paired_difference(right_large, right, own.units),
    )


def _find(rows: dict[str, LeaderboardRow], name: str, study: Study) -> LeaderboardRow:
    if name not in rows:
        raise InputError(f"{study.root} has no model {name!r}; it has: {', '.join(rows)}")
    return rows[name]


def _read_pair(
    study: Study, first: LeaderboardRow, second: LeaderboardRow, split: str
) -> tuple[SavedLogits, SavedLogits]:
    """Both models' logits of one split, of the same clips."""
    files = [study.logits(row.lineage, row.generation, split) for row in (first, second)]
    own, other = (read_logits(path) for path in files)
    check_same_clips(own, other, f"{files[0]} and {files[1]}")
    return own, other
