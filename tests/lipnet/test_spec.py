"""The spec grammar: canonical text, round trips, and errors that name the part and the fix."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipnet.errors import InputError
from lipnet.measure.paper import PAPER_ROWS
from lipnet.spec import HEAD_BRANCHES, RESNETS, SHUFFLENET_WIDTHS, ModelSpec

resnets = st.tuples(
    st.sampled_from(RESNETS), st.floats(0.125, 4.0) | st.sampled_from((0.25, 1.0, 2.0))
)
shufflenets = st.tuples(st.just("shufflenetv2"), st.sampled_from(SHUFFLENET_WIDTHS))
heads = st.tuples(st.sampled_from(sorted(HEAD_BRANCHES)), st.integers(1, 1365)).map(
    lambda head: (head[0], head[1] * HEAD_BRANCHES[head[0]])
)
options = st.sampled_from(((), ("prelu",), ("swish",)))


@given(resnets | shufflenets, heads, options)
def test_text_and_spec_are_one_to_one(backbone, head, chosen):
    spec = ModelSpec(*backbone, *head, chosen)
    assert ModelSpec.parse(str(spec)) == spec
    assert str(ModelSpec.parse(str(spec))) == str(spec)


@pytest.mark.parametrize("spec", sorted({row.spec for row in PAPER_ROWS}))
def test_the_papers_own_specs_are_canonical(spec):
    assert str(ModelSpec.parse(spec)) == spec


@pytest.mark.parametrize(
    ("loose", "canonical"),
    [
        ("resnet18_1.0x+mstcn_3x", "resnet18 + mstcn_3x"),
        ("resnet18_0.250x + mstcn_0.75x", "resnet18_0.25x + mstcn_0.75x"),
        (" shufflenetv2_2.0x  +  tcn_01x + prelu", "shufflenetv2_2x + tcn_1x + prelu"),
    ],
)
def test_other_spellings_become_canonical(loose, canonical):
    assert str(ModelSpec.parse(loose)) == canonical


def test_head_number_is_hidden_width_over_256():
    assert ModelSpec.parse("resnet18_0.25x + mstcn_0.75x").head_width == 192
    assert ModelSpec.parse("resnet18 + mstcn_3x").head_width == 768


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not 'backbone + head"),
        ("resnet18", "not 'backbone + head"),
        ("resnet18 + ", "not 'backbone + head"),
        ("resnet19 + tcn_1x", "unknown backbone 'resnet19'; built: resnet18"),
        ("resnet18_0.1x + tcn_1x", "width is 0.125 to 4"),
        ("shufflenetv2 + tcn_1x", "needs its width"),
        ("shufflenetv2_0.25x + tcn_1x", "0.5, 1, 1.5 and 2"),
        ("resnet18 + dstc_2x", "unknown head 'dstc_2x'"),
        ("resnet18 + tcn", "needs its width, as in 'tcn_3x'"),
        ("resnet18 + tcn_0x", "1 to 4096"),
        ("resnet18 + tcn_99999x", "1 to 4096"),
        ("resnet18 + tcn_0.3x", "not a whole number; try tcn_0.30078125x"),
        ("resnet18 + mstcn_1x", "does not divide by its 3 branches; try mstcn_0.99609375x"),
        ("resnet18 + mstcn_3x + gelu", "unknown option 'gelu'"),
        ("resnet18 + mstcn_3x + prelu + swish", "at most one activation"),
        ("resnet18 + dctcn", "head 'dctcn' is known but not built yet; built:"),
        ("resnet34 + bgru_512", "head 'bgru_512' is known but not built yet"),
        ("densenet3d + bgru_256", "backbone 'densenet3d' is known but not built yet"),
        ("resnet18 + mstcn_3x + boundary", "option 'boundary' is known but not built yet"),
    ],
)
def test_a_bad_spec_says_what_is_wrong(text, told):
    with pytest.raises(InputError) as error:
        ModelSpec.parse(text)
    assert told in str(error.value)


@given(st.text(alphabet="resnt18+mc_x.0 prlu", max_size=30))
def test_any_text_parses_or_is_an_input_error(text):
    try:
        spec = ModelSpec.parse(text)
    except InputError:
        return
    assert ModelSpec.parse(str(spec)) == spec
