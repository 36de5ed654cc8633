"""Recipes: values that no training can use, and what a model's card keeps of them."""

import math
import re
from contextlib import nullcontext
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipnet.data.stream import split_batch
from lipnet.errors import InputError
from lipnet.recipe import OFF, RANGES, SCHEDULES, WARMING, PixelValue, Recipe
from lipnet.train.optim import learning_rate


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("cut_share", 1.5, r"recipe.cut_share must be in 0..1 \(a fraction\), not 1.5"),
        ("min_context", -1, "recipe.min_context must be in 0..100000, not -1"),
        ("eval_context", -2, r"must be in -1..100000 \(-1 is the whole clip\), not -2"),
        ("std", 1e-30, "recipe.std must be in 0.01..1"),
        ("std", 1e30, "recipe.std must be in 0.01..1"),
        ("lr", 0.0, "recipe.lr must be a finite number above 0, not 0.0"),
        ("jitter", -1.0, r"recipe.jitter must be in 0..16 \(pixels of the stored crop\)"),
        ("jitter_scale", 0.6, r"recipe.jitter_scale must be in 0..0.5 \(a fraction\)"),
        ("crop_area", 0.0, r"recipe.crop_area must be in 0.1..1 \(a fraction; 1 is off\)"),
        ("brightness", 1.0, r"recipe.brightness must be in 0..0.9 \(a fraction\)"),
        ("time_mask", -1, r"recipe.time_mask must be in 0..100000 \(frames\)"),
        ("distillation", "kd", "unknown recipe.distillation 'kd'; known: kl, dkd, dist"),
        ("cutout", 1.5, r"recipe.cutout must be in 0..1 \(a fraction of the input's side\)"),
        ("last_rate", 0.0, r"recipe.last_rate must be in 1e-06..1 \(a fraction of recipe.lr\)"),
        ("warmup_epochs", 80, r"recipe.warmup_epochs must be below 80 \(epochs\)"),
    ],
)
def test_wrong_values_are_named(field: str, value: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Recipe(**{field: value})  # type: ignore[arg-type]


def test_standardised_logits_are_refused_with_a_loss_of_correlations() -> None:
    with pytest.raises(InputError, match=r"recipe\.standardise has no use with .* dist"):
        Recipe(standardise=True, distillation="dist")


@pytest.mark.parametrize(
    ("batch", "micro_batch", "named"),
    [(2, 0, "batch 2"), (32, 2, "micro_batch 2"), (5, 3, "micro_batch 3")],
)
def test_a_correlation_over_two_clips_is_refused(batch: int, micro_batch: int, named: str) -> None:
    with pytest.raises(InputError, match=rf"recipe\.{named} makes parts of 2 clips"):
        Recipe(batch=batch, micro_batch=micro_batch, distillation="dist")
    assert Recipe(batch=batch, micro_batch=micro_batch)


@given(st.integers(3, 40), st.integers(2, 40))
def test_a_correlation_is_refused_by_the_smallest_part(batch: int, micro_batch: int) -> None:
    micro_batch = min(batch, micro_batch)
    fits = min(len(part) for part in split_batch(batch, micro_batch)) > 2
    with nullcontext() if fits else pytest.raises(InputError):
        Recipe(batch=batch, micro_batch=micro_batch, distillation="dist")


@given(st.sampled_from(SCHEDULES), st.integers(1, 5))
def test_a_warm_up_lowers_the_first_rate_or_is_refused(schedule: str, epochs: int) -> None:
    if schedule not in WARMING:
        with pytest.raises(InputError, match=rf"warmup_epochs .* recipe\.schedule {schedule}"):
            Recipe(schedule=schedule, warmup_epochs=epochs)
        return
    plain, warming = Recipe(schedule=schedule), Recipe(schedule=schedule, warmup_epochs=epochs)
    assert learning_rate(warming, 0) < learning_rate(plain, 0)


FLOATS = sorted(own.name for own in fields(Recipe) if own.type in (float, "float", PixelValue))


@given(st.sampled_from(FLOATS), st.sampled_from([math.nan, math.inf, -math.inf]))
def test_every_number_is_finite(field: str, value: float) -> None:
    with pytest.raises(InputError, match=rf"recipe\.{field} must be .*, not {value}"):
        Recipe(**{field: value})  # type: ignore[arg-type]


@given(st.sampled_from(sorted(RANGES)), st.floats(min_value=1e-9, max_value=1e300))
def test_values_outside_of_the_range_are_named(field: str, distance: float) -> None:
    low, high, _ = RANGES[field]
    for value in (low - distance, high + distance):
        if low <= value <= high:  # the distance is lost in rounding
            continue
        with pytest.raises(InputError, match=rf"recipe\.{field} must be in"):
            Recipe(**{field: value})  # type: ignore[arg-type]


def test_a_card_without_evaluation_context_means_whole_clips() -> None:
    recipe = Recipe(input_size=32, eval_context=3)
    assert Recipe.for_input(recipe.input_facts).eval_context == -1
    facts = {**recipe.input_facts, "eval_context": recipe.eval_context}
    assert Recipe.for_input(facts).eval_context == 3


def test_evaluation_context_does_not_change_the_stream() -> None:
    assert Recipe(eval_context=3).view_facts == Recipe().view_facts
    assert Recipe(min_context=2).view_facts != Recipe().view_facts
    assert Recipe(cut_share=0.5).view_facts != Recipe().view_facts
    assert Recipe(cutout=0.375).view_facts != Recipe().view_facts
    assert Recipe(jitter_scale=0.04).view_facts != Recipe().view_facts
    assert Recipe(time_mask=15).view_facts != Recipe().view_facts
    assert Recipe(crop_area=0.6).view_facts != Recipe().view_facts
    assert Recipe(brightness=0.4).view_facts != Recipe().view_facts
    assert Recipe(distillation="dkd", standardise=True).view_facts == Recipe().view_facts
    assert Recipe(schedule="exponential", last_rate=0.1).view_facts == Recipe().view_facts


# What every digest of a training has. A later field must not be in it while it is off.
DIGESTED = {
    *("optimiser", "lr", "weight_decay", "batch", "micro_batch", "epochs", "schedule"),
    *("warmup_epochs", "field", "input_size", "flip", "mixup", "variable_length", "cut_share"),
    *("min_context", "eval_context", "mean", "std", "alpha", "temperature", "ema", "seed"),
    "stream",
}


def test_digests_of_earlier_trainings_stay_the_same() -> None:
    assert Recipe().training_facts.keys() == DIGESTED, "give its value when off in OFF of recipe.py"


def test_fields_that_a_training_does_not_use_are_in_no_digest() -> None:
    plain = Recipe()
    unused = {*OFF, "dkd_beta", "last_rate"}
    assert not unused & plain.training_facts.keys()
    assert Recipe(jitter=2.0).training_facts == {**plain.training_facts, "jitter": 2.0}
    assert Recipe(last_rate=0.5).training_facts == plain.training_facts
    assert Recipe(cutout=0.375).training_facts == {**plain.training_facts, "cutout": 0.375}
    facts = Recipe(distillation="dkd").training_facts
    assert facts == {**plain.training_facts, "distillation": "dkd", "dkd_beta": 8.0}
    facts = Recipe(schedule="exponential").training_facts
    assert facts == {**plain.training_facts, "schedule": "exponential", "last_rate": 0.01}


@given(mean=st.floats(0, 1), std=st.floats(0.01, 1))
def test_auto_is_replaced_by_what_was_measured_and_nothing_else_is(mean: float, std: float) -> None:
    assert Recipe(lr=1e-2).resolve(mean=mean, std=std) == Recipe(lr=1e-2)
    measured = Recipe(lr=1e-2, mean="auto").resolve(mean=mean, std=std)
    assert measured == Recipe(lr=1e-2, mean=mean)
    both = Recipe(mean="auto", std="auto").resolve(mean=mean, std=std)
    assert (both.normalisation, both.measured) == ((mean, std), ())
    assert both.advise_normalisation(mean, std) == ""


def test_auto_is_refused_where_nothing_is_measured_or_the_crops_are_flat() -> None:
    with pytest.raises(InputError, match="auto"):
        _ = Recipe(std="auto").normalisation
    with pytest.raises(InputError, match=r"recipe\.std is auto, but .* a deviation of 0\.002"):
        Recipe(std="auto").resolve(mean=0.1, std=0.002)


@settings(max_examples=30)
@given(mean=st.floats(0, 1), std=st.floats(0.01, 0.5))
def test_the_advised_mean_and_deviation_need_no_advice(mean: float, std: float) -> None:
    advice = Recipe().advise_normalisation(mean, std)
    near = abs(mean - 0.421) <= 0.5 * 0.165 and 0.5 <= std / 0.165 <= 2
    assert bool(advice) != near
    if advice:
        found = re.search(r'SET="recipe.mean=([0-9.]+) recipe.std=([0-9.]+)"', advice)
        assert found is not None
        recipe = Recipe(mean=float(found[1]), std=float(found[2]))
        assert recipe.advise_normalisation(mean, std) == ""
