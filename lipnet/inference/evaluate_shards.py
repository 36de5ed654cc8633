"""A weights file's accuracy on shards under several conditions."""
# N clips  K classes

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lipnet.data.split_reader import SplitReader
from lipnet.device import choose_device
from lipnet.errors import InputError
from lipnet.inference.clip_model import load_clip_model
from lipnet.inference.conditions import (
    AS_THEY_ARE,
    Condition,
    ConditionScore,
    Subject,
    read_conditions,
    score_conditions,
)
from lipnet.inference.embed import check_crops
from lipnet.measure.accuracy import Estimate, accuracy, topk
from lipnet.recipe import Recipe
from lipnet.shards.storage import list_shards
from lipnet.shards.summary import read_labels, read_summary


@dataclass(frozen=True)
class ShardEvaluation:
    """Top-1 on the clips of one split as they are, and the scores of the conditions; `frames` is
    the mean number of frames that the model read per clip as it is."""

    split: str
    frames: float
    top1: Estimate
    conditions: Sequence[ConditionScore]


def evaluate_shards(
    weights: Path, shards: Path, split: str, conditions: Sequence[Condition]
) -> ShardEvaluation:
    """Read every clip of `shards`/`split` as it is and under each condition, in one pass.

    InputError if the split has no shards, or the model expects other crops or labels.
    """
    model, card = load_clip_model(weights, device=str(choose_device()))
    refs = list_shards(shards, split)
    if not refs:
        raise InputError(f"no shards in {shards / split}: run the stage `shards` first")
    check_crops(card, read_summary(shards).preprocessing, weights=weights, shards=shards)
    if list(card.labels) != read_labels(shards):
        raise InputError(f"{weights} was trained on other labels than those of {shards}")
    reader, recipe = SplitReader(card.labels), Recipe.for_input(card.preprocessing)
    clips = (clip for ref in refs for clip in reader.read(ref))
    metas, answers = read_conditions(
        Subject(model, recipe, card.labels, str(weights)),
        ((clip.meta, (clip.crops(), clip.meta)) for clip in clips),
        conditions,
        describe=lambda meta: meta.clip_id,
    )
    units = [meta.unit for meta in metas]
    plain = answers[AS_THEY_ARE]
    top1 = accuracy(topk(plain.logits_NK, plain.labels_N, 1), units)
    scores = score_conditions(answers, units)
    return ShardEvaluation(split, float(plain.frames_N.mean()), top1, scores)
