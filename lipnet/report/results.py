"""Accuracy and cost of every model and ensemble, read once from models and saved logits."""
# N clips  K classes

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipnet.clip import CLIP_FRAMES
from lipnet.errors import InputError
from lipnet.inference.logits import SavedLogits, check_same_clips, read_logits
from lipnet.lineage.generation import Generation, Packing, read_generation
from lipnet.lineage.summary import read_lineage
from lipnet.measure.accuracy import Estimate, accuracy, topk
from lipnet.measure.cost import Cost, cost_of
from lipnet.report.json_files import read_mapping
from lipnet.report.parts import shared_cost
from lipnet.report.study import Study
from lipnet.selection.cascade import Cascade
from lipnet.selection.ensemble import mean_probabilities
from lipnet.shards.summary import read_labels_file
from lipnet.spec import ModelSpec

SPLITS = ("val", "test", "unseen")
SLIMMABLE = "slimmable"
TRAININGS = ("scratch", "born-again", "distilled", SLIMMABLE, "ensemble", "cascade", "compressed")


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was predicted for the clips of one split, and how much of it was right."""

    labels_N: NDArray[np.int64]
    predicted_N: NDArray[np.int64]
    correct_N: NDArray[np.bool_]
    units_N: NDArray[np.str_]
    slots_N: NDArray[np.str_]
    top1: Estimate
    top5: Estimate


@dataclass(frozen=True)
class CascadeFacts:
    """A cascade's threshold and the share of clips that its small model answers; the costs of both
    models, which the slowest clip takes, and of the large one alone. What an exit and its network
    have in common counts once."""

    threshold: float
    leaves_val: float
    leaves: float
    worst_gflops: float
    large_gflops: float


@dataclass(frozen=True, eq=False)
class Entry:
    """One row of the leaderboard: a model, or an ensemble with its members' costs added up; of a
    cascade the costs are means over the test clips.

    `training` is how it was made: "scratch", "born-again" (its teacher is of its own lineage),
    "distilled" (its lineage was, from another one), "slimmable" (the widest of several widths),
    "ensemble", "cascade" or "compressed", whose `teacher` is the model that it was made from.
    `chosen`: the best of its lineage on validation. `start`, `widths`: of its Generation.
    """

    name: str
    lineage: str
    generation: str
    spec: str
    teacher: str
    training: str
    params_m: float
    gflops: float
    gmacs: float
    input_size: int = 0
    epochs: int = 0
    best_epoch: int = 0
    seed: int = 0
    val_loss: float = 0.0
    chosen: bool = False
    rule: str = ""
    members: tuple[str, ...] = ()
    folder: Path = Path()
    recipe: Mapping[str, Any] = field(default_factory=dict)
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    packing: Packing | None = None
    cascade: CascadeFacts | None = None
    start: str | None = None
    widths: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Results:
    """Models (most expensive spec first, scratch before distilled) and ensembles of one profile.

    `compressed` ones, the largest file of each source first, and `cascades` are apart from them:
    nothing is chosen from these.
    """

    labels: list[str]
    models: list[Entry]
    ensembles: list[Entry]
    best: str
    compressed: list[Entry] = field(default_factory=list)
    cascades: list[Entry] = field(default_factory=list)

    @property
    def entries(self) -> list[Entry]:
        return self.models + self.ensembles

    @property
    def everything(self) -> list[Entry]:
        """Also what nothing is chosen from."""
        return [*self.entries, *self.cascades, *self.compressed]

    @property
    def splits(self) -> list[str]:
        """The splits that were predicted, validation first."""
        seen = {split for model in self.models for split in model.outcomes}
        return [split for split in SPLITS if split in seen]

    def entry(self, name: str) -> Entry:
        """The model or ensemble of that id."""
        return next(entry for entry in self.everything if entry.name == name)


def read_results(study: Study) -> Results:
    """All that the report shows, with intervals; InputError if a file is missing.

    Only lineages that validation chose among are read: folders of others may still exist.
    """
    labels = read_labels_file(study.labels_file)
    selection = read_mapping(study.selection)
    models = [_read_model(folder, study, len(labels)) for folder in list_models(study)]
    by_name = {model.name: model for model in models}
    ensembles = [_join_members(described, by_name, study) for described in selection["ensembles"]]
    packed = [_read_model(folder, study, len(labels)) for folder in list_compressed(study)]
    ordered = _in_order(models)
    by_name |= {model.name: model for model in packed}
    cascades = selection.get("cascades", [])
    return Results(
        labels,
        ordered,
        ensembles,
        str(selection["best"]["model"]),
        _order_compressed(packed, [model.name for model in ordered]),
        [_join_cascade(described, by_name, study, len(labels)) for described in cascades],
    )


def list_models(study: Study) -> list[Path]:
    """The folders of all models that validation chose among, by lineage and generation."""
    return _list_folders(study, read_mapping(study.selection)["best_of_lineage"])


def list_compressed(study: Study) -> list[Path]:
    """The folders of all compressed models, by lineage."""
    return _list_folders(study, read_mapping(study.selection).get("compressed", []))


def _list_folders(study: Study, names: Iterable[str]) -> list[Path]:
    lineages = [study.lineage(lineage) for lineage in sorted(names)]
    return [
        lineage / generation.name
        for lineage in lineages
        for generation in read_lineage(lineage).generations
    ]


@cache
def _cost(spec: str, n_classes: int, size: int) -> Cost:
    return cost_of(ModelSpec.parse(spec), n_classes, frames=CLIP_FRAMES, size=size)


def _read_model(folder: Path, study: Study, n_classes: int) -> Entry:
    found, summary = read_generation(folder), read_lineage(folder.parent)
    lineage, generation = folder.parent.name, folder.name
    recipe = found.recipe
    cost = _cost(found.spec, n_classes, recipe.input_size)
    return Entry(
        name=found.model,
        lineage=lineage,
        generation=generation,
        spec=found.spec,
        teacher=found.packing.of if found.packing else found.teacher or "",
        training=_training(summary.teacher, found),
        params_m=cost.params_m,
        gflops=cost.gflops,
        gmacs=cost.gmacs,
        input_size=recipe.input_size,
        epochs=recipe.epochs,
        best_epoch=found.best_epoch,
        seed=recipe.seed,
        val_loss=found.val_loss,
        chosen=summary.best == generation and found.packing is None,
        folder=folder,
        recipe=asdict(recipe),
        outcomes=_read_outcomes([(lineage, generation)], study, n_classes),
        packing=found.packing,
        start=found.start,
        widths=found.widths,
    )


def _training(lineage_teacher: str | None, found: Generation) -> str:
    if found.packing or found.widths:
        return "compressed" if found.packing else SLIMMABLE
    distilled = "distilled" if lineage_teacher else "born-again"
    return distilled if found.teacher else "scratch"


def _read_outcomes(
    members: list[tuple[str, str]],
    study: Study,
    n_classes: int,
    combine: Callable[..., NDArray[np.float32]] = lambda *logits: mean_probabilities(logits),
) -> dict[str, Outcome]:
    """Each split's outcome of one model, or of several, combined by their mean probability."""
    outcomes: dict[str, Outcome] = {}
    for split in SPLITS:
        files = [study.logits(*member, split) for member in members]
        if split == "unseen" and not all(path.exists() for path in files):
            continue
        saved = [read_logits(path) for path in files]
        for path, own in zip(files, saved, strict=True):
            check_same_clips(saved[0], own, f"{files[0]} and {path}")
            if own.logits.shape[1] != n_classes:
                raise InputError(
                    f"{path} has {own.logits.shape[1]} labels, but the shards have {n_classes}: "
                    "run `dvc repro`"
                )
        scores_NK = saved[0].logits
        if len(saved) > 1:
            scores_NK = combine(*(own.logits for own in saved))
        outcomes[split] = _judge(scores_NK, saved[0])
    return outcomes


def _judge(scores_NK: NDArray[np.float32], clips: SavedLogits) -> Outcome:
    """By a model's logits, in half precision if kept, or the mean probabilities of several."""
    correct_N = topk(scores_NK, clips.labels, 1)
    return Outcome(
        labels_N=clips.labels,
        predicted_N=scores_NK.argmax(axis=1),
        correct_N=correct_N,
        units_N=clips.units,
        slots_N=clips.slots,
        top1=accuracy(correct_N, clips.units),
        top5=accuracy(topk(scores_NK, clips.labels, 5), clips.units),
    )


def _join_members(described: Mapping[str, Any], models: Mapping[str, Entry], study: Study) -> Entry:
    members = _find_members(f"ensemble {described['name']}", described["members"], models)
    lineages = {member.lineage for member in members}
    specs = {member.spec for member in members}
    n_classes = len(read_labels_file(study.labels_file))
    return Entry(
        name=str(described["name"]),
        lineage=lineages.pop() if len(lineages) == 1 else "",
        generation="",
        spec=specs.pop() if len(specs) == 1 else "",
        teacher="",
        training="ensemble",
        params_m=sum(member.params_m for member in members),
        gflops=sum(member.gflops for member in members),
        gmacs=sum(member.gmacs for member in members),
        rule=str(described["rule"]),
        members=tuple(described["members"]),
        outcomes=_read_outcomes(
            [(member.lineage, member.generation) for member in members], study, n_classes
        ),
    )


def _find_members(what: str, names: Sequence[str], models: Mapping[str, Entry]) -> list[Entry]:
    unknown = [name for name in names if name not in models]
    if unknown:
        raise InputError(f"{what} needs {unknown[0]}, which is missing: run `dvc repro select`")
    return [models[name] for name in names]


def _join_cascade(
    described: Mapping[str, Any], models: Mapping[str, Entry], study: Study, n_classes: int
) -> Entry:
    names = (str(described["small"]), str(described["large"]))
    small, large = _find_members(f"cascade {described['name']}", names, models)
    cascade = Cascade(float(described["threshold"]))
    places = [(own.lineage, own.generation) for own in (small, large)]
    tested = read_logits(study.logits(*places[0], "test"))
    leaves = float(cascade.leaves(tested.logits).mean())
    shared_gflops, shared_gmacs = _find_shared(small, large)
    return Entry(
        name=str(described["name"]),
        lineage="",
        generation="",
        spec="",
        teacher="",
        training="cascade",
        params_m=large.params_m + (0 if shared_gflops else small.params_m),
        gflops=small.gflops + (1 - leaves) * (large.gflops - shared_gflops),
        gmacs=small.gmacs + (1 - leaves) * (large.gmacs - shared_gmacs),
        rule="cascade",
        members=names,
        outcomes=_read_outcomes(places, study, n_classes, cascade.probabilities),
        cascade=CascadeFacts(
            threshold=cascade.threshold,
            leaves_val=float(described["leaves_val"]),
            leaves=leaves,
            worst_gflops=small.gflops + large.gflops - shared_gflops,
            large_gflops=large.gflops,
        ),
    )


def _find_shared(small: Entry, large: Entry) -> tuple[float, float]:
    """GFLOPs and GMACs that the large model does not repeat."""
    how = small.packing.how if small.packing and small.teacher == large.name else ""
    return shared_cost(how, small.spec, small.input_size)


def _in_order(models: list[Entry]) -> list[Entry]:
    """As in Table 3: descending cost; a spec's scratch lineages before the distilled ones."""
    return sorted(
        models,
        key=lambda model: (
            -model.gflops,
            model.spec,
            model.training == "distilled",
            model.lineage,
            int(model.generation[1:]),
        ),
    )


def _order_compressed(packed: list[Entry], models: Sequence[str]) -> list[Entry]:
    """In the order of their sources, the largest file first; InputError if a source is missing or a
    folder has no size of its file."""
    for entry in packed:
        if entry.packing is None or entry.teacher not in models:
            raise InputError(
                f"{entry.folder} is not a compressed copy of one of the study's models: "
                f"run `dvc repro compressed@{entry.lineage}`"
            )
    sizes = {entry.name: entry.packing.file_bytes for entry in packed if entry.packing}
    return sorted(packed, key=lambda own: (models.index(own.teacher), -sizes[own.name], own.name))
