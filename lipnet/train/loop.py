"""The training loop: one for scratch and for distilled students, best on validation kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lipnet.data.loader import ClipStore
from lipnet.data.stream import Stream, cut_batch
from lipnet.distill.teacher import Teacher
from lipnet.errors import InputError
from lipnet.inference.predict import predict_logits
from lipnet.recipe import Recipe
from lipnet.train.checkpoint import (
    Checkpoint,
    State,
    differences,
    load_checkpoint,
    save_checkpoint,
)
from lipnet.train.compile import compile_parts
from lipnet.train.engine import Engine
from lipnet.train.history import EpochRecord, beats, best_epoch
from lipnet.train.optim import build_optimiser, learning_rate
from lipnet.train.sanity import warn_after, warn_before
from lipnet.train.step import Stepper

# N clips  K classes
CHECK_STEPS = 50  # after so many the losses are looked at; a look waits for the device


class TrainingDiverged(InputError):
    """The loss is not a number any more."""


class Listener(Protocol):
    """Hears of a training's progress: a progress bar, a tracker, a log."""

    def on_batch(self, done: int, total: int) -> None: ...

    def on_epoch(self, record: EpochRecord) -> None: ...

    def on_warning(self, text: str) -> None: ...


@dataclass(frozen=True)
class Training:
    """One model's training: what learns, from what, by which recipe and teacher, on what."""

    model: nn.Module
    train: ClipStore
    val: ClipStore
    recipe: Recipe
    teacher: Teacher
    classes: int
    engine: Engine = field(default_factory=Engine)


def fit(
    training: Training, *, checkpoint: Path, facts: Mapping[str, Any], listener: Listener
) -> list[EpochRecord]:
    """Train to the recipe's last epoch, then leave the best weights on validation in the model.

    Goes on from `checkpoint` where that file is of the same `facts`, else says what differs and
    keeps it aside; the result is the same as without the interruption, bit for bit on one
    machine's CPU.
    """
    return _Fitting(training, checkpoint, dict(facts), listener).run()


class _Fitting:
    """A training under way."""

    def __init__(
        self, training: Training, path: Path, facts: dict[str, Any], listener: Listener
    ) -> None:
        self._training, self._path, self._facts = training, path, facts
        self._engine, self._recipe, self._heard = training.engine, training.recipe, listener
        self._stream = Stream(training.train, training.recipe)
        _check_stream(self._stream, self._engine)
        self._model = training.model.to(self._engine.device)
        self._average = _running_average(self._model, training.recipe)
        self._optimiser = build_optimiser(self._model, training.recipe)
        self._history: list[EpochRecord] = []
        self._best: State = {}
        self._step = 0
        self._sums_3 = torch.zeros(3, dtype=torch.float64, device=self._engine.device)

    def run(self) -> list[EpochRecord]:
        self._resume()
        for text in warn_before(self._recipe):
            self._heard.on_warning(text)
        forward = self._engine.processes.wrap(self._compiled(), self._engine.device)
        stepper = Stepper(
            self._model,
            forward,
            self._optimiser,
            self._recipe,
            self._training.teacher,
            self._engine,
        )
        for epoch in range(len(self._history), self._recipe.epochs):
            self._train_epoch(stepper, epoch)
            self._finish_epoch(epoch)
        self._model.load_state_dict(self._best)
        return self._history

    def _train_epoch(self, stepper: Stepper, epoch: int) -> None:
        """The rest of an epoch's steps."""
        recipe, total = self._recipe, self._stream.seen()
        self._model.train()
        share, device = self._engine.processes.share, self._engine.device
        for parts in self._stream.epoch(epoch, begin=self._step, share=share, device=device):
            begun = self._step * recipe.batch
            clips = min(recipe.batch, total - begun)
            rate = learning_rate(recipe, epoch, progress=begun / len(self._training.train))
            self._sums_3 += clips * stepper.step(parts, epoch, rate)
            if self._average is not None:
                self._average.update_parameters(self._model)
            self._step += 1
            if self._step % CHECK_STEPS == 0 or self._step == self._stream.steps():
                self._check_finite(epoch)
            self._heard.on_batch(begun + clips, total)
            every = self._engine.checkpoint_steps
            if every and self._step % every == 0 and self._step < self._stream.steps():
                self._save(epoch)

    def _finish_epoch(self, epoch: int) -> None:
        """Validate, keep the best, save, report."""
        training = self._training
        self._engine.processes.add_up([self._sums_3])
        losses = (self._sums_3 / self._stream.seen()).tolist()
        training.teacher.finish_epoch(epoch)
        record = self._engine.processes.tell(self._validate(epoch, losses))
        assert record is not None  # the first process always finds one
        if record.best:
            self._best = _copy_state(self._shown)
        self._history.append(record)
        self._step = 0
        self._sums_3.zero_()
        self._save(epoch + 1)
        self._heard.on_epoch(record)
        for text in warn_after(self._history, classes=training.classes, clips=len(training.val)):
            self._heard.on_warning(text)

    @property
    def _shown(self) -> nn.Module:
        """The model that is validated and kept: the running average where there is one."""
        shown = self._model if self._average is None else self._average.module
        assert isinstance(shown, nn.Module)
        return shown

    def _validate(self, epoch: int, losses: Sequence[float]) -> EpochRecord | None:
        """What the first process finds; the others wait to be told."""
        if not self._engine.leads:
            return None
        training = self._training
        device = self._engine.device
        logits_NK, labels_N = predict_logits(self._shown, training.val, self._recipe, device=device)
        val_loss = float(F.cross_entropy(logits_NK, labels_N))
        top1, top5 = (_share_within(logits_NK, labels_N, k) for k in (1, 5))
        holder = best_epoch(self._history) if self._history else None
        best = holder is None or beats((top1, val_loss), (holder.val_top1, holder.val_loss))
        total, ce, kd = losses
        rate = learning_rate(self._recipe, epoch)
        return EpochRecord(epoch, rate, total, ce, kd, val_loss, top1, top5, best)

    def _save(self, epoch: int) -> None:
        """Keep all that the rest of the training depends on."""
        self._training.teacher.save(epoch)
        self._engine.processes.add_up([self._sums_3])
        if not self._engine.leads:
            self._sums_3.zero_()
            return
        average = {} if self._average is None else _copy_state(self._average)
        kept = Checkpoint(
            facts=self._facts,
            model=_copy_state(self._model),
            optimiser=self._optimiser.state_dict(),
            average=average,
            best=self._best,
            history=self._history,
            step=self._step,
            sums=self._sums_3.cpu(),
        )
        save_checkpoint(self._path, kept)

    def _resume(self) -> None:
        found = self._find() if self._engine.leads else None
        place = self._engine.processes.tell(found and (len(found.history), found.step))
        if place is None:
            return
        found = found or load_checkpoint(self._path)
        if found is None or (len(found.history), found.step) != place:
            # Not bad input: started again, this process may see what the disk was slow to show.
            raise RuntimeError(f"{self._path} is not what the first process sees: is it one disk?")
        self._model.load_state_dict(found.model)
        self._optimiser.load_state_dict(found.optimiser)
        if self._average is not None:
            self._average.load_state_dict(found.average)
        self._best, self._history, self._step = found.best, found.history, found.step
        if self._engine.leads:
            self._sums_3.copy_(found.sums)

    def _find(self) -> Checkpoint | None:
        """The checkpoint of this very training; another's is set aside."""
        found = load_checkpoint(self._path)
        changes = differences(found.facts, self._facts) if found else []
        if changes:
            self._set_aside(changes)
            return None
        return found

    def _set_aside(self, changes: Sequence[str]) -> None:
        aside = self._path.with_name(f"{self._path.name}.other")
        self._path.replace(aside)
        self._heard.on_warning(
            f"{self._path.name} is of another training ({'; '.join(changes)}): this one starts "
            f"anew, and that checkpoint is kept as {aside.name}"
        )

    def _check_finite(self, epoch: int) -> None:
        """All processes find the same, so that none waits for one that has given up."""
        total_3 = self._sums_3.clone()
        self._engine.processes.add_up([total_3])
        if not torch.isfinite(total_3).all():
            raise TrainingDiverged(
                f"the loss is not a number in epoch {epoch} at learning rate {self._recipe.lr}: "
                "lower recipe.lr, or add recipe.warmup_epochs"
            )

    def _compiled(self) -> nn.Module:
        if self._engine.compile:
            fault = compile_parts(self._model, size=self._recipe.input_size)
            if fault:
                self._heard.on_warning(f"not compiled: {fault}")
        return self._model


def _check_stream(stream: Stream, engine: Engine) -> None:
    if stream.steps() == 0:
        raise InputError("the training split has fewer than two clips: nothing can be learned")
    batch = min(stream.recipe.batch, len(stream.clips))
    parts = len(cut_batch(batch, stream.recipe.micro_batch))
    world = engine.processes.share.world
    if parts < world:
        most = batch // world
        advice = f"set recipe.micro_batch to {most} or less"
        if most < 2:
            advice = f"lower compute.workers to {batch // 2} or raise recipe.batch"
        raise InputError(
            f"a batch of {batch} clips in {parts} part{'s' * (parts > 1)} cannot be shared by "
            f"{world} processes: {advice}"
        )


def _running_average(model: nn.Module, recipe: Recipe) -> AveragedModel | None:
    if recipe.ema == 0:
        return None
    average = get_ema_multi_avg_fn(recipe.ema)  # type: ignore[no-untyped-call]
    return AveragedModel(model, multi_avg_fn=average, use_buffers=True)


def _share_within(logits_NK: Tensor, labels_N: Tensor, k: int) -> float:
    top_Nk = logits_NK.topk(min(k, logits_NK.shape[1]), dim=1).indices
    return float((top_Nk == labels_N[:, None]).any(dim=1).double().mean())


def _copy_state(model: nn.Module) -> State:
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
