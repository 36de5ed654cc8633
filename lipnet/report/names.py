"""Names of models for people: the spec, how it was trained and from which teacher."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lipnet.report.rows import Compression, LeaderboardRow, models_of
from lipnet.report.spec_names import name_spec

OPTIMISERS = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}
TAUGHT = ("distilled", "slimmable")  # what another lineage may teach
ENSEMBLES = {
    "generations": "all {} generations",
    "greedy": "{} models, chosen greedily",
    "cascade": "2nd if the 1st is unsure",
}


class ModelNames:
    """Names of a study's models, which differ from one another; ids are for machines."""

    def __init__(self, rows: Sequence[LeaderboardRow]) -> None:
        self._rows = {row.model: row for row in rows}
        self._models = models_of(rows)
        self._first = {row.lineage: row for row in reversed(self._models)}
        self._full = _tell_apart({row.model: self._join(row) for row in rows})
        self._short: dict[str, str] = {}
        for spec in dict.fromkeys(row.spec for row in self._models):
            own = [row for row in self._models if row.spec == spec]
            self._short |= _tell_apart({row.model: self._join_short(row) for row in own})

    def full(self, model: str) -> str:
        """The spec, the training and the teacher, such as "ResNet-18 + MS-TCN 3×, from scratch"."""
        return self._full.get(model, model)

    def short(self, row: LeaderboardRow) -> str:
        """The same without the spec, and of the teacher its backbone alone; differs from those of
        the spec's other models."""
        return self._short.get(row.model) or self._join_short(row)

    def describe_teacher(self, row: LeaderboardRow) -> str:
        """The spec of the model that its lineage was distilled from; "" if there is none."""
        first = self._first.get(row.lineage) if row.training in TAUGHT else None
        if first is None or row.members:
            return ""
        teacher = self._rows.get(first.teacher)
        return spec_on_a_line(teacher.spec) if teacher and teacher.spec else first.teacher

    def _join(self, row: LeaderboardRow) -> str:
        spec = f"{spec_on_a_line(row.spec)}, " if row.spec else ""
        return spec + self._join_training(row, self.describe_teacher(row))

    def _join_short(self, row: LeaderboardRow) -> str:
        return self._join_training(row, self.describe_teacher(row).partition(" + ")[0])

    def _join_training(self, row: LeaderboardRow, teacher: str) -> str:
        if row.compression:
            return name_compression(row.compression)
        if row.cascade:
            small, large = map(self._name_spec, row.members)
            return f"{small} and, if it is unsure, {large}"
        if row.members:
            return ENSEMBLES.get(row.rule, "{} models").format(len(row.members))
        return ", ".join([_name_training(row, teacher), *self._list_differing(row)])

    def _name_spec(self, model: str) -> str:
        row = self._rows.get(model)
        if row is None:
            return model
        how = f" ({name_compression(row.compression)})" if row.compression else ""
        return spec_on_a_line(row.spec) + how

    def _list_differing(self, row: LeaderboardRow) -> list[str]:
        """The settings in which models of this spec and training differ, and another loss than
        the paper's."""
        alike = [
            other.model_fit
            for other in self._models
            if (other.spec, other.training) == (row.spec, row.training)
        ]
        fit = row.model_fit
        settings: dict[str, set[Any]] = {
            OPTIMISERS.get(fit.optimiser, fit.optimiser): {other.optimiser for other in alike},
            f"{fit.epochs} epochs": {other.epochs for other in alike},
            f"temperature {fit.temperature:g}": {other.temperature for other in alike},
            f"seed {fit.seed}": {other.seed for other in alike},
        }
        own = [text for text, values in settings.items() if len(values) > 1]
        return own + [setting.replace("=", " ") for setting in fit.settings]


def _tell_apart(names: Mapping[str, str]) -> dict[str, str]:
    """Names by model, with the model's id where several are equal."""
    counts = Counter(names.values())
    return {
        model: f"{name} ({model})" if counts[name] > 1 else name for model, name in names.items()
    }


def _name_training(row: LeaderboardRow, teacher: str) -> str:
    number, is_tuned = int(row.generation[1:]), row.model_fit.start is not None
    if row.training == "scratch":
        return "fine-tuned" if is_tuned else "from scratch"
    if row.training == "born-again":
        return f"generation {number}"
    parts = ["the widest of several"] if row.training == "slimmable" else []
    parts += [f"distilled from {teacher}"] if teacher else []
    parts += [f"generation {number}"] if number > 1 else []
    return ", ".join([*parts, *["fine-tuned"] * is_tuned])


def name_compression(own: Compression) -> str:
    """How a model was compressed, such as "int4, tuned"."""
    return own.how + ", tuned" * own.is_tuned


def spec_on_a_line(spec: str) -> str:
    """The spec as the paper writes it, on one line."""
    return name_spec(spec).replace("\n", " + ")
