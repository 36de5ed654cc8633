"""A generation: one finished model of a lineage, as its folder on disk describes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lipnet.errors import InputError
from lipnet.files import read_json
from lipnet.train.history import beats

LINEAGE_FILE, GENERATION_FILE = "lineage.json", "generation.json"
WEIGHTS_FILE, HISTORY_FILE = "weights.safetensors", "history.csv"
GENERATION_FILES = (WEIGHTS_FILE, HISTORY_FILE, GENERATION_FILE)


@dataclass(frozen=True)
class Generation:
    """One finished model of a lineage, as generation.json keeps it."""

    name: str
    model: str
    teacher: str | None
    spec: str
    recipe: dict[str, Any]
    best_epoch: int
    val_top1: float
    val_top5: float
    val_loss: float
    fingerprint: str


def best_generation(finished: Sequence[Generation]) -> Generation:
    """Highest on validation, the first one included; the earlier of two equals."""
    best = finished[0]
    for generation in finished[1:]:
        if beats((generation.val_top1, generation.val_loss), (best.val_top1, best.val_loss)):
            best = generation
    return best


def read_generation(folder: Path) -> Generation:
    """The generation that a folder holds."""
    return Generation(**_mapping(folder / GENERATION_FILE))


def read_generations(lineage: Path) -> list[Generation]:
    """The generations of a finished lineage, in order; InputError where it is not finished."""
    names = [str(entry["name"]) for entry in _read_lineage(lineage)["generations"]]
    return [read_generation(lineage / name) for name in names]


def best_weights(lineage: Path) -> Path:
    """The weights of a finished lineage's best generation; InputError where it is not finished."""
    return lineage / str(_read_lineage(lineage)["best"]) / WEIGHTS_FILE


def all_weights(lineage: Path) -> tuple[Path, ...]:
    """The weights of all generations of a finished lineage, in order."""
    names = [str(entry["name"]) for entry in _read_lineage(lineage)["generations"]]
    return tuple(lineage / name / WEIGHTS_FILE for name in names)


def name_teacher(models: Sequence[str]) -> str:
    """A model's name, or for all generations of a lineage that of their ensemble."""
    return models[0] if len(models) == 1 else f"{lineage_of(models[0])}-all"


def lineage_of(teacher: str) -> str:
    """The lineage of a model, or of the ensemble of a lineage's generations."""
    return teacher.removesuffix("-all").rsplit("-g", 1)[0]


def _read_lineage(lineage: Path) -> dict[str, Any]:
    if not (lineage / LINEAGE_FILE).exists():
        raise InputError(f"{lineage} holds no finished lineage: train it first")
    return _mapping(lineage / LINEAGE_FILE)


def _mapping(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise InputError(f"{path} holds {type(value).__name__}, not a JSON object")
    return value
