"""A study's conditions.json: context curves and robustness of the models that were measured.

Not tracked by DVC: `lipnet release --curves` writes it on a machine that has the clips.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lipnet.errors import InputError
from lipnet.files import write_json
from lipnet.lineage.generation import model_file, read_generation
from lipnet.records import Record
from lipnet.report.json_files import read_mapping
from lipnet.report.rows import LeaderboardRow, files_of
from lipnet.report.study import Study

if TYPE_CHECKING:
    from lipnet.inference.evaluate_shards import ShardEvaluation
    from lipnet.measure.accuracy import Estimate

CONTEXTS = (0, 2, 4, 6, 8, -1)  # frames on each side of the word; -1: the whole clip
SPLIT = "test"
CONTEXT, CHANGE = "context", "change"  # kinds of conditions


@dataclass(frozen=True)
class Value:
    """A fraction, or a difference of fractions, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class MeasuredCondition:
    """One condition: the mean frames that were read per clip, top-1, and that less the top-1 of the
    clips as they are (paired)."""

    name: str
    kind: str
    frames: float
    top1: Value
    difference: Value


@dataclass(frozen=True)
class MeasuredModel:
    """A model on the `clips` of `units` of one split: top-1 as they are, and each condition.

    `fingerprint` is that of the training whose weights were measured.
    """

    fingerprint: str
    split: str
    clips: int
    units: int
    frames: float
    top1: Value
    conditions: tuple[MeasuredCondition, ...]

    def of_kind(self, kind: str) -> list[MeasuredCondition]:
        """The conditions of one kind."""
        return [own for own in self.conditions if own.kind == kind]


def measure_conditions(study: Study, row: LeaderboardRow) -> MeasuredModel:
    """Evaluate a model's weights on the study's test shards, and keep the result in its file."""
    # Torch takes seconds to import, and the page needs only what was measured before.
    from lipnet.inference.conditions import ROBUSTNESS, vary_context
    from lipnet.inference.evaluate_shards import evaluate_shards

    place = study.lineage(row.lineage) / row.generation
    conditions = [*vary_context(CONTEXTS), *ROBUSTNESS]
    found = evaluate_shards(model_file(place), study.shards, SPLIT, conditions)
    measured = _describe(read_generation(place).fingerprint, found)
    path = study.conditions_file
    write_json(path, {**_read(path), row.model: asdict(measured)})
    return measured


def read_conditions(study: Study, rows: Sequence[LeaderboardRow]) -> dict[str, MeasuredModel]:
    """What was measured of the study's models, by model; not what other weights of the same name
    gave. InputError if the file is damaged."""
    path = study.conditions_file
    kept = _read(path)
    found = {}
    for row in files_of(rows):
        if row.model in kept:
            measured = _parse(path, row.model, kept[row.model])
            own = read_generation(study.lineage(row.lineage) / row.generation)
            if measured.fingerprint == own.fingerprint:
                found[row.model] = measured
    return found


def _read(path: Path) -> Mapping[str, object]:
    return read_mapping(path) if path.exists() else {}


def _describe(fingerprint: str, found: "ShardEvaluation") -> MeasuredModel:
    conditions = tuple(
        MeasuredCondition(
            own.name, own.kind, round(own.frames, 2), _value(own.top1), _value(own.difference)
        )
        for own in found.conditions
    )
    top1, frames = found.top1, round(found.frames, 2)
    counts = (top1.clips, top1.units)
    return MeasuredModel(fingerprint, found.split, *counts, frames, _value(top1), conditions)


def _value(own: "Estimate") -> Value:
    return Value(*(round(number, 6) for number in (own.value, own.low, own.high)))


def _parse(path: Path, model: str, value: object) -> MeasuredModel:
    try:
        found = Record(value)
        return MeasuredModel(
            found.text("fingerprint"),
            found.text("split"),
            found.count("clips"),
            found.count("units"),
            found.number("frames"),
            _parse_value(found, "top1"),
            tuple(_parse_condition(Record(own)) for own in found.list("conditions")),
        )
    except ValueError as error:
        raise InputError(
            f"{path}: what it has of {model} is damaged ({error}): remove it"
        ) from None


def _parse_condition(found: Record) -> MeasuredCondition:
    return MeasuredCondition(
        found.text("name"),
        found.text("kind"),
        found.number("frames"),
        _parse_value(found, "top1"),
        _parse_value(found, "difference"),
    )


def _parse_value(found: Record, key: str) -> Value:
    own = found.record(key)
    return Value(own.number("value"), own.number("low"), own.number("high"))
