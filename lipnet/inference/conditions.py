"""Conditions: a model's accuracy on clips with less context, or changed as by another camera."""
# B batch  N clips  T frames  K classes

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from lipnet.data.augment import central_view
from lipnet.data.batch import Sample, collate
from lipnet.data.shrink import Shrink
from lipnet.errors import InputError
from lipnet.inference.changes import CHANGES, Change, keep_crops
from lipnet.inference.clip_model import ClipModel
from lipnet.inference.finite import check_finite
from lipnet.measure.accuracy import Estimate, accuracy, paired_difference, topk
from lipnet.models.infer import infer_clips
from lipnet.recipe import Recipe

BATCH = 32
CONTEXT, CHANGE = "context", "change"
Item = TypeVar("Item")
WHOLE = "whole"


@dataclass(frozen=True)
class Condition:
    """How clips are shown to a model: their crops after `change`, and `context` frames on each side
    of the word (-1: the whole clip; None: those on which the model is evaluated)."""

    name: str
    kind: str = ""
    change: Change = keep_crops
    context: int | None = None

    def adapt(self, recipe: Recipe) -> Recipe:
        """The recipe of a model's input under this condition."""
        return recipe if self.context is None else replace(recipe, eval_context=self.context)


AS_THEY_ARE = Condition("as they are")
ROBUSTNESS = tuple(Condition(name, CHANGE, change) for name, change in CHANGES.items())


def vary_context(contexts: Sequence[int]) -> list[Condition]:
    """A condition for each number of frames on each side of the word; -1 is the whole clip."""
    return [
        Condition(WHOLE if context < 0 else str(context), CONTEXT, context=context)
        for context in contexts
    ]


def parse_contexts(text: str) -> list[int]:
    """The numbers of a list such as "0,2,4,whole", -1 for the whole clip; InputError for another
    list, or one that names a number twice."""
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if part != WHOLE and not (part.isascii() and part.isdigit() and int(part) <= 10_000):
            raise InputError(
                f"--context {text}: {part!r} is neither a number of frames (0 to 10000) nor "
                f"{WHOLE}; give a list such as 0,2,4,{WHOLE}"
            )
    contexts = [-1 if part == WHOLE else int(part) for part in parts]
    if len(set(contexts)) < len(contexts):
        raise InputError(f"--context {text}: a number is there twice")
    return contexts


@dataclass(frozen=True, eq=False)
class Answers:
    """A model's logits of clips, their labels, and how many frames of each it read."""

    logits_NK: NDArray[np.float32]
    labels_N: NDArray[np.int64]
    frames_N: NDArray[np.int64]

    @classmethod
    def join(cls, parts: "Sequence[Answers]", classes: int) -> "Answers":
        """The answers of several batches; of none, without clips."""
        empty = np.zeros(0, np.int64)
        return cls(
            np.concatenate([np.zeros((0, classes), np.float32), *(own.logits_NK for own in parts)]),
            np.concatenate([empty, *(own.labels_N for own in parts)]),
            np.concatenate([empty, *(own.frames_N for own in parts)]),
        )


@dataclass(frozen=True)
class Subject:
    """A model that is evaluated: the recipe of its input, its labels, and its name in errors."""

    model: ClipModel
    recipe: Recipe
    labels: Sequence[str]
    name: str


def read_conditions(
    subject: Subject,
    items: Iterable[tuple[Item, Sample]],
    conditions: Sequence[Condition],
    *,
    describe: Callable[[Item], str],
) -> tuple[list[Item], dict[Condition, Answers]]:
    """The items, and the answers for their clips as they are and under each condition, in one pass.

    `describe` gives the name of an item's clip in errors.
    """
    seen: list[Item] = []
    parts: dict[Condition, list[Answers]] = {own: [] for own in (AS_THEY_ARE, *conditions)}
    left = iter(items)
    while batch := list(islice(left, BATCH)):
        samples, names = [sample for _, sample in batch], [describe(item) for item, _ in batch]
        for condition, found in parts.items():
            found.append(_read_batch(subject, samples, condition, names))
        seen += [item for item, _ in batch]
    return seen, {own: Answers.join(found, len(subject.labels)) for own, found in parts.items()}


def _read_batch(
    subject: Subject, samples: Sequence[Sample], condition: Condition, clips: Sequence[str]
) -> Answers:
    """The answers for a batch of clips, crops [T, size, size] as stored.

    NonFiniteOutput, with the names of the model and of the `clips`, if a logit is not finite.
    """
    model, recipe = subject.model, condition.adapt(subject.recipe)
    shrink = Shrink.for_recipe(subject.recipe)
    shown = [(shrink(condition.change(crops_THW)), meta) for crops_THW, meta in samples]
    batch = collate(shown).to(model.device)
    view = central_view(batch, recipe)
    with torch.inference_mode():
        logits_BK = infer_clips(model, view.frames_BTHW, view.lengths_B, view.word_BT)
    check_finite(logits_BK, clips, model=subject.name)
    logits = logits_BK.float().cpu().numpy()
    return Answers(logits, batch.labels_B.numpy(), view.lengths_B.numpy())


@dataclass(frozen=True)
class ConditionScore:
    """A model's top-1 under a condition, and that less its top-1 on the same clips as they are
    (paired; 0 to 0 if the model read the same frames). `frames` is the mean number of frames that
    the model read per clip."""

    name: str
    kind: str
    frames: float
    top1: Estimate
    difference: Estimate


def score_conditions(
    answers: Mapping[Condition, Answers], units: Sequence[str]
) -> list[ConditionScore]:
    """The scores of all conditions but AS_THEY_ARE, which has to be among them."""
    right = {own: topk(found.logits_NK, found.labels_N, 1) for own, found in answers.items()}
    plain = answers[AS_THEY_ARE]
    scores = []
    for own, right_N in right.items():
        if own == AS_THEY_ARE:
            continue
        top1 = accuracy(right_N, units)
        if is_same_input(own, answers[own], plain):
            # The answers are the same for any clips, so that there is nothing to estimate.
            change = replace(top1, value=0.0, low=0.0, high=0.0)
        else:
            change = paired_difference(right[AS_THEY_ARE], right_N, units)
        frames = float(answers[own].frames_N.mean())
        scores.append(ConditionScore(own.name, own.kind, frames, top1, change))
    return scores


def is_same_input(condition: Condition, own: Answers, plain: Answers) -> bool:
    """Whether the model read the same frames as of the clips as they are.

    Two windows around one word of equally many frames are the same, because one contains the other.
    """
    is_kept = condition.change is AS_THEY_ARE.change
    return is_kept and bool((own.frames_N == plain.frames_N).all())
