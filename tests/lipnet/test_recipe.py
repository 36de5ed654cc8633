"""Recipes: values that no training can use, and what a model's card keeps of them."""

import pytest

from lipnet.errors import InputError
from lipnet.recipe import Recipe


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("cut_share", 1.5, "recipe.cut_share must be a fraction in 0..1, not 1.5"),
        ("flip", -0.1, "recipe.flip must be a fraction in 0..1, not -0.1"),
        ("min_context", -1, "recipe.min_context must not be negative, not -1"),
        ("eval_context", -2, r"recipe.eval_context must be -1 \(the whole clip\) or more, not -2"),
    ],
)
def test_wrong_values_are_named(field: str, value: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
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
