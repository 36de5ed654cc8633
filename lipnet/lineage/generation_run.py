"""The training of one generation into its folder, by all processes together."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import cv2
import torch
from torch import nn

from lipnet.code import code_digest
from lipnet.data.stream import Stream
from lipnet.distill.recording import Recording, make_room, recording_bytes
from lipnet.distill.teacher import FrozenTeacher, NoTeacher, RecordedTeacher, Teacher
from lipnet.errors import InputError
from lipnet.files import digest_files, digest_of
from lipnet.inference.predict import predict_logits
from lipnet.lineage.generation import (
    GENERATION_FILE,
    HISTORY_FILE,
    WEIGHTS_FILE,
    Generation,
    TrainingFacts,
    name_teacher,
    read_generation,
    write_generation,
)
from lipnet.lineage.plan import LineageData, LineagePlan
from lipnet.models.build import build_model
from lipnet.models.initial import load_initial, name_model
from lipnet.models.lengths import describe_lengths
from lipnet.models.lipreader import Lipreader
from lipnet.models.rejection import choose_rejection, describe_rejection
from lipnet.models.weights import STARTED_FROM, TRAINED_ON, ModelCard, load_model
from lipnet.recipe import Recipe
from lipnet.seed import seed_of
from lipnet.train.aside import exchange
from lipnet.train.checkpoint import checkpoint_path
from lipnet.train.engine import Engine
from lipnet.train.form import Form
from lipnet.train.history import EpochRecord, best_epoch, write_history
from lipnet.train.listener import Listener, Silent
from lipnet.train.loop import Training, fit

CODE = "lineage.lineage"  # the module whose imports are the code of a training


class LineageListener(Protocol):
    """Receives the start and the end of each generation; `begin` returns the listener of its
    training."""

    def begin(self, model: str, facts: TrainingFacts) -> Listener: ...

    def end(self, generation: Generation) -> None: ...


class SilentLineage:
    """A LineageListener that ignores everything."""

    def begin(self, model: str, facts: TrainingFacts) -> Listener:
        return Silent()

    def end(self, generation: Generation) -> None:
        return


@dataclass(frozen=True)
class GenerationRun:
    """One generation of a plan, to be trained into `folder` with these teachers' weights."""

    plan: LineagePlan
    data: LineageData
    name: str
    teachers: tuple[Path, ...]
    folder: Path
    engine: Engine

    @property
    def model_id(self) -> str:
        return f"{self.plan.lineage}-{self.name}"

    @property
    def recipe(self) -> Recipe:
        """The recipe of this generation."""
        return self.plan.recipe_of(self.name)

    @property
    def start(self) -> Path | None:
        """The weights file to start from, for the first generation only."""
        return self.plan.start if self.name == self.plan.generation_names[0] else None

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """Everything that the weights depend on: equal for equal trainings."""
        start = self.start
        return {
            "spec": str(self.plan.spec),
            "recipe": self.recipe.training_facts,
            "data": self.data.digest,
            "labels": digest_of(self.data.labels),
            "generation": self.name,
            "teachers": digest_files(self.teachers) if self.teachers else None,
            "start": digest_files([start]) if start else None,
            "code": code_digest(CODE),
            "made with": f"torch {torch.__version__}, opencv {cv2.__version__}, "
            f"{self.engine.device.type}{', compiled' if self.engine.compile else ''}",
            **({"storage": dict(self.plan.storage.facts)} if self.plan.storage.facts else {}),
        }

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the identity."""
        return digest_of(self.identity)

    def check_processes(self) -> None:
        """Raise InputError in a process whose training would differ from the main process's."""
        processes = self.engine.processes
        if processes.broadcast(self.fingerprint) != self.fingerprint:
            raise InputError(
                f"process {processes.rank} has different code, versions or files than process 0: "
                "use the same commit, environment and disk on every node"
            )

    def find_finished(self) -> Generation | None:
        """The generation in the folder if it is the result of this training, else None."""
        if not (self.folder / GENERATION_FILE).exists():
            return None
        generation = read_generation(self.folder)
        return generation if generation.fingerprint == self.fingerprint else None

    def make_way(self) -> Generation | None:
        """Remove the folder, or set aside another training's generation that is in it; returns this
        training's own if that was set aside before and is now back in the folder."""
        is_finished = (self.folder / GENERATION_FILE).exists()
        found = read_generation(self.folder).fingerprint if is_finished else None
        if found is None:
            shutil.rmtree(self.folder, ignore_errors=True)
        exchange(self.folder, found=found, wanted=self.fingerprint)
        return self.find_finished()

    def train(self, listener: LineageListener) -> Generation:
        """Train in all processes and save in the main one; resumes from a checkpoint."""
        data, engine, classes = self.data, self.engine, len(self.data.labels)
        teacher, teacher_name = self._open_teacher()
        facts = TrainingFacts(
            spec=str(self.plan.spec),
            recipe=self.recipe,
            teacher=teacher_name,
            fingerprint=self.fingerprint,
            start=self.identity["start"],
        )
        progress = listener.begin(self.model_id, facts)
        torch.manual_seed(seed_of("init", self.recipe.seed, self.name))
        model = build_model(self.plan.spec, classes)
        self._load_start(model, progress)
        form = self.plan.storage.fit(model, data, self.recipe, engine.device)
        trained = form.expand(model)
        training = Training(
            trained, data.train, data.val, self.recipe, teacher, classes, engine, form
        )
        checkpoint = checkpoint_path(self.folder)
        history = fit(training, checkpoint=checkpoint, facts=self.identity, listener=progress)
        generation = self._describe(facts, best_epoch(history))
        if engine.is_main:
            self._save(generation, trained, history, form)
            checkpoint.unlink(missing_ok=True)
        engine.processes.broadcast(None)  # wait: the files are the next generation's teacher
        listener.end(generation)
        return generation

    def _open_teacher(self) -> tuple[Teacher, str | None]:
        if not self.teachers:
            return NoTeacher(), None
        opened = [load_model(path, device=str(self.engine.device)) for path in self.teachers]
        for path, (_, card) in zip(self.teachers, opened, strict=True):
            _check_teacher(path, card, self.recipe, self.data.labels)
        models = [model for model, _ in opened]
        name = name_teacher([name_model(path) for path in self.teachers])
        recording = self._open_recording()
        if recording is None:
            return FrozenTeacher(models, self.recipe), name
        return RecordedTeacher(models, self.recipe, recording), name

    def _open_recording(self) -> Recording | None:
        """The recording of this teacher over this stream; None if it is not to be used.

        Only the first generation's teacher is shared with other trainings.
        """
        engine, recipe = self.engine, self.recipe
        clips, classes = Stream(self.data.train, recipe).clips_per_epoch, len(self.data.labels)
        if engine.recordings is None or self.teachers != self.plan.teachers:
            return None
        folder = engine.recordings / digest_of(
            {
                "view": recipe.view_facts,
                "temperature": recipe.temperature if len(self.teachers) > 1 else 1.0,
                **{key: self.identity[key] for key in ("data", "teachers", "code", "made with")},
            }
        )
        if engine.processes.world_size > 1:  # each sees only some of the rows: they only read
            exists = engine.processes.broadcast(folder.is_dir())
            return Recording(folder, clips=clips, classes=classes) if exists else None
        needed = recording_bytes(recipe.epochs, clips, classes)
        if not make_room(folder, needed, round(engine.recordings_gib * 2**30)):
            return None
        return Recording(folder, clips=clips, classes=classes, writer=self.model_id)

    def _load_start(self, model: Lipreader, listener: Listener) -> None:
        if self.start is None:
            return
        fresh = load_initial(model, self.start, self.data.labels).describe()
        if fresh:
            listener.on_warning(f"started from {self.start}, except what starts at random: {fresh}")

    def _describe(self, facts: TrainingFacts, best: EpochRecord) -> Generation:
        return Generation(
            name=self.name,
            model=self.model_id,
            teacher=facts.teacher,
            spec=facts.spec,
            recipe=facts.recipe,
            best_epoch=best.epoch,
            val_top1=best.val_top1,
            val_top5=best.val_top5,
            val_loss=best.val_loss,
            fingerprint=facts.fingerprint,
            widths=self.plan.storage.widths,
            start=self.identity["start"],
        )

    def _save(
        self, generation: Generation, model: nn.Module, history: list[EpochRecord], form: Form
    ) -> None:
        """Write the folder's files; generation.json comes last and marks them as complete."""
        stored, device = form.stored(model), self.engine.device
        validation = predict_logits(stored, self.data.val, self.recipe, device=device)
        trained_on = self.data.trained_on
        card = ModelCard(
            spec=generation.spec,
            labels=list(self.data.labels),
            preprocessing={
                **self.data.preprocessing,
                **generation.recipe.input_facts,
                "eval_context": generation.recipe.eval_context,
            },
            origin={
                "model": generation.model,
                "teacher": generation.teacher,
                "best_epoch": generation.best_epoch,
                "fingerprint": generation.fingerprint,
                **({} if self.start is None else {STARTED_FROM: name_model(self.start)}),
                **self.plan.storage.origin,
                **describe_rejection(choose_rejection(*validation)),
                **describe_lengths(self.data.find_lengths(generation.recipe)),
                **({} if trained_on is None else {TRAINED_ON: trained_on.dump()}),
            },
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        form.save(self.folder / WEIGHTS_FILE, model, card)
        write_history(self.folder / HISTORY_FILE, history)
        write_generation(self.folder, generation)


def _check_teacher(weights: Path, card: ModelCard, recipe: Recipe, labels: list[str]) -> None:
    if list(card.labels) != labels:
        raise InputError(f"{weights} was trained on other labels than those of these shards")
    for name, own in recipe.input_facts.items():
        theirs = card.preprocessing.get(name)
        if theirs != own:
            raise InputError(
                f"{weights} was trained with recipe.{name} {theirs} and its student with {own}: "
                "a teacher sees the student's view, so they must agree"
            )
