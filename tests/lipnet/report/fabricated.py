"""A small made-up finished profile: the files that the report reads."""
# N clips  K classes

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from lipnet.inference.logits import SavedLogits, write_logits
from lipnet.lineage.generation import Generation, Packing, write_generation
from lipnet.lineage.summary import LineageSummary, write_lineage
from lipnet.recipe import Recipe
from lipnet.report.figures.write import FIGURES
from lipnet.report.results import Results
from lipnet.report.study import Study
from lipnet.shards.summary import ShardsSummary, SplitSummary, write_summary
from lipnet.speakers import SpeakerOverlap
from lipnet.train.history import EpochRecord, write_history

LABELS = ["about", "bark", "could", "fifty", "fifteen", "london", "million", "millions"] + [
    *("park", "people", "should", "world")
]
ALIKE = {"bark": "park", "million": "millions", "could": "should", "fifty": "fifteen"}


@dataclass(frozen=True)
class Fake:
    """One made-up lineage; the `skill` of each generation is roughly its accuracy. `packing`: of a
    compressed one; `widths`: of a network of several; `recipe`: what is changed in it, `initial`:
    in that of g0; `start`: the digest of the weights that the first generation started from."""

    lineage: str
    spec: str
    teacher: str | None
    skills: tuple[float, ...]
    seed: int = 1
    temperature: float = 1.0
    packing: Packing | None = None
    widths: tuple[float, ...] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict)
    initial: Mapping[str, Any] = field(default_factory=dict)
    start: str | None = None


SMALL = (
    Fake("big", "resnet18_0.25x + tcn_0.25x", None, (0.7, 0.75)),
    Fake("small", "shufflenetv2_0.5x + tcn_0.125x", None, (0.55,)),
    Fake("small-by-big", "shufflenetv2_0.5x + tcn_0.125x", "big-g1", (0.65,)),
)


@dataclass(frozen=True)
class Corpus:
    """Clips of one split: labels, units, slots; `hardness` is shared by all models."""

    labels_N: np.ndarray
    units_N: np.ndarray
    slots_N: np.ndarray
    speakers_N: np.ndarray
    hardness_N: np.ndarray


def fabricate(
    study: Study,
    fakes: Sequence[Fake] = SMALL,
    *,
    clips: int = 60,
    slots: bool = False,
    unseen: bool = False,
    epochs: int = 4,
    fold: str = "",
) -> None:
    """Write models, logits (a bigger test than val) and labels of the study; `fold` is a prefix of
    the units' names."""
    splits = {"train": SplitSummary(clips=480, failed={}, shards=2)}
    write_summary(study.shards, summarize(splits), sorted(LABELS))
    sizes = {"val": clips, "test": 2 * clips} | ({"unseen": clips} if unseen else {})
    corpora = {split: _corpus(split, size, slots, fold) for split, size in sizes.items()}
    for fake in fakes:
        _write_lineage(study, fake, epochs)
        for number, skill in enumerate(fake.skills, start=1 if fake.teacher else 0):
            for split, corpus in corpora.items():
                path = study.logits(fake.lineage, f"g{number}", split)
                _write_logits(path, corpus, split, skill)


def summarize(splits: Mapping[str, SplitSummary]) -> ShardsSummary:
    """A summary of shards with these splits."""
    return ShardsSummary(
        fingerprint="f" * 16,
        splits=splits,
        pixel_mean=0.4,
        pixel_std=0.2,
        preprocessing={"size": 96},
        codec="delta",
        url="",
        bytes=1000,
        overlap=SpeakerOverlap(tested=1, shared=1),
    )


def _corpus(split: str, clips: int, slots: bool, fold: str) -> Corpus:
    generator = np.random.default_rng(crc32(f"{fold}{split}".encode()))
    numbers = np.arange(clips)
    units = [f"{fold}{split}/{number // 3 if slots else number:04d}" for number in numbers]
    names = np.array([("verb", "noun", "digit")[number % 3] if slots else "" for number in numbers])
    return Corpus(
        labels_N=(numbers % len(LABELS)).astype(np.int64),
        units_N=np.array(units),
        slots_N=names,
        speakers_N=np.array([f"{split}-{number % 4}" for number in numbers]),
        hardness_N=generator.normal(size=clips),
    )


def _write_logits(path: Path, corpus: Corpus, split: str, skill: float) -> None:
    generator = np.random.default_rng(crc32(str(path.relative_to(path.parents[1])).encode()))
    labels = sorted(LABELS)
    logits_NK = generator.normal(scale=0.5, size=(len(corpus.labels_N), len(labels)))
    for clip, label in enumerate(corpus.labels_N):
        other = ALIKE.get(labels[label]) or {b: a for a, b in ALIKE.items()}.get(labels[label])
        logits_NK[clip, label] += 9 * (skill - 0.5) - 1.2 * corpus.hardness_N[clip] + 1.0
        if other:
            logits_NK[clip, labels.index(other)] += 1.4
    write_logits(
        path,
        SavedLogits(
            logits=logits_NK.astype(np.float32),
            labels=corpus.labels_N,
            clip_ids=np.array([f"{split}/{clip:05d}" for clip in range(len(logits_NK))]),
            units=corpus.units_N,
            slots=corpus.slots_N,
            speakers=corpus.speakers_N,
        ),
    )


def _write_lineage(study: Study, fake: Fake, epochs: int) -> None:
    folder = study.lineage(fake.lineage)
    teacher = fake.teacher
    recipe = Recipe(epochs=epochs, input_size=44, seed=fake.seed, temperature=fake.temperature)
    recipe = replace(recipe, **fake.recipe)
    generations = []
    for number, skill in enumerate(fake.skills, start=1 if fake.teacher else 0):
        model = f"{fake.lineage}-g{number}"
        generation = Generation(
            name=f"g{number}",
            model=model,
            teacher=teacher,
            spec=fake.spec,
            recipe=recipe if number else replace(recipe, **fake.initial),
            best_epoch=epochs - 2,
            val_top1=skill,
            val_top5=1.0,
            val_loss=1 - skill,
            fingerprint=f"{crc32(model.encode()):016x}",
            packing=fake.packing,
            widths=fake.widths,
            start=None if generations else fake.start,
        )
        write_generation(folder / f"g{number}", generation)
        write_history(folder / f"g{number}" / "history.csv", _history(skill, epochs))
        (folder / f"g{number}" / "weights.safetensors").write_bytes(model.encode())
        generations.append(generation)
        teacher = model
    write_lineage(folder, LineageSummary.of(fake.lineage, generations))


def _history(skill: float, epochs: int) -> list[EpochRecord]:
    generator = np.random.default_rng(int(1000 * skill))
    return [
        EpochRecord(
            epoch=epoch,
            lr=3e-4,
            train_loss=2.5 * float(np.exp(-3 * skill * epoch / epochs)) + generator.uniform(0, 0.1),
            train_ce=1.0,
            train_kd=0.5,
            val_loss=1.0,
            val_top1=skill * (1 - float(np.exp(-4 * (epoch + 1) / epochs)))
            + generator.uniform(-0.02, 0.02),
            val_top5=1.0,
            best=epoch == epochs - 2,
        )
        for epoch in range(epochs)
    ]


def write_fake_figures(folder: Path, results: Results, *, ceiling: float | None) -> None:
    """Empty figures under the names of the real ones, for tests of what is around them."""
    for name in FIGURES:
        (folder / f"{name}.png").write_bytes(b"")
        (folder / f"{name}.svg").write_text("<svg/>")
