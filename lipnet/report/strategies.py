"""Ways to distil one student: from which teachers, through which intermediates (section 5.2)."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from lipnet.lineage.generation import lineage_of
from lipnet.measure.accuracy import Estimate, paired_difference
from lipnet.report.comparisons import best_of, scratch_twin, trained_alike
from lipnet.report.recipes import find_differing, format_setting
from lipnet.report.results import Entry, Results
from lipnet.report.rows import StrategyRow
from lipnet.spec import ModelSpec


def strategy_rows(results: Results) -> Iterator[StrategyRow]:
    """One row per distilled lineage of a spec and seed that was distilled in several ways.

    `chosen` is the best of them on validation; the difference is to its twin from scratch on the
    same test clips, if one has its recipe.
    """
    for (spec, seed), candidates in _find_candidates(results).items():
        best = best_of(candidates)
        differing = find_differing([model.recipe for model in candidates])
        for model in candidates:
            scratch = scratch_twin(results.models, model)
            if scratch and not trained_alike(scratch, model):
                scratch = None
            gain = _gain_over(scratch, model) if scratch else None
            yield StrategyRow(
                spec=spec,
                seed=seed,
                model=model.name,
                chain=tuple(_chain(model, results)),
                shares=_shared(model, results),
                recipe=", ".join(
                    f"{name} {format_setting(model.recipe.get(name))}" for name in differing
                ),
                chosen=model is best,
                val_top1=model.outcomes["val"].top1.value,
                test_top1=model.outcomes["test"].top1.value,
                scratch=scratch.name if scratch else "",
                difference=gain.value if gain else None,
                low=gain.low if gain else None,
                high=gain.high if gain else None,
            )


def _gain_over(scratch: Entry, model: Entry) -> Estimate:
    first, second = scratch.outcomes["test"], model.outcomes["test"]
    return paired_difference(first.correct_N, second.correct_N, second.units_N)


def _find_candidates(results: Results) -> Mapping[tuple[str, int], list[Entry]]:
    """The best model of each distilled lineage on validation, by spec and seed with several."""
    lineages: defaultdict[str, list[Entry]] = defaultdict(list)
    for model in results.models:
        if model.training == "distilled":
            lineages[model.lineage].append(model)
    found: defaultdict[tuple[str, int], list[Entry]] = defaultdict(list)
    for models in lineages.values():
        best = best_of(models)
        found[best.spec, best.seed].append(best)
    return {place: models for place, models in found.items() if len(models) > 1}


def _chain(model: Entry, results: Results) -> list[str]:
    """The teachers behind a model, the first one first, without its own lineage's generations."""
    chain: list[str] = []
    teacher = _first_teacher(model.lineage, results)
    while teacher:
        chain.append(teacher)
        teacher = _first_teacher(lineage_of(teacher), results)
    return chain[::-1]


def _first_teacher(lineage: str, results: Results) -> str:
    """The teacher of a lineage's first model; "" if that was trained from scratch."""
    first = next((model for model in results.models if model.lineage == lineage), None)
    return first.teacher if first else ""


def _shared(model: Entry, results: Results) -> str:
    """What a student's architecture has in common with its first teacher's."""
    lineage = lineage_of(_first_teacher(model.lineage, results))
    specs = [other.spec for other in results.models if other.lineage == lineage]
    if not specs:
        return "unknown"
    own, teacher = ModelSpec.parse(model.spec), ModelSpec.parse(specs[0])
    parts = {
        "backbone": (own.backbone, own.width) == (teacher.backbone, teacher.width),
        "head": own.head != "" and (own.head, own.head_width) == (teacher.head, teacher.head_width),
    }
    return " and ".join(name for name, same in parts.items() if same) or "nothing"
