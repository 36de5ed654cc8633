"""The rates in a report of `lipnet doctor`, as a line that other programs read."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lipnet.errors import InputError
from lipnet.records import MAX_JSON, Record, parse_json

MARK = "rates "


@dataclass(frozen=True)
class TrainingRate:
    """Clips per second of one model's training, and the size of its clips and batches."""

    spec: str
    batch: int
    input_size: int
    frames: int
    labels: int
    clips_per_second: float


@dataclass(frozen=True)
class Rates:
    """What was measured on a machine; `device` is cuda or cpu, `name` that of the GPU or the CPU's
    architecture."""

    device: str
    name: str
    cores: int
    trainings: Sequence[TrainingRate]

    @property
    def line(self) -> str:
        """The rates as a line of a report."""
        return MARK + json.dumps(asdict(self), sort_keys=True)


def read_rates(report: Path) -> Rates:
    """The rates of a report; InputError if it has none, or if they cannot be right."""
    try:
        with report.open(encoding="utf-8", errors="replace") as file:
            lines = file.read(MAX_JSON).splitlines()
    except OSError as error:
        raise InputError(f"{report}: {error.strerror}") from error
    found = [line for line in lines if line.startswith(MARK)]
    if not found:
        raise InputError(
            f"{report} has no measured rates: make it by `lipnet doctor --report {report}`, which "
            "has to reach its end"
        )
    try:
        return _parse(Record(parse_json(found[-1].removeprefix(MARK))))
    except ValueError as error:
        raise InputError(
            f"{report}: the line `rates` is damaged ({error}); run `lipnet doctor` again"
        ) from error


def _parse(record: Record) -> Rates:
    device, trainings = record.text("device"), record.list("trainings")
    if device not in ("cpu", "cuda"):
        raise ValueError(f"device is {device!r}, not cpu or cuda")
    if not trainings:
        raise ValueError("trainings is empty")
    return Rates(
        device,
        record.text("name"),
        _positive(record, "cores"),
        tuple(_parse_training(Record(one)) for one in trainings),
    )


def _parse_training(record: Record) -> TrainingRate:
    rate = record.number("clips_per_second")
    if rate <= 0:
        raise ValueError(f"clips_per_second is {rate}, not above 0")
    sizes = {key: _positive(record, key) for key in ("batch", "input_size", "frames", "labels")}
    return TrainingRate(spec=record.text("spec"), clips_per_second=rate, **sizes)


def _positive(record: Record, key: str) -> int:
    value = record.count(key)
    if value == 0:
        raise ValueError(f"{key} is 0")
    return value
