"""Generation: one finished model of a lineage, and the files of its folder."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from lipnet.errors import InputError
from lipnet.files import read_json, write_json
from lipnet.recipe import Recipe
from lipnet.records import Record
from lipnet.train.history import beats

GENERATION_FILE = "generation.json"
WEIGHTS_FILE, HISTORY_FILE = "weights.safetensors", "history.csv"
ONNX_FILE = "model.onnx"  # in place of the weights, of a model that only ONNX Runtime computes
TOGETHER = " + "  # between the models of an ensemble of several lineages
Described = TypeVar("Described")


@dataclass(frozen=True)
class TrainingFacts:
    """What identifies a model's training; `teacher` is a model or an ensemble, None for scratch;
    `start`: the digest of the weights file that it is fine-tuned from, None for random weights."""

    spec: str
    recipe: Recipe
    teacher: str | None
    fingerprint: str
    start: str | None = None


@dataclass(frozen=True)
class Packing:
    """How a compressed model was made: from the model `of`, by the steps `how`, tuned for this
    many epochs (0: not at all); the bytes of its weights file and of its source's."""

    of: str
    how: str
    epochs: int
    file_bytes: int
    source_bytes: int


@dataclass(frozen=True)
class Generation:
    """One finished model of a lineage: the content of generation.json.

    `packing` is that of a compressed model, None for any other; `widths` are those of a network
    of several, shares of its spec from 1 down; `start` is the digest of the weights file that the
    training started from, None for random weights.
    """

    name: str
    model: str
    teacher: str | None
    spec: str
    recipe: Recipe
    best_epoch: int
    val_top1: float
    val_top5: float
    val_loss: float
    fingerprint: str
    packing: Packing | None = None
    widths: tuple[float, ...] = ()
    start: str | None = None

    @property
    def facts(self) -> TrainingFacts:
        """What identifies its training."""
        return TrainingFacts(self.spec, self.recipe, self.teacher, self.fingerprint, self.start)


def model_file(folder: Path) -> Path:
    """The file of a generation's model: its ONNX graph if it has one, else its weights."""
    graph = folder / ONNX_FILE
    return graph if graph.exists() else folder / WEIGHTS_FILE


def list_files(folder: Path) -> list[Path]:
    """The files of a finished generation."""
    return [model_file(folder), folder / HISTORY_FILE, folder / GENERATION_FILE]


def best_generation(finished: Sequence[Generation]) -> Generation:
    """The best on validation; the earlier one of two equals."""
    best = finished[0]
    for generation in finished[1:]:
        if beats((generation.val_top1, generation.val_loss), (best.val_top1, best.val_loss)):
            best = generation
    return best


def write_generation(folder: Path, generation: Generation) -> None:
    """Write the folder's generation.json."""
    content = asdict(generation)
    if generation.packing is None:
        del content["packing"]
    for name in ("widths", "start"):
        if not content[name]:
            del content[name]
    write_json(folder / GENERATION_FILE, content)


def read_generation(folder: Path) -> Generation:
    """Read the folder's generation.json; InputError if it is missing or damaged."""
    return read_described(folder / GENERATION_FILE, _parse_generation)


def read_described(path: Path, parse: Callable[[Record], Described]) -> Described:
    """Read and parse one of a lineage's JSON files; InputError if it is missing or damaged."""
    try:
        return parse(Record(read_json(path)))
    except FileNotFoundError:
        raise InputError(f"no {path}: run `dvc repro` or `dvc pull` first") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}): remove it and run `dvc repro`") from error


def _parse_generation(found: Record) -> Generation:
    return Generation(
        name=found.text("name"),
        model=found.text("model"),
        teacher=found.optional_text("teacher"),
        spec=found.text("spec"),
        recipe=_parse_recipe(found.fields("recipe")),
        best_epoch=found.count("best_epoch"),
        val_top1=found.fraction("val_top1"),
        val_top5=found.fraction("val_top5"),
        val_loss=found.number("val_loss"),
        fingerprint=found.text("fingerprint"),
        packing=_parse_packing(found.record("packing")) if "packing" in found else None,
        widths=tuple(found.numbers("widths")) if "widths" in found else (),
        start=found.text("start") if "start" in found else None,
    )


def _parse_packing(found: Record) -> Packing:
    packing = Packing(
        of=found.text("of"),
        how=found.text("how"),
        epochs=found.count("epochs"),
        file_bytes=found.count("file_bytes"),
        source_bytes=found.count("source_bytes"),
    )
    if not packing.file_bytes or not packing.source_bytes:
        raise ValueError("a weights file of 0 bytes")
    return packing


def _parse_recipe(fields: Mapping[str, object]) -> Recipe:
    try:
        return Recipe(**fields)  # type: ignore[arg-type]
    except (TypeError, InputError) as error:  # an unknown field, or a value out of range
        raise ValueError(f"recipe: {error}") from None


def name_teacher(models: Sequence[str]) -> str:
    """The name of the teacher: a model's, that of the ensemble of a lineage's generations, or all
    models of another ensemble."""
    if len(models) == 1:
        return models[0]
    lineages = {lineage_of(model) for model in models}
    return f"{lineages.pop()}-all" if len(lineages) == 1 else TOGETHER.join(models)


def lineage_of(teacher: str) -> str:
    """The lineage of a model, or of the ensemble of a lineage's generations; those of the models of
    another ensemble."""
    lineages = [
        own.removesuffix("-all") if own.endswith("-all") else re.sub(r"-g\d+$", "", own)
        for own in teacher.split(TOGETHER)
    ]
    return TOGETHER.join(dict.fromkeys(lineages))
