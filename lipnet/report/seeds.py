"""What another seed changes: lineages that differ in the seed alone, taken together."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipnet.files import digest_of
from lipnet.lineage.generation import lineage_of
from lipnet.measure.accuracy import Estimate, pooled_difference
from lipnet.report.comparisons import best_of
from lipnet.report.recipes import without_seed, without_teacher
from lipnet.report.results import Entry, Results
from lipnet.report.rows import FamilyRow, SeedPairRow

# N clips  M seeds


@dataclass(frozen=True, eq=False)
class Family:
    """Repetitions of one model, by seed: each lineage's model from scratch, or its distilled one
    that is best on validation."""

    name: str
    kind: str
    spec: str
    members: Mapping[int, Entry]

    def correct(self, split: str, seeds: Sequence[int]) -> NDArray[np.bool_]:
        """For each seed and clip whether the model is right: [M, N]."""
        return np.stack([self.members[seed].outcomes[split].correct_N for seed in seeds])

    def teachers(self, seeds: Sequence[int]) -> int:
        """How many models these members were distilled from: all seeds may have one teacher."""
        return len({self.members[seed].teacher for seed in seeds})


@dataclass(frozen=True)
class Pooled:
    """Distilled less scratch of one spec over the seeds that both have: the paired difference of
    their mean accuracies with its interval over seeds and units together, each seed's own
    difference, how many trained teachers the distilled models had, and these models."""

    first: str
    second: str
    spec: str
    difference: Estimate
    by_seed: Mapping[int, float]
    teachers: int
    models: tuple[str, ...]


def find_families(results: Results) -> list[Family]:
    """The families with at least two seeds, in the order of the leaderboard."""
    by_lineage: defaultdict[str, list[Entry]] = defaultdict(list)
    for model in results.models:
        by_lineage[model.lineage].append(model)
    groups: defaultdict[tuple[str, str], dict[int, Entry]] = defaultdict(dict)
    for lineage, models in by_lineage.items():
        for kind, model in _representatives(models):
            groups[_group_of(lineage, by_lineage), kind].setdefault(model.seed, model)
    return [_family_of(kind, members) for (_, kind), members in groups.items() if len(members) > 1]


def _family_of(kind: str, members: Mapping[int, Entry]) -> Family:
    """The family of these members, named after the lineage of its lowest seed."""
    first = members[min(members)]
    return Family(first.lineage, kind, first.spec, dict(sorted(members.items())))


def _representatives(models: list[Entry]) -> Iterator[tuple[str, Entry]]:
    """A lineage's model from scratch, and the best of its distilled ones."""
    scratch = [model for model in models if model.training == "scratch"]
    distilled = [model for model in models if model.training != "scratch"]
    if scratch:
        yield "scratch", scratch[0]
    if distilled:
        best = best_of(distilled)
        yield best.training, best


def _group_of(lineage: str, by_lineage: Mapping[str, list[Entry]]) -> str:
    """Equal for lineages that differ in the seed alone, including their teachers'."""
    models = by_lineage[lineage]
    first, last = models[0], models[-1]
    recipes = [without_seed(first.recipe), without_seed(last.recipe)]
    teacher = first.teacher
    above: list[str] = []
    if teacher:
        source = lineage_of(teacher)
        above = [_group_of(source, by_lineage) if source in by_lineage else source]
        above.append("all" if teacher.endswith("-all") else "best")
    own = [first.spec, first.training, first.start, list(first.widths)]
    return digest_of([own, recipes, above])


def pool_pairs(families: Sequence[Family], split: str = "test") -> list[Pooled]:
    """Each distilled family against the scratch family of its spec and recipe, the teacher
    apart."""
    scratch = {_task_of(family): family for family in families if family.kind == "scratch"}
    pairs = []
    for distilled in families:
        first = scratch.get(_task_of(distilled))
        if distilled.kind != "distilled" or first is None:
            continue
        seeds = sorted(set(first.members) & set(distilled.members))
        if len(seeds) > 1:
            pairs.append(_pool(first, distilled, seeds, split))
    return pairs


def _task_of(family: Family) -> str:
    """Equal for families that differ in the teacher alone."""
    members = family.members.values()
    starts = sorted({str(member.start) for member in members})
    return digest_of([family.spec, starts, without_teacher(next(iter(members)).recipe)])


def _pool(first: Family, second: Family, seeds: Sequence[int], split: str) -> Pooled:
    units_N = first.members[seeds[0]].outcomes[split].units_N
    first_MN, second_MN = (family.correct(split, seeds) for family in (first, second))
    difference = pooled_difference(first_MN, second_MN, units_N)
    by_seed = {
        seed: _top1(second.members[seed], split) - _top1(first.members[seed], split)
        for seed in seeds
    }
    teachers = second.teachers(seeds)
    models = tuple(second.members[seed].name for seed in seeds)
    return Pooled(first.name, second.name, first.spec, difference, by_seed, teachers, models)


def _top1(model: Entry, split: str) -> float:
    return model.outcomes[split].top1.value


def family_rows(families: Sequence[Family], split: str = "test") -> Iterator[FamilyRow]:
    """One row per family: the mean over its seeds, and how far the seeds are apart."""
    for family in families:
        first = next(iter(family.members.values()))
        is_tuned = family.kind == "scratch" and first.start is not None
        values = [_top1(model, split) for model in family.members.values()]
        yield FamilyRow(
            family=family.name,
            kind="fine-tuned" if is_tuned else family.kind,
            spec=family.spec,
            split=split,
            seeds=tuple(family.members),
            mean_top1=float(np.mean(values)),
            deviation=float(np.std(values, ddof=1)),
            lowest=min(values),
            highest=max(values),
        )


def pooled_rows(pairs: Sequence[Pooled]) -> Iterator[SeedPairRow]:
    """One row per pair of families."""
    for pair in pairs:
        found = pair.difference
        yield SeedPairRow(
            first=pair.first,
            second=pair.second,
            spec=pair.spec,
            seeds=tuple(pair.by_seed),
            difference=found.value,
            low=found.low,
            high=found.high,
            by_seed=tuple(pair.by_seed.values()),
            clips=found.clips,
            units=found.units,
            teachers=pair.teachers,
            models=pair.models,
        )
