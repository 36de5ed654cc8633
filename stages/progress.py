"""Progress of a training: a bar or lines, progress.jsonl, and one MLflow run per model."""

import json
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from lipnet.lineage.generation import Generation, TrainingFacts
from lipnet.lineage.plan import LineagePlan
from lipnet.models.initial import name_model
from lipnet.report.trainings import TrainingRow
from lipnet.train.engine import Engine
from lipnet.train.history import EpochRecord
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.trainings import (
    add_up_epochs,
    describe_commit,
    describe_hardware,
    record_training,
)
from tracking.experiment import Identity
from tracking.live import ModelRun
from tracking.names import epoch_figures


class LineageProgress:
    """Shows the progress of a lineage's generations (a LineageListener)."""

    def __init__(self, params: Params, plan: LineagePlan, lines: Path, engine: Engine) -> None:
        self._params = params
        self._machine = describe_hardware(engine.device, engine.processes.world_size)
        self._commit = describe_commit()
        self._is_taught = bool(plan.teachers)
        self._start = plan.start
        self._how = str(plan.storage.origin.get("how", ""))
        self._lines = lines
        self._model: ModelProgress | None = None

    def begin(self, model: str, facts: TrainingFacts) -> "ModelProgress":
        source = self._params.source.name
        identity = Identity.of(
            model, facts, is_taught=self._is_taught, source=source, how=self._how
        )
        tracked = ModelRun(self._params.profile, identity)
        self._model = ModelProgress(model, facts, tracked, self._lines)
        print(f"{model}: {facts.spec}, {self._describe_origin(facts)}", flush=True)
        return self._model

    def _describe_origin(self, facts: TrainingFacts) -> str:
        if self._how:
            return f"{self._how} of {facts.teacher}, tuned"
        parts = [f"distilled from {facts.teacher}"] if facts.teacher else []
        if facts.start and self._start:
            parts.append(f"fine-tuned from {name_model(self._start)}")
        return ", ".join(parts) or "from scratch"

    def end(self, generation: Generation) -> None:
        if self._model is not None:
            self._model.finish()
        self._model = None
        self._record(generation)
        print(
            f"{generation.model}: best validation top-1 {generation.val_top1:.1%} "
            f"in epoch {generation.best_epoch}",
            flush=True,
        )

    def _record(self, generation: Generation) -> None:
        """Write down for the report how this training was done."""
        row = TrainingRow(
            model=generation.model,
            fingerprint=generation.fingerprint,
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            commit=self._commit,
            machine=self._machine,
            seconds=add_up_epochs(self._lines, generation.fingerprint, generation.recipe.epochs),
        )
        record_training(Paths(self._params.profile), row)

    def __enter__(self) -> "LineageProgress":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and self._model is not None:
            self._model.stop(kind)


class ModelProgress:
    """One model's training: a bar on a terminal, else one line per epoch."""

    def __init__(self, model: str, facts: TrainingFacts, tracked: ModelRun, lines: Path) -> None:
        self._model = model
        self._facts = facts
        self._tracked = tracked
        self._lines = lines
        self._started = self._epoch_started = time.monotonic()
        # Whether all of this epoch is trained since then: not if it resumes in its middle.
        self._is_whole: bool | None = None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        self._task = self._bar.add_task(model, total=float(facts.recipe.epochs), note="")
        self._done = 0
        self._tracked.__enter__()
        self._bar.start()

    def on_batch(self, done: int, total: int) -> None:
        if self._is_whole is None:
            self._is_whole = done <= self._facts.recipe.batch
        self._bar.update(self._task, completed=self._done + done / total)

    def on_epoch(self, record: EpochRecord) -> None:
        self._done = record.epoch + 1
        now = time.monotonic()
        seconds, epoch_seconds = now - self._started, now - self._epoch_started
        self._epoch_started = now
        self._tracked.log_epoch(record.epoch, epoch_figures(record))
        took = round(epoch_seconds, 3) if self._is_whole else None
        self._is_whole = True
        timed = {"seconds": round(seconds, 1), "epoch_seconds": took}
        epochs, fingerprint = self._facts.recipe.epochs, self._facts.fingerprint
        own = {"model": self._model, "fingerprint": fingerprint, "epochs": epochs}
        line = {**own, **asdict(record), **timed}
        with self._lines.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
        text = (
            f"epoch {record.epoch + 1}/{epochs}  loss {record.train_loss:.3f}  "
            f"validation {record.val_top1:.1%}{' *' if record.best else ''}"
        )
        self._bar.update(self._task, completed=self._done, note=text)
        if self._bar.disable:
            print(f"{self._model}  {text}  {seconds:.0f} s", flush=True)

    def on_note(self, text: str) -> None:
        print(f"{self._model}  {text}", flush=True)

    def on_warning(self, text: str) -> None:
        print(f"warning: {self._model}: {text}", file=sys.stderr, flush=True)

    def finish(self) -> None:
        """Close the bar and the MLflow run of a finished training."""
        self._bar.stop()
        self._tracked.finish()

    def stop(self, kind: type[BaseException]) -> None:
        """Close the bar, and the MLflow run as stopped by an exception of this type."""
        self._bar.stop()
        self._tracked.__exit__(kind, None, None)
