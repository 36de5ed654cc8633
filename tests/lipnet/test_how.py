"""How a compression is written: what parses, what is refused and why."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipnet.errors import InputError
from lipnet.export.graph import check_expressible
from lipnet.how import How
from lipnet.models.build import build_empty
from lipnet.spec import CLIP_NETS, HEADS, OWN_FRONT_ENDS, ModelSpec
from tests.lipnet.specs import SUFFIXES, backbone_for, is_spec, narrow_spec

SHARES = st.integers(1, 99).map(lambda percent: f"{percent / 100:g}")
VALUES = st.one_of(st.integers(2, 8).map("int{}".format), st.integers(2, 6).map("cluster{}".format))
PRUNE = SHARES.map("prune_{}".format)
SINGLE = st.one_of(
    VALUES, PRUNE, SHARES.map("lowrank_{}".format), st.sampled_from(["half", "binary"])
)


@given(st.one_of(SINGLE, st.tuples(PRUNE, VALUES).map(" + ".join)))
def test_the_canonical_text_parses_back(text: str) -> None:
    assert str(How.parse(text)) == text


def test_prune_comes_first_in_any_order() -> None:
    how = How.parse("cluster4+prune_0.50")
    assert str(how) == "prune_0.5 + cluster4"
    assert (how.pruned, str(how.values)) == (0.5, "cluster4")


def test_a_width_comes_first_and_may_be_all() -> None:
    how = How.parse("int4 + prune_0.5 + width_0.25")
    assert (str(how), how.width, how.pruned) == ("width_0.25 + prune_0.5 + int4", 0.25, 0.5)
    assert str(how.coding) == "prune_0.5 + int4"
    assert (How.parse("width_0.5").coding, How.parse("int4").width) == (None, 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "",
            "unknown step ''; known: width_<share>, exit<1..6>, half, int<2..8>, cluster<2..6>",
        ),
        ("zip", "unknown step 'zip'"),
        ("int", "'int' is written int<2..8>"),
        ("int9", "int has 2 to 8 bits"),
        ("cluster7", "cluster has 2 to 6 bits"),
        ("half2", "'half2' is written half"),
        ("prune_1.0", "above 0 and below 1"),
        ("lowrank4", "'lowrank4' is written lowrank_<share>"),
        ("w8a8 + prune_0.5", "zeros in 8 bits as well"),
        ("w8a8 + int4", "a weight is stored in one way"),
        ("w8a84", "'w8a84' is written w8a8"),
        ("int4 + int4", "given twice"),
        ("int4 + cluster4", "a weight is stored in one way"),
        ("prune_0.5 + binary", "a binary weight is never zero"),
        ("lowrank_0.5 + prune_0.5", "no zeros to leave out"),
        ("width_0.5 + width_0.25", "given twice"),
        ("width_0.5 + exit1", "several widths or exits, not both"),
        ("width_0.5 + int4 + half", "a weight is stored in one way"),
        ("prune_0.5 + int4 + half", "at most width or exit, prune_<share> and one other step"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        How.parse(text)
    assert reason in str(caught.value)


@pytest.mark.slow
def test_what_a_spec_can_become_is_known_without_its_model() -> None:
    texts = [
        *(narrow_spec(backbone, "mean") for backbone in OWN_FRONT_ENDS),
        *(narrow_spec(backbone_for(head, "resnet18"), head) for head in HEADS),
        *(next(filter(is_spec, (net + size for size in SUFFIXES))) for net in CLIP_NETS),
    ]
    for text in texts:
        spec = ModelSpec.parse(text)
        model = build_empty(spec, 3, device="meta")
        expressible = is_allowed(partial(check_expressible, stream=False), model)
        assert is_allowed(How.parse("w8a8").check_spec, spec) == expressible, text
        has_head = any(True for _ in model.head.parameters())
        assert is_allowed(How.parse("prune_0.5").check_spec, spec) == has_head, text


def is_allowed(check: Callable[[Any], object], value: object) -> bool:
    try:
        check(value)
    except InputError:
        return False
    return True
