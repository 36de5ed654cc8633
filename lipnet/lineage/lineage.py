"""A lineage: one spec's models in order, each taught by the one before (paper sections 3 and 5).

A scratch lineage starts at g0 without a teacher; a taught one starts at g1, taught by the best
of its teacher lineage. Both are born again until a generation stops beating the best so far on
validation (with patience) or the allowed generations are spent.
"""

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import torch

from lipnet.code import code_digest
from lipnet.data.loader import ClipStore
from lipnet.data.stream import Stream
from lipnet.distill.recording import Recording, make_room, recording_bytes
from lipnet.distill.teacher import FrozenTeacher, NoTeacher, RecordedTeacher, Teacher
from lipnet.errors import InputError
from lipnet.files import digest_files, digest_of, write_json
from lipnet.lineage.generation import (
    GENERATION_FILE,
    HISTORY_FILE,
    LINEAGE_FILE,
    WEIGHTS_FILE,
    Generation,
    best_generation,
    lineage_of,
    name_teacher,
    read_generation,
)
from lipnet.models.build import build_model
from lipnet.models.lipreader import Lipreader
from lipnet.models.weights import ModelCard, load_initial, load_model, save_weights
from lipnet.recipe import Recipe
from lipnet.seed import seed_of
from lipnet.spec import ModelSpec
from lipnet.train.engine import Engine
from lipnet.train.history import EpochRecord, best_epoch, write_history
from lipnet.train.loop import Listener, Training, fit

CODE = "lineage.lineage"


@dataclass(frozen=True)
class LineagePlan:
    """What a lineage is to be: `teachers` are weights files of another lineage, which teach its
    first generation together; `initial` is the recipe of g0 alone (Table 1: start with Adam, go on
    with AdamW); `start` is a weights file that the first generation starts from."""

    lineage: str
    spec: ModelSpec
    recipe: Recipe
    generations: int
    patience: int = 1
    teachers: tuple[Path, ...] = ()
    initial: Recipe | None = None
    start: Path | None = None


@dataclass(frozen=True)
class LineageData:
    """What it learns from: stores of clips, their labels, preprocessing facts, a digest of all."""

    train: ClipStore
    val: ClipStore
    labels: list[str]
    preprocessing: Mapping[str, object]
    digest: str


class LineageListener(Protocol):
    """Hears which generation begins and ends; what it hands out hears of the training itself."""

    def begin(self, model: str, facts: Mapping[str, Any]) -> Listener: ...

    def end(self, generation: Generation) -> None: ...


def train_lineage(
    plan: LineagePlan,
    data: LineageData,
    *,
    work: Path,
    engine: Engine,
    listener: LineageListener,
) -> list[Generation]:
    """Train the lineage's generations into `work`/g0, g1, ...; finished ones are not trained again.

    Each folder gets weights.safetensors, history.csv and generation.json; lineage.json names the
    best. Goes on where an interrupted call stopped. Of several processes the first one writes.
    """
    finished: list[Generation] = []
    teachers = plan.teachers
    for name in generation_names(plan):
        work_of = _Work(plan, data, name, teachers, work / name, engine)
        finished.append(engine.processes.tell(work_of.kept()) or work_of.train(listener))
        teachers = (work / name / WEIGHTS_FILE,)
        if has_stopped(finished, plan.patience):
            break
    if engine.leads:
        _write_lineage(work / LINEAGE_FILE, plan, finished)
    return finished


def generation_names(plan: LineagePlan) -> list[str]:
    """g0, g1, ... for a scratch lineage (`generations` counts the born-again ones), g1, ... for a
    taught one (where it counts them all)."""
    first = 1 if plan.teachers else 0
    return [f"g{number}" for number in range(first, plan.generations + 1)]


def has_stopped(finished: list[Generation], patience: int) -> bool:
    """Whether the last `patience` generations all failed to beat the best before them."""
    if len(finished) <= patience:
        return False
    holder = best_generation(finished[:-patience])
    return best_generation(finished) == holder


class _Work:
    """One generation that is to be trained into `folder`, unless it is there already."""

    def __init__(
        self,
        plan: LineagePlan,
        data: LineageData,
        name: str,
        teachers: tuple[Path, ...],
        folder: Path,
        engine: Engine,
    ) -> None:
        self._plan, self._data, self._name = plan, data, name
        self._teachers, self._folder, self._engine = teachers, folder, engine
        self._recipe = plan.initial if name == "g0" and plan.initial else plan.recipe
        self._start = plan.start if name == generation_names(plan)[0] else None
        self._identity = self._identify()
        self._fingerprint = digest_of(self._identity)
        if engine.processes.tell(self._fingerprint) != self._fingerprint:
            raise InputError(
                f"process {engine.processes.share.rank} has other code, versions or files than the "
                "first one: bring every node to the same commit, environment and disk"
            )

    def kept(self) -> Generation | None:
        """The generation in the folder if it is this very work, else None, the folder cleared."""
        if not self._engine.leads:
            return None
        if (self._folder / GENERATION_FILE).exists():
            generation = read_generation(self._folder)
            if generation.fingerprint == self._fingerprint:
                return generation
        shutil.rmtree(self._folder, ignore_errors=True)
        return None

    def train(self, listener: LineageListener) -> Generation:
        """Train it, in all processes, and save it, in the first."""
        plan, data, recipe = self._plan, self._data, self._recipe
        teacher, taught_by = self._open_teacher()
        facts = {
            "spec": str(plan.spec),
            "recipe": asdict(recipe),
            "teacher": taught_by,
            "fingerprint": self._fingerprint,
        }
        heard = listener.begin(f"{plan.lineage}-{self._name}", facts)
        torch.manual_seed(seed_of("init", recipe.seed, self._name))
        model = build_model(plan.spec, len(data.labels))
        self._load_start(model, heard)
        classes = len(data.labels)
        training = Training(model, data.train, data.val, recipe, teacher, classes, self._engine)
        checkpoint = self._folder.with_name(f"{self._name}.checkpoint")
        history = fit(training, checkpoint=checkpoint, facts=self._identity, listener=heard)
        generation = self._describe(taught_by, best_epoch(history))
        if self._engine.leads:
            _save_generation(self._folder, generation, model, history, data)
            checkpoint.unlink(missing_ok=True)
        self._engine.processes.tell(None)  # the next generation's teacher is there for all
        listener.end(generation)
        return generation

    def _open_teacher(self) -> tuple[Teacher, str | None]:
        if not self._teachers:
            return NoTeacher(), None
        opened = [load_model(path, device=str(self._engine.device)) for path in self._teachers]
        for path, (_, card) in zip(self._teachers, opened, strict=True):
            _check_teacher(path, card, self._recipe, self._data.labels)
        models = [model for model, _ in opened]
        names = [str(card.origin["model"]) for _, card in opened]
        weights = {"alpha": self._recipe.alpha, "temperature": self._recipe.temperature}
        recording = self._open_recording()
        if recording is None:
            return FrozenTeacher(models, **weights), name_teacher(names)
        return RecordedTeacher(models, recording, **weights), name_teacher(names)

    def _open_recording(self) -> Recording | None:
        """Where this teacher's logits over this stream are kept; None where there is no room."""
        engine, recipe = self._engine, self._recipe
        clips, classes = Stream(self._data.train, recipe).seen(), len(self._data.labels)
        if engine.recordings is None or self._teachers != self._plan.teachers:
            return None
        folder = engine.recordings / digest_of(
            {
                "view": recipe.view_facts,
                "temperature": recipe.temperature if len(self._teachers) > 1 else 1.0,
                **{key: self._identity[key] for key in ("data", "teachers", "code", "made with")},
            }
        )
        needed = recording_bytes(recipe.epochs, clips, classes)
        if engine.processes.share.world > 1:  # none of which hears everything: they only read
            there = engine.processes.tell(folder.is_dir())
            return Recording(folder, clips=clips, classes=classes) if there else None
        if not make_room(folder, needed, round(engine.recordings_gib * 2**30)):
            return None
        writer = f"{self._plan.lineage}-{self._name}"
        return Recording(folder, clips=clips, classes=classes, writer=writer)

    def _load_start(self, model: Lipreader, heard: Listener) -> None:
        if self._start is None:
            return
        missing = load_initial(model, self._start, self._data.labels)
        if missing:
            heard.on_warning(
                f"started from {self._start}, but for {len(missing)} of {len(model.state_dict())} "
                f"tensors, which start at random: {', '.join(missing[:4])}"
                f"{', ...' if len(missing) > 4 else ''}"
            )

    def _identify(self) -> dict[str, Any]:
        """Equal for equal work: architecture, recipe, data, teachers' weights and the code."""
        device = self._engine.device
        return {
            "spec": str(self._plan.spec),
            "recipe": asdict(self._recipe),
            "data": self._data.digest,
            "labels": digest_of(self._data.labels),
            "generation": self._name,
            "teachers": digest_files(self._teachers) if self._teachers else None,
            "start": digest_files([self._start]) if self._start else None,
            "code": code_digest(CODE),
            "made with": f"torch {torch.__version__}, opencv {cv2.__version__}, {device.type}"
            f"{', compiled' if self._engine.compile else ''}",
        }

    def _describe(self, taught_by: str | None, best: EpochRecord) -> Generation:
        return Generation(
            name=self._name,
            model=f"{self._plan.lineage}-{self._name}",
            teacher=taught_by,
            spec=str(self._plan.spec),
            recipe=asdict(self._recipe),
            best_epoch=best.epoch,
            val_top1=best.val_top1,
            val_top5=best.val_top5,
            val_loss=best.val_loss,
            fingerprint=self._fingerprint,
        )


def _check_teacher(weights: Path, card: ModelCard, recipe: Recipe, labels: list[str]) -> None:
    if list(card.labels) != labels:
        raise InputError(f"{weights} was trained on other labels than these shards hold")
    for name, own in recipe.input_facts.items():
        theirs = card.preprocessing.get(name)
        if theirs != own:
            raise InputError(
                f"{weights} was trained with recipe.{name} {theirs} and its student with {own}: "
                "a teacher must see the student's view, so they must agree"
            )


def _save_generation(
    folder: Path,
    generation: Generation,
    model: Lipreader,
    history: list[EpochRecord],
    data: LineageData,
) -> None:
    """generation.json comes last: where it stands, the folder is whole."""
    recipe = Recipe(**generation.recipe)
    card = ModelCard(
        spec=generation.spec,
        labels=list(data.labels),
        preprocessing={
            **data.preprocessing,
            **recipe.input_facts,
            "eval_context": recipe.eval_context,
        },
        origin={
            "model": generation.model,
            "teacher": generation.teacher,
            "best_epoch": generation.best_epoch,
            "fingerprint": generation.fingerprint,
        },
    )
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(folder / WEIGHTS_FILE, model, card)
    write_history(folder / HISTORY_FILE, history)
    write_json(folder / GENERATION_FILE, asdict(generation))


def _write_lineage(path: Path, plan: LineagePlan, finished: list[Generation]) -> None:
    kept = ("name", "model", "teacher", "best_epoch", "val_top1", "val_top5", "val_loss")
    first = finished[0].teacher
    write_json(
        path,
        {
            "lineage": plan.lineage,
            "spec": str(plan.spec),
            "teacher": lineage_of(first) if first else None,
            "generations": [
                {key: value for key, value in asdict(done).items() if key in kept}
                for done in finished
            ],
            "best": best_generation(finished).name,
        },
    )
