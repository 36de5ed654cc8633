"""Learning rates against the facts of the paper and its authors' code."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipnet.errors import InputError
from lipnet.recipe import SCHEDULES, Recipe
from lipnet.train.optim import learning_rate


def test_the_lagged_cosine_repeats_the_first_rate_and_ends_as_published() -> None:
    recipe = Recipe(schedule="cosine_lagged")
    assert learning_rate(recipe, 0) == learning_rate(recipe, 1) == 3e-4
    assert learning_rate(recipe, 79) / 3e-4 == pytest.approx(0.0015, abs=5e-5)


def test_the_plain_cosine_falls_from_the_second_epoch() -> None:
    recipe = Recipe(schedule="cosine")
    assert learning_rate(recipe, 0) == 3e-4
    assert learning_rate(recipe, 40) == pytest.approx(1.5e-4)


def test_the_exponential_falls_by_the_same_factor_at_every_step() -> None:
    recipe = Recipe(schedule="exponential", lr=1e-2, epochs=10)  # Chung and Zisserman, 2016
    rates = [
        learning_rate(recipe, epoch, progress=half / 2) for epoch in range(10) for half in (0, 1)
    ]
    assert rates[0] == 1e-2
    assert rates[10] == pytest.approx(1e-3)
    assert learning_rate(recipe, 9, progress=1.0) == pytest.approx(1e-4)
    factors = [after / before for before, after in pairwise(rates)]
    assert factors == pytest.approx([0.01 ** (1 / 20)] * 19)


@given(st.sampled_from(SCHEDULES), st.integers(1, 100), st.floats(0, 1), st.floats(0, 1))
def test_rates_stay_between_zero_and_the_recipes(
    schedule: str, epochs: int, where: float, progress: float
) -> None:
    recipe = Recipe(schedule=schedule, epochs=epochs)
    epoch = min(int(where * epochs), epochs - 1)
    assert 0 <= learning_rate(recipe, epoch, progress=progress) <= recipe.lr * (1 + 1e-12)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"optimiser": "adamz"}, "adamw"),
        ({"schedule": "step"}, "cosine"),
        ({"lr": 0.0}, "recipe.lr"),
        ({"input_size": 96}, "16..88"),
        ({"field": 48, "input_size": 64}, "16..48"),
        ({"field": 113}, "24..112"),
        ({"flip": 1.5}, "fraction"),
        ({"epochs": 0}, "epochs"),
        ({"batch": 1}, "batch"),
        ({"epochs": 3, "warmup_epochs": 3}, "warmup"),
    ],
)
def test_a_wrong_recipe_names_its_fault(changes: dict[str, object], named: str) -> None:
    with pytest.raises(InputError, match=named):
        Recipe(**changes)  # type: ignore[arg-type]
