"""The training loop: one for scratch and for distilled students, best on validation kept."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipnet.data.augment import random_view
from lipnet.data.loader import ClipStore
from lipnet.device import mixed_precision
from lipnet.distill.loss import cross_entropy_mixed
from lipnet.distill.teacher import Teacher
from lipnet.errors import InputError
from lipnet.train.checkpoint import Checkpoint, State, load_checkpoint, save_checkpoint
from lipnet.train.history import EpochRecord, beats, best_epoch
from lipnet.train.optim import Optimiser, build_optimiser, learning_rate
from lipnet.train.predict import predict_logits
from lipnet.train.recipe import Recipe
from lipnet.train.seed import generator_of, seed_of

# N clips  K classes
STILL_EPOCHS = 3  # epochs after which a loss no better than guessing is worth a warning


class TrainingDiverged(InputError):
    """The loss is not a number any more."""


class Listener(Protocol):
    """Hears of a training's progress: a progress bar, a tracker, a log."""

    def on_batch(self, done: int, total: int) -> None: ...

    def on_epoch(self, record: EpochRecord) -> None: ...

    def on_warning(self, text: str) -> None: ...


@dataclass(frozen=True)
class Training:
    """One model's training: what learns, from what, by which recipe and teacher."""

    model: nn.Module
    train: ClipStore
    val: ClipStore
    recipe: Recipe
    teacher: Teacher
    device: torch.device
    classes: int


@dataclass(frozen=True)
class Losses:
    """Means over one epoch's clips, in nats."""

    total: float
    ce: float
    kd: float


def fit(
    training: Training, *, checkpoint: Path, fingerprint: str, listener: Listener
) -> list[EpochRecord]:
    """Train to the recipe's last epoch, then leave the best weights on validation in the model.

    Goes on from `checkpoint` where that file is of the same fingerprint; the result is the same
    as without the interruption, bit for bit on one machine's CPU.
    """
    model = training.model.to(training.device)
    optimiser = build_optimiser(model, training.recipe)
    history, best = _resume(model, optimiser, checkpoint, fingerprint)
    for epoch in range(len(history), training.recipe.epochs):
        losses = _train_epoch(training, optimiser, epoch, listener)
        record = _validate(training, epoch, losses, history)
        if record.best:
            best = _copy_state(model)
        history.append(record)
        state = Checkpoint(fingerprint, _copy_state(model), optimiser.state_dict(), best, history)
        save_checkpoint(checkpoint, state)
        listener.on_epoch(record)
        _warn_if_still(history, training.classes, listener)
    model.load_state_dict(best)
    return history


def _resume(
    model: nn.Module, optimiser: Optimiser, path: Path, fingerprint: str
) -> tuple[list[EpochRecord], State]:
    found = load_checkpoint(path, fingerprint=fingerprint)
    if found is None:
        return [], {}
    model.load_state_dict(found.model)
    optimiser.load_state_dict(found.optimiser)
    return found.history, found.best


def _train_epoch(
    training: Training, optimiser: Optimiser, epoch: int, listener: Listener
) -> Losses:
    """One pass over the training clips; every random choice is a function of (seed, epoch)."""
    recipe, model = training.recipe, training.model
    torch.manual_seed(seed_of("dropout", recipe.seed, epoch))
    views = generator_of("views", recipe.seed, epoch)
    sums = torch.zeros(3, dtype=torch.float64)
    seen, total = 0, len(training.train)
    model.train()
    for batch in training.train.shuffled(recipe.batch, seed=recipe.seed, epoch=epoch):
        _set_rate(optimiser, learning_rate(recipe, epoch, progress=seen / total))
        view = random_view(batch.to(training.device), recipe, views)
        with mixed_precision(training.device):
            logits_BK = model(view.frames_BTHW, view.lengths_B, view.word_BT)
        logits_BK = logits_BK.float()
        ce = cross_entropy_mixed(logits_BK, view.labels_B, view.partner_labels_B, share=view.share)
        kd = training.teacher.loss(logits_BK, view)
        loss = ce + kd
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        clips = len(view.labels_B)
        sums += clips * torch.stack([loss, ce, kd]).detach().double().cpu()
        seen += clips
        _check_finite(sums, recipe, epoch)
        listener.on_batch(seen, total)
    if seen == 0:
        raise InputError("the training split has fewer than two clips: nothing can be learned")
    return Losses(*(sums / seen).tolist())


def _validate(
    training: Training, epoch: int, losses: Losses, history: Sequence[EpochRecord]
) -> EpochRecord:
    logits_NK, labels_N = predict_logits(
        training.model, training.val, training.recipe, device=training.device
    )
    val_loss = float(F.cross_entropy(logits_NK, labels_N))
    top1, top5 = _share_within(logits_NK, labels_N, 1), _share_within(logits_NK, labels_N, 5)
    holder = best_epoch(history) if history else None
    best = holder is None or beats((top1, val_loss), (holder.val_top1, holder.val_loss))
    rate = learning_rate(training.recipe, epoch)
    return EpochRecord(epoch, rate, losses.total, losses.ce, losses.kd, val_loss, top1, top5, best)


def _share_within(logits_NK: Tensor, labels_N: Tensor, k: int) -> float:
    top_Nk = logits_NK.topk(min(k, logits_NK.shape[1]), dim=1).indices
    return float((top_Nk == labels_N[:, None]).any(dim=1).double().mean())


def _set_rate(optimiser: Optimiser, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


def _copy_state(model: nn.Module) -> State:
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}


def _check_finite(sums: Tensor, recipe: Recipe, epoch: int) -> None:
    if not torch.isfinite(sums).all():
        raise TrainingDiverged(
            f"the loss is not a number in epoch {epoch} at learning rate {recipe.lr}: "
            "lower recipe.lr, or add recipe.warmup_epochs"
        )


def _warn_if_still(history: Sequence[EpochRecord], classes: int, listener: Listener) -> None:
    guessing, now = math.log(classes), history[-1].train_ce
    if len(history) == STILL_EPOCHS and now >= guessing:
        listener.on_warning(
            f"the training loss does not move: {now:.3f} after {STILL_EPOCHS} epochs, where "
            f"guessing among {classes} labels gives {guessing:.3f}; is the learning rate "
            f"{history[-1].lr:g} right, do the crops show mouths?"
        )
