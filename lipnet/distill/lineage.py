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

from lipnet.data.loader import ClipStore
from lipnet.distill.generation import (
    GENERATION_FILE,
    HISTORY_FILE,
    LINEAGE_FILE,
    WEIGHTS_FILE,
    Generation,
    best_generation,
    read_generation,
)
from lipnet.distill.teacher import FrozenTeacher, NoTeacher, Teacher
from lipnet.errors import InputError
from lipnet.files import code_digest, digest_files, digest_of, write_json
from lipnet.models.build import build_model
from lipnet.models.lipreader import Lipreader
from lipnet.models.weights import ModelCard, load_model, save_weights
from lipnet.spec import ModelSpec
from lipnet.train.history import EpochRecord, best_epoch, write_history
from lipnet.train.loop import Listener, Training, fit
from lipnet.train.recipe import Recipe
from lipnet.train.seed import seed_of

DATA_CODE = ("augment", "loader", "shards", "shrink")  # the modules of data/ that decide pixels


@dataclass(frozen=True)
class LineagePlan:
    """What a lineage is to be: `teacher` is the weights file of another lineage's best, if any;
    `initial` changes the recipe of g0 alone (Table 1: start with Adam, go on with AdamW)."""

    lineage: str
    spec: ModelSpec
    recipe: Recipe
    generations: int
    patience: int = 1
    teacher: Path | None = None
    initial: Recipe | None = None


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
    device: torch.device,
    listener: LineageListener,
) -> list[Generation]:
    """Train the lineage's generations into `work`/g0, g1, ...; finished ones are not trained again.

    Each folder gets weights.safetensors, history.csv and generation.json; lineage.json names the
    best. Goes on where an interrupted call stopped.
    """
    finished: list[Generation] = []
    teacher_weights = plan.teacher
    for name in generation_names(plan):
        generation = _train_generation(plan, data, name, teacher_weights, work, device, listener)
        finished.append(generation)
        teacher_weights = work / name / WEIGHTS_FILE
        if has_stopped(finished, plan.patience):
            break
    _write_lineage(work / LINEAGE_FILE, plan, finished)
    return finished


def generation_names(plan: LineagePlan) -> list[str]:
    """g0, g1, ... for a scratch lineage (`generations` counts the born-again ones), g1, ... for a
    taught one (where it counts them all)."""
    first = 0 if plan.teacher is None else 1
    return [f"g{number}" for number in range(first, plan.generations + 1)]


def has_stopped(finished: list[Generation], patience: int) -> bool:
    """Whether the last `patience` generations all failed to beat the best before them."""
    if len(finished) <= patience:
        return False
    holder = best_generation(finished[:-patience])
    return best_generation(finished) == holder


def _train_generation(
    plan: LineagePlan,
    data: LineageData,
    name: str,
    teacher_weights: Path | None,
    work: Path,
    device: torch.device,
    listener: LineageListener,
) -> Generation:
    recipe = plan.initial if name == "g0" and plan.initial else plan.recipe
    teacher, teacher_name = _open_teacher(teacher_weights, recipe, data.labels, device)
    facts: dict[str, Any] = {
        "spec": str(plan.spec),
        "recipe": asdict(recipe),
        "teacher": teacher_name,
        "fingerprint": _fingerprint(plan, recipe, data, name, teacher_weights, device),
    }
    folder = work / name
    kept = _read_finished(folder, facts["fingerprint"])
    if kept is not None:
        return kept
    heard = listener.begin(f"{plan.lineage}-{name}", facts)
    torch.manual_seed(seed_of("init", recipe.seed, name))
    model = build_model(plan.spec, len(data.labels))
    training = Training(model, data.train, data.val, recipe, teacher, device, len(data.labels))
    checkpoint = work / f"{name}.checkpoint"
    history = fit(training, checkpoint=checkpoint, fingerprint=facts["fingerprint"], listener=heard)
    generation = _describe(plan, name, facts, history)
    _save_generation(folder, generation, model, history, data)
    checkpoint.unlink(missing_ok=True)
    listener.end(generation)
    return generation


def _open_teacher(
    weights: Path | None, recipe: Recipe, labels: list[str], device: torch.device
) -> tuple[Teacher, str | None]:
    if weights is None:
        return NoTeacher(), None
    model, card = load_model(weights, device=str(device))
    if list(card.labels) != labels:
        raise InputError(f"{weights} was trained on other labels than these shards hold")
    for name, own in recipe.input_facts.items():
        theirs = card.preprocessing.get(name)
        if theirs != own:
            raise InputError(
                f"{weights} was trained with recipe.{name} {theirs} and its student with {own}: "
                "a teacher must see the student's view, so they must agree"
            )
    teacher = FrozenTeacher(model, alpha=recipe.alpha, temperature=recipe.temperature)
    return teacher, str(card.origin["model"])


def _fingerprint(
    plan: LineagePlan,
    recipe: Recipe,
    data: LineageData,
    name: str,
    teacher: Path | None,
    device: torch.device,
) -> str:
    """Equal for equal work: architecture, recipe, data, teacher's weights and the code itself."""
    return digest_of(
        {
            "spec": str(plan.spec),
            "recipe": asdict(recipe),
            "data": data.digest,
            "generation": name,
            "teacher": digest_files([teacher]) if teacher else None,
            "code": code_digest(
                "train", "distill", "models", "spec.py", *(f"data/{name}.py" for name in DATA_CODE)
            ),
            "made with": [torch.__version__, cv2.__version__, device.type],
        }
    )


def _read_finished(folder: Path, fingerprint: str) -> Generation | None:
    """The generation in `folder` if it is this very work, else None with the folder cleared."""
    if (folder / GENERATION_FILE).exists():
        generation = read_generation(folder)
        if generation.fingerprint == fingerprint:
            return generation
    shutil.rmtree(folder, ignore_errors=True)
    return None


def _describe(
    plan: LineagePlan, name: str, facts: Mapping[str, Any], history: list[EpochRecord]
) -> Generation:
    best = best_epoch(history)
    return Generation(
        name=name,
        model=f"{plan.lineage}-{name}",
        teacher=facts["teacher"],
        spec=facts["spec"],
        recipe=facts["recipe"],
        best_epoch=best.epoch,
        val_top1=best.val_top1,
        val_top5=best.val_top5,
        val_loss=best.val_loss,
        fingerprint=facts["fingerprint"],
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
        preprocessing={**data.preprocessing, **recipe.input_facts},
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
            "teacher": first.rsplit("-g", 1)[0] if first else None,
            "generations": [
                {key: value for key, value in asdict(done).items() if key in kept}
                for done in finished
            ],
            "best": best_generation(finished).name,
        },
    )
