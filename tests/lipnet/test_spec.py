"""The spec grammar: canonical text, round trips, and errors that name the part and the fix."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipnet.errors import InputError
from lipnet.measure.paper import PAPER_ROWS
from lipnet.spec import (
    ACTIVATIONS,
    HEAD_BRANCHES,
    MAX_UNITS,
    OPTIONS,
    RECURRENT_HEADS,
    RESNETS,
    SHUFFLENET_WIDTHS,
    ModelSpec,
)

resnets = st.tuples(
    st.sampled_from(RESNETS), st.floats(0.125, 4.0) | st.sampled_from((0.25, 1.0, 2.0))
)
shufflenets = st.tuples(st.just("shufflenetv2"), st.sampled_from(SHUFFLENET_WIDTHS))
backbones = resnets | shufflenets | st.just(("densenet3d", 1.0))
temporal = st.tuples(st.sampled_from(sorted(HEAD_BRANCHES)), st.integers(1, 1365)).map(
    lambda head: (head[0], head[1] * HEAD_BRANCHES[head[0]])
)
recurrent = st.tuples(st.sampled_from(RECURRENT_HEADS), st.integers(1, MAX_UNITS))
heads = temporal | recurrent | st.just(("dctcn", 512))
options = st.tuples(
    st.sampled_from(((), *((activation,) for activation in ACTIVATIONS))),
    st.sampled_from(((), ("boundary",))),
).map(lambda chosen: chosen[0] + chosen[1])


@given(backbones, heads, options)
def test_text_and_spec_are_one_to_one(backbone, head, chosen):
    spec = ModelSpec(*backbone, *head, chosen)
    assert ModelSpec.parse(str(spec)) == spec
    assert str(ModelSpec.parse(str(spec))) == str(spec)


@given(backbones, heads, options, st.data())
def test_options_in_any_order_are_one_spec(backbone, head, chosen, data):
    spec = ModelSpec(*backbone, *head, chosen)
    shuffled = data.draw(st.permutations(chosen))
    plain = str(ModelSpec(*backbone, *head))
    assert ModelSpec.parse(" + ".join((plain, *shuffled))) == spec
    assert spec.boundary == ("boundary" in chosen)
    assert spec.activation == next((each for each in chosen if each != "boundary"), "relu")


@given(st.lists(st.sampled_from(OPTIONS), min_size=2, max_size=4))
def test_two_activations_or_an_option_twice_are_refused(chosen):
    text = " + ".join(("resnet18 + dctcn", *chosen))
    if len(set(chosen)) == len(chosen) and not set(ACTIVATIONS) <= set(chosen):
        assert set(ModelSpec.parse(text).options) == set(chosen)
        return
    with pytest.raises(InputError, match="given twice|at most one activation"):
        ModelSpec.parse(text)


@pytest.mark.parametrize("spec", sorted({row.spec for row in PAPER_ROWS}))
def test_the_papers_own_specs_are_canonical(spec):
    assert str(ModelSpec.parse(spec)) == spec


@pytest.mark.parametrize(
    ("loose", "canonical"),
    [
        ("resnet18_1.0x+mstcn_3x", "resnet18 + mstcn_3x"),
        ("resnet18_0.250x + mstcn_0.75x", "resnet18_0.25x + mstcn_0.75x"),
        (" shufflenetv2_2.0x  +  tcn_01x + prelu", "shufflenetv2_2x + tcn_1x + prelu"),
        ("resnet34+bgru_0512", "resnet34 + bgru_512"),
        ("densenet3d_1x + bgru_256", "densenet3d + bgru_256"),
        ("resnet18 + dctcn + boundary + swish", "resnet18 + dctcn + swish + boundary"),
    ],
)
def test_other_spellings_become_canonical(loose, canonical):
    assert str(ModelSpec.parse(loose)) == canonical


def test_a_recurrent_heads_number_is_its_units():
    assert ModelSpec.parse("resnet34 + blstm_256").head_width == 256


def test_head_number_is_hidden_width_over_256():
    assert ModelSpec.parse("resnet18_0.25x + mstcn_0.75x").head_width == 192
    assert ModelSpec.parse("resnet18 + mstcn_3x").head_width == 768


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not 'backbone + head"),
        ("resnet18", "not 'backbone + head"),
        ("resnet18 + ", "not 'backbone + head"),
        ("resnet19 + tcn_1x", "unknown backbone 'resnet19'; backbones resnet18"),
        ("resnet18_0.1x + tcn_1x", "width is 0.125 to 4"),
        ("shufflenetv2 + tcn_1x", "needs its width"),
        ("shufflenetv2_0.25x + tcn_1x", "0.5, 1, 1.5 and 2"),
        ("resnet18 + dstc_2x", "unknown head 'dstc_2x'"),
        ("resnet18 + tcn", "needs its width, as in 'tcn_3x'"),
        ("resnet18 + tcn_0x", "1 to 4096"),
        ("resnet18 + tcn_99999x", "1 to 4096"),
        ("resnet18 + tcn_0.3x", "not a whole number; try tcn_0.30078125x"),
        ("resnet18 + bgru_" + "9" * 5000, "unknown head"),
        ("resnet18 + mstcn_1x", "does not divide by its 3 branches; try mstcn_0.75x"),
        ("resnet18 + mstcn_3x + gelu", "unknown option 'gelu'"),
        ("resnet18 + mstcn_3x + prelu + swish", "at most one activation"),
        ("resnet18 + dctcn + boundary + boundary", "one is given twice"),
        ("resnet18 + dctcn_2x", "unknown head 'dctcn_2x'"),
        ("resnet18 + bgru", "head 'bgru' needs its units, as in 'bgru_512'"),
        ("resnet18 + bgru_0", "bgru_0: 1 to 2048 units"),
        ("resnet18 + blstm_4096", "blstm_4096: 1 to 2048 units"),
        ("resnet18 + bgru_2x", "unknown head 'bgru_2x'"),
        ("densenet3d_0.5x + dctcn", "densenet3d comes in one width"),
        ("resnet18 + mstcn_3x + boundaries", "unknown option 'boundaries'"),
    ],
)
def test_a_bad_spec_says_what_is_wrong(text, told):
    with pytest.raises(InputError) as error:
        ModelSpec.parse(text)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (("resnet50", 1.0, "dctcn", 512), "unknown backbone 'resnet50'"),
        (("resnet18", 1.0, "gru", 512), "unknown head 'gru'"),
        (("resnet18", 1.0, "dctcn", 256), "it comes in 512"),
        (("resnet18", 1.0, "dctcn", 512, ("boundary", "swish")), "the order is prelu, swish"),
        (("resnet18", float("nan"), "dctcn", 512), "width is 0.125 to 4"),
    ],
)
def test_parts_that_no_model_has_are_refused(parts, told):
    with pytest.raises(InputError, match=told):
        ModelSpec(*parts)


@given(
    st.text(alphabet="resnt18+mc_x.0 prlu", max_size=30)
    | st.lists(
        st.sampled_from(
            ("resnet18", "densenet3d", "dctcn", "bgru_", "blstm_", "tcn_", "x", "0", "5", ".", "7")
            + (" + ", "+", "prelu", "boundary", "٣", "-1")
        ),
        max_size=8,
    ).map("".join)
)
def test_any_text_parses_or_is_an_input_error(text):
    try:
        spec = ModelSpec.parse(text)
    except InputError:
        return
    assert ModelSpec.parse(str(spec)) == spec
