"""The training loop, for models from scratch and for students; keeps the best on validation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipnet.data.loader import ClipStore
from lipnet.data.stream import MicroBatch, Stream, split_batch
from lipnet.device import copy_to_host
from lipnet.distill.teacher import Teacher
from lipnet.errors import InputError
from lipnet.files import digest_of
from lipnet.inference.finite import NonFiniteOutput
from lipnet.inference.predict import predict_logits
from lipnet.recipe import WARMING, Recipe
from lipnet.train.aside import aside_path, exchange
from lipnet.train.average import RunningAverage
from lipnet.train.checkpoint import (
    Checkpoint,
    CheckpointWriter,
    State,
    differences,
    load_checkpoint,
)
from lipnet.train.compile import CompiledParts, EpochTrial, Trial, try_compile
from lipnet.train.engine import Engine
from lipnet.train.form import AsTrained, Form
from lipnet.train.history import EpochRecord, beats, best_epoch
from lipnet.train.listener import Listener
from lipnet.train.optim import build_optimiser, learning_rate
from lipnet.train.reestimate import reestimate_batchnorm
from lipnet.train.running_loss import RunningLoss
from lipnet.train.sanity import warn_after, warn_before
from lipnet.train.step import Stepper

# N clips  K classes  k best classes
CHECK_STEPS = 50  # between looks at the loss; each one waits for the device


class TrainingDiverged(InputError):
    """The loss, or a logit in validation, is not finite."""


@dataclass(frozen=True)
class Training:
    """One model's training: the model, its data, recipe and teacher, the engine it runs on, and
    the form in which its weights will be stored."""

    model: nn.Module
    train: ClipStore
    val: ClipStore
    recipe: Recipe
    teacher: Teacher
    classes: int
    engine: Engine = field(default_factory=Engine)
    form: Form = field(default_factory=AsTrained)


def fit(
    training: Training, *, checkpoint: Path, facts: Mapping[str, Any], listener: Listener
) -> list[EpochRecord]:
    """Train to the recipe's last epoch, then load the weights that are best on validation.

    Resumes from `checkpoint` if that file has the same `facts`; else keeps it under another name,
    warns of what differs, and resumes from what was kept of this training, if anything. On one
    machine's CPU the result is bit for bit that of an uninterrupted training.
    """
    return _Fit(training, checkpoint, dict(facts), listener).run()


class _Fit:
    """The state of a training between steps."""

    def __init__(
        self, training: Training, path: Path, facts: dict[str, Any], listener: Listener
    ) -> None:
        self._training, self._path, self._facts = training, path, facts
        self._engine, self._recipe, self._listener = training.engine, training.recipe, listener
        self._stream = Stream(training.train, training.recipe, pad_heads=self._engine.compile)
        clips, processes = len(training.train), self._engine.processes
        check_batches(training.recipe, clips, processes.world_size)
        self._model = training.model.to(self._engine.device)
        ema = training.recipe.ema
        self._average = RunningAverage(self._model, ema) if ema else None
        self._optimiser = build_optimiser(self._model, training.recipe)
        self._history: list[EpochRecord] = []
        self._best: State = {}
        self._step = 0
        self._loss = RunningLoss(self._engine.processes, self._engine.device)
        self._writer = CheckpointWriter(path)
        self._saved_at = 0.0
        self._trial: EpochTrial | None = None

    def run(self) -> list[EpochRecord]:
        self._resume()
        for text in warn_before(self._recipe):
            self._listener.on_warning(text)
        forward = self._engine.processes.wrap(self._training.form.through(self._compiled()))
        stepper = Stepper(
            self._model,
            forward,
            self._optimiser,
            self._recipe,
            self._training.teacher,
            self._engine,
            self._training.form,
        )
        self._saved_at = self._engine.clock()
        with self._writer:
            for epoch in range(len(self._history), self._recipe.epochs):
                self._train_epoch(stepper, epoch)
                self._finish_epoch(epoch)
        self._model.load_state_dict(self._best)
        return self._history

    def _train_epoch(self, stepper: Stepper, epoch: int) -> None:
        """The remaining steps of an epoch."""
        recipe, total = self._recipe, self._stream.clips_per_epoch
        processes = self._engine.processes
        self._model.train()
        for micro_batches in self._stream.epoch(
            epoch,
            first_step=self._step,
            rank=processes.rank,
            world_size=processes.world_size,
            device=self._engine.device,
        ):
            done = self._step * recipe.batch
            clips = min(recipe.batch, total - done)
            rate = learning_rate(recipe, epoch, progress=done / len(self._training.train))
            try:
                self._loss.add(stepper.step(micro_batches, epoch, rate), clips)
            except torch.OutOfMemoryError:
                raise InputError(_describe_memory(micro_batches, self._engine.device)) from None
            if self._average is not None:
                self._average.update(self._model)
            self._continue_trial()
            self._step += 1
            is_last = self._step == self._stream.steps_per_epoch
            if is_last or self._step % CHECK_STEPS == 0:
                self._check_finite(epoch)
            self._listener.on_batch(done + clips, total)
            if not is_last and self._is_checkpoint_due():
                self._save(epoch)

    def _finish_epoch(self, epoch: int) -> None:
        """Validate, keep the best weights, save, report."""
        training = self._training
        losses = self._loss.mean(self._stream.clips_per_epoch)
        training.teacher.finish_epoch(epoch)
        model = self._find_validated()
        found = self._validate(model, epoch, losses) if self._engine.is_main else None
        record = self._engine.processes.broadcast(found)
        assert record is not None  # the main process always has one
        if record.best:
            self._best = _copy_state(model)
        self._history.append(record)
        self._step = 0
        self._loss.reset()
        self._save(epoch + 1)
        self._writer.wait()  # an epoch that was reported is not trained again
        self._listener.on_epoch(record)
        for text in warn_after(self._history, classes=training.classes, clips=len(training.val)):
            self._listener.on_warning(text)

    def _find_validated(self) -> nn.Module:
        """The model that is validated and kept: the average of the weights, if there is one, with
        BatchNorm's statistics measured for it, because the averages of theirs are too large."""
        if self._average is None:
            return self._model
        clips, recipe, device = self._training.train, self._recipe, self._engine.device
        return reestimate_batchnorm(
            self._average.model, clips, recipe, device=device, through=self._training.form.through
        )

    def _validate(self, own: nn.Module, epoch: int, losses: Sequence[float]) -> EpochRecord:
        """The epoch's record, in the main process alone: the others hold no validation clips."""
        model = self._training.form.stored(own)
        val, device = self._training.val, self._engine.device
        try:
            logits_NK, labels_N = predict_logits(model, val, self._recipe, device=device)
        except NonFiniteOutput as error:
            raise TrainingDiverged(
                f"{error} (validation after epoch {epoch}, learning rate {self._recipe.lr}); "
                f"{_advise(self._recipe)}"
            ) from None
        val_loss = float(F.cross_entropy(logits_NK, labels_N))
        top1, top5 = (_topk_accuracy(logits_NK, labels_N, k) for k in (1, 5))
        previous = best_epoch(self._history) if self._history else None
        best = previous is None or beats((top1, val_loss), (previous.val_top1, previous.val_loss))
        total, ce, kd = losses
        rate = learning_rate(self._recipe, epoch)
        return EpochRecord(epoch, rate, total, ce, kd, val_loss, top1, top5, best)

    def _is_checkpoint_due(self) -> bool:
        """Whether to write a checkpoint within the epoch: the main process decides for all."""
        engine, shared = self._engine, self._engine.processes.world_size > 1
        if not engine.checkpoint_minutes:
            return False
        if shared and engine.device.type == "cuda" and self._step % CHECK_STEPS:
            return False  # to ask the main process, the host waits for the GPU
        minutes = (engine.clock() - self._saved_at) / 60
        due = minutes >= engine.checkpoint_minutes and not self._writer.is_busy
        return engine.processes.broadcast(due)

    def _save(self, epoch: int) -> None:
        """Start to write a checkpoint of all that the rest of the training depends on."""
        self._saved_at = self._engine.clock()
        self._training.teacher.flush(epoch)
        sums_3 = self._loss.reduce()
        if not self._engine.is_main:
            return
        checkpoint = Checkpoint(
            facts=self._facts,
            model=dict(self._model.state_dict()),
            optimiser=self._optimiser.state_dict(),
            average=dict(self._average.model.state_dict()) if self._average else {},
            best=self._best,
            history=list(self._history),
            step=self._step,
            sums=sums_3,
        )
        self._writer.write(checkpoint)

    def _resume(self) -> None:
        found = self._find_checkpoint() if self._engine.is_main else None
        position = self._engine.processes.broadcast(found and (len(found.history), found.step))
        if position is None:
            return
        found = found or load_checkpoint(self._path)
        if found is None or (len(found.history), found.step) != position:
            # Not bad input: on a slow shared disk the file may be visible at the next attempt.
            raise RuntimeError(
                f"{self._path} differs from the file that the main process reads: do all "
                "processes use the same disk?"
            )
        self._model.load_state_dict(found.model)
        self._optimiser.load_state_dict(found.optimiser)
        if self._average is not None:
            self._average.load(found.average)
        self._best, self._history, self._step = found.best, found.history, found.step
        self._loss.reset(found.sums)

    def _find_checkpoint(self) -> Checkpoint | None:
        """The checkpoint of this training, also one that was set aside; one of another training is
        set aside."""
        found = load_checkpoint(self._path)
        changes = differences(found.facts, self._facts) if found else []
        if found and not changes:
            return found
        other, own = digest_of(found.facts) if found else None, digest_of(self._facts)
        is_kept = exchange(self._path, found=other, wanted=own)
        if other:
            self._listener.on_warning(
                f"{self._path.name} belongs to another training ({'; '.join(changes)}): it is kept "
                f"as {aside_path(self._path, other).name}, and this training "
                + ("continues from its own" if is_kept else "starts from the beginning")
            )
        return load_checkpoint(self._path) if is_kept else None

    def _check_finite(self, epoch: int) -> None:
        """Raise TrainingDiverged in all processes at once, so that none waits for another."""
        if not torch.isfinite(self._loss.reduce()).all():
            raise TrainingDiverged(
                f"the loss is not a number in epoch {epoch} at learning rate {self._recipe.lr}: "
                f"{_advise(self._recipe)}"
            )

    def _compiled(self) -> nn.Module:
        """The model, compiled if that is asked for and the main process's trial on the next batch
        is faster."""
        if not self._engine.compile or len(self._history) == self._recipe.epochs:
            return self._model
        found = None
        if self._engine.is_main:
            epoch, device = len(self._history), self._engine.device
            batches = self._stream.epoch(epoch, first_step=self._step, device=device)
            found = try_compile(self._model, next(batches)[0].view, clock=self._engine.clock)
        trial = self._engine.processes.broadcast(found)
        assert trial is not None  # the main process always has one
        self._report_trial(trial)
        if trial.is_useful:
            parts = CompiledParts(self._model)
            if self._stream.steps_per_epoch - self._step >= EpochTrial.count_steps():
                self._trial = EpochTrial(parts, self._engine.device, self._engine.clock)
        return self._model

    def _continue_trial(self) -> None:
        """After a step: in the first epoch, whether the compiled steps were the faster ones."""
        if self._trial is None:
            return
        found = self._trial.finish_step()
        if found is not None:
            trial = self._engine.processes.broadcast(found)
            self._trial.finish(trial)
            self._report_trial(trial)
            self._trial = None

    def _report_trial(self, trial: Trial) -> None:
        report = self._listener.on_note if trial.is_useful else self._listener.on_warning
        report(str(trial))


def check_batches(recipe: Recipe, clips: int, world_size: int) -> None:
    """InputError if the recipe's batches of that many training clips cannot be shared by that many
    processes."""
    if clips < 2:
        raise InputError("the training split has fewer than two clips: nothing can be learned")
    batch = min(recipe.batch, clips)
    count = len(split_batch(batch, recipe.micro_batch))
    if count >= world_size:
        return
    largest = batch // world_size
    advice = f"set recipe.micro_batch to {largest} or less"
    if largest < 2:
        advice = f"lower compute.workers to {batch // 2} or raise recipe.batch"
    micro_batches = "1 micro-batch" if count == 1 else f"{count} micro-batches"
    raise InputError(
        f"a batch of {batch} clips in {micro_batches} cannot be shared by {world_size} "
        f"processes: {advice}"
    )


def _describe_memory(micro_batches: Sequence[MicroBatch], device: torch.device) -> str:
    clips = max(len(own.rows_R) for own in micro_batches)
    return (
        f"{device} has too little free memory for {clips} clips at a time: set "
        f"recipe.micro_batch to {max(2, clips // 2)}, or end other processes that use the device"
    )


def _advise(recipe: Recipe) -> str:
    """What to change if a training diverges."""
    warm_up = ", or raise recipe.warmup_epochs" if recipe.schedule in WARMING else ""
    return f"lower recipe.lr{warm_up}"


def _topk_accuracy(logits_NK: Tensor, labels_N: Tensor, k: int) -> float:
    top_Nk = logits_NK.topk(min(k, logits_NK.shape[1]), dim=1).indices
    return float((top_Nk == labels_N[:, None]).any(dim=1).double().mean())


def _copy_state(model: nn.Module) -> State:
    state = model.state_dict()
    return dict(zip(state, copy_to_host(list(state.values())).wait(), strict=True))
