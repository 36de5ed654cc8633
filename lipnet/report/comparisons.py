"""Which models are compared, on the same test clips: what may be called better."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from lipnet.how import How
from lipnet.measure.accuracy import Estimate, paired_difference
from lipnet.report.recipes import RECIPES_DIFFER, without_teacher
from lipnet.report.results import SLIMMABLE, Entry, Results
from lipnet.train.history import beats


@dataclass(frozen=True)
class Comparison:
    """The second's accuracy less the first's on one split, with its paired 95 % interval."""

    question: str
    first: str
    second: str
    spec: str
    split: str
    difference: Estimate

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes zero."""
        return self.difference.low > 0 or self.difference.high < 0


def compare_all(results: Results, *, split: str = "test") -> list[Comparison]:
    """Distilled, and trained at several widths, against scratch of the same spec, and ensembles
    against their best member.

    Each lineage is represented by its distilled generation that is best on validation, against
    its twin from scratch: nothing is chosen on the split that is compared.
    """
    pairs = [*_twins(results.models), *_widths(results), *_ensembles(results)]
    return [
        _compare(question, first, second, split)
        for question, first, second in pairs
        if split in first.outcomes and split in second.outcomes
    ]


def scratch_twin(models: Iterable[Entry], entry: Entry) -> Entry | None:
    """The model from scratch of the entry's spec, recipe (the teacher apart), start and seed, or of
    others if there is none; the best of several on validation."""
    twins = [model for model in models if model.spec == entry.spec and model.training == "scratch"]
    twins = [model for model in twins if trained_alike(model, entry)] or twins
    twins = [model for model in twins if model.seed == entry.seed] or twins
    return best_of(twins) if twins else None


def trained_alike(one: Entry, other: Entry) -> bool:
    """Whether two trainings started from the same weights, or both at random, and their recipes
    differ in the seed and the use of a teacher at most."""
    same_start = one.start == other.start
    return same_start and without_teacher(one.recipe) == without_teacher(other.recipe)


def best_of(models: list[Entry]) -> Entry:
    """The highest on validation; of equals the one with the lower loss, else the first."""
    best = models[0]
    for model in models[1:]:
        if beats(_val(model), _val(best)):
            best = model
    return best


def _val(model: Entry) -> tuple[float, float]:
    return model.outcomes["val"].top1.value, model.val_loss


def _twins(models: list[Entry]) -> list[tuple[str, Entry, Entry]]:
    pairs = []
    for lineage in dict.fromkeys(model.lineage for model in models):
        distilled = [
            model for model in models if model.lineage == lineage and model.training != "scratch"
        ]
        own = [model for model in models if model.lineage == lineage and model not in distilled]
        if not distilled:
            continue
        best = best_of(distilled)
        scratch = own[0] if own else scratch_twin(models, best)
        if scratch is not None:
            question = "born-again over scratch" if own else _question(best)
            if not trained_alike(scratch, best):
                question += RECIPES_DIFFER
            pairs.append((question, scratch, best))
    return pairs


def _question(model: Entry) -> str:
    """What sets a distilled model, or a network of several widths, apart from its twin."""
    if model.training != SLIMMABLE:
        return "distilled over scratch"
    taught = "distilled, at several widths, over scratch"
    return taught if model.teacher else "one of several widths over scratch"


def _widths(results: Results) -> Iterator[tuple[str, Entry, Entry]]:
    """Each narrower width of a network of several against the model from scratch of its spec."""
    for entry in results.compressed:
        how = How.parse(entry.packing.how) if entry.packing else None
        if not how or how.width == 1 or how.coding is not None:
            continue
        network = results.entry(entry.teacher)
        trained = replace(entry, start=network.start)
        twin = scratch_twin(results.models, trained)
        if twin:
            differ = "" if trained_alike(twin, trained) else RECIPES_DIFFER
            yield f"{_question(network)}{differ}", twin, entry


def _ensembles(results: Results) -> list[tuple[str, Entry, Entry]]:
    return [
        ("ensemble over its best member", best_of([results.entry(m) for m in own.members]), own)
        for own in results.ensembles
    ]


def _compare(question: str, first: Entry, second: Entry, split: str) -> Comparison:
    one, other = first.outcomes[split], second.outcomes[split]
    difference = paired_difference(one.correct_N, other.correct_N, one.units_N)
    return Comparison(question, first.name, second.name, second.spec, split, difference)
