"""When, where and from which commit each model was trained: trainings.csv, which is not tracked.

Equal trainings on two machines must give equal tracked files, so these facts are kept apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from lipnet.errors import InputError
from lipnet.lineage.generation import read_generation
from lipnet.report.csv_rows import Format, read_rows
from lipnet.report.markdown import verbatim
from lipnet.report.rows import LeaderboardRow, models_of
from lipnet.report.study import TRAININGS, Study


@dataclass(frozen=True)
class TrainingRow:
    """One training that was finished; `fingerprint` is that of its inputs.

    `commit` is empty outside of a git checkout. `seconds` is None if an interruption left a gap.
    """

    model: str
    fingerprint: str
    finished: str
    commit: str
    machine: str
    seconds: Annotated[float | None, Format(".1f")]

    def __post_init__(self) -> None:
        if self.seconds is not None and self.seconds < 0:
            raise InputError(f"seconds {self.seconds}: a training takes 0 or more")


def read_trainings(study: Study, rows: Sequence[LeaderboardRow]) -> dict[str, TrainingRow]:
    """The training of each of these models, by id; without those that are not recorded here."""
    path = study.root / "report" / TRAININGS
    kept = read_rows(path, TrainingRow) if path.exists() else []
    by_fingerprint = {row.fingerprint: row for row in kept}
    found = {}
    for row in models_of(rows) if kept else []:
        generation = read_generation(study.lineage(row.lineage) / row.generation)
        if generation.fingerprint in by_fingerprint:
            found[row.model] = by_fingerprint[generation.fingerprint]
    return found


def describe_training(best: str, models: int, trainings: Mapping[str, TrainingRow]) -> str:
    """A sentence: when, from which commit, where and for how long the best of `models` models was
    trained, and how long all of them took."""
    own = trainings.get(best)
    if own is None:
        return "When, where and from which commit it was trained is not recorded here."
    facts = [f"commit {own.commit}"] if own.commit else []
    facts.append(verbatim(own.machine))
    took = "" if own.seconds is None else f" after {format_seconds(own.seconds)}"
    rest = f"; {_describe_all(own, models, trainings)}" if models > 1 else ""
    return f"Its training ended on {own.finished[:10]}{took} ({', '.join(facts)}){rest}."


def _describe_all(own: TrainingRow, models: int, trainings: Mapping[str, TrainingRow]) -> str:
    """How long all models took, and which other commits and machines trained some of them."""
    known = [row.seconds for row in trainings.values() if row.seconds is not None]
    whole = "all" if len(known) == models else f"{len(known)} of the"
    text = f"{whole} {models} models took {format_seconds(sum(known))}"
    commits = dict.fromkeys(row.commit for row in trainings.values() if row.commit)
    machines = dict.fromkeys(verbatim(row.machine) for row in trainings.values())
    others = [f"commit {commit}" for commit in commits if commit != own.commit]
    others += [machine for machine in machines if machine != verbatim(own.machine)]
    return f"{text} (others: {'; '.join(others)})" if others else text


def format_seconds(seconds: float) -> str:
    """Hours with a digit or, below one, minutes."""
    if seconds < 60:
        return "1 second" if round(seconds) == 1 else f"{seconds:.0f} seconds"
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.0f} minutes"
