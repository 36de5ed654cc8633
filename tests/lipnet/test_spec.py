"""The spec grammar: canonical text, round trips, and errors that name the part and the fix."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipnet.errors import InputError
from lipnet.measure.paper import PAPER_ROWS
from lipnet.report.spec_names import name_spec
from lipnet.sizes import HiddenWidth, Width
from lipnet.spec import (
    ACTIVATIONS,
    BACKBONES,
    CLIP_NETS,
    CUTS,
    HEADS,
    OPTIONS,
    OWN_FRONT_ENDS,
    ModelSpec,
    Part,
    describe_known,
)
from tests.lipnet.specs import named_sizes

# Those that every option fits.
backbones = named_sizes({name: BACKBONES[name] for name in set(BACKBONES) - set(OWN_FRONT_ENDS)})
heads = named_sizes({name: HEADS[name] for name in set(HEADS) - {"convlstm"}})
options = st.tuples(
    st.sampled_from(((), *((activation,) for activation in ACTIVATIONS))),
    st.sampled_from(((), ("boundary",), ("motion",), ("boundary", "motion"))),
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
    assert spec.activation == next((each for each in chosen if each in ACTIVATIONS), "relu")
    assert spec.motion == ("motion" in chosen)


@given(st.lists(st.sampled_from(OPTIONS), min_size=2, max_size=4))
def test_two_of_a_kind_or_an_option_twice_are_refused(chosen):
    text = " + ".join(("msdnet + dctcn", *chosen))
    ends = {"exits", *CUTS} & set(chosen)
    apart = len(ends) < 2 and not (ends and "boundary" in chosen)
    if len(set(chosen)) == len(chosen) and not set(ACTIVATIONS) <= set(chosen) and apart:
        assert set(ModelSpec.parse(text).options) == set(chosen)
        return
    with pytest.raises(InputError, match="given twice|at most one activation|one of them"):
        ModelSpec.parse(text)


@given(backbones, heads)
def test_a_spec_is_its_two_rows_names(backbone, head):
    """The canonical text has each name once, as the row's key, and its size after it."""
    first, second = str(ModelSpec(*backbone, *head)).split(" + ")
    assert first == backbone[0] or first.startswith(f"{backbone[0]}_")
    assert second == head[0] or second.startswith(f"{head[0]}_")


@pytest.mark.parametrize("name", [*BACKBONES, *HEADS, *CLIP_NETS])
def test_messages_list_every_row(name):
    assert name in describe_known()


def test_a_new_row_is_all_that_the_text_of_a_new_part_needs(monkeypatch):
    monkeypatch.setitem(BACKBONES, "resnet18_wide", Part("Wide ResNet", Width(1.0, 9.0)))
    monkeypatch.setitem(HEADS, "quadtcn", Part("Quad-TCN", HiddenWidth(branches=4)))
    spec = ModelSpec.parse("resnet18_wide_2x + quadtcn_0.75x + swish")
    assert spec == ModelSpec("resnet18_wide", 2.0, "quadtcn", 192, ("swish",))
    assert str(spec) == "resnet18_wide_2x + quadtcn_0.75x + swish"
    assert str(ModelSpec.parse("resnet18_2x + quadtcn_1x")) == "resnet18_2x + quadtcn_1x"
    assert name_spec(str(spec)) == "Wide ResNet 2×\nQuad-TCN 0.75× + swish"
    with pytest.raises(InputError, match=r"backbones .*resnet18_wide.*; heads .*quadtcn_<n>x"):
        ModelSpec.parse("resnet19 + quadtcn_1x")


def test_specs_are_read_without_torch():
    code = "import lipnet.spec, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


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
    ("text", "message"),
    [
        ("", "not 'backbone + head"),
        ("resnet18", "not 'backbone + head"),
        ("resnet18 + ", "not 'backbone + head"),
        ("resnet19 + tcn_1x", "unknown backbone 'resnet19'; backbones resnet"),
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
        ("resnet18 + lstm", "head 'lstm' needs its units, as in 'lstm_512'"),
        ("resnet18 + mean_1x", "unknown head 'mean_1x'"),
        ("densenet3d_0.5x + dctcn", "densenet3d comes in one width"),
        ("resnet18 + mstcn_3x + boundaries", "unknown option 'boundaries'"),
    ],
)
def test_a_bad_spec_is_an_error_that_names_the_fault(text, message):
    with pytest.raises(InputError) as error:
        ModelSpec.parse(text)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (("resnet50", 1.0, "dctcn", 512), "unknown backbone 'resnet50'"),
        (("resnet18", 1.0, "qrnn", 512), "unknown head 'qrnn'"),
        (("resnet18", 1.0, "dctcn", 256), "it comes in 512"),
        (("resnet18", 1.0, "mean", 256), "it has none of its own; use 0"),
        (("resnet18", 1.0, "dctcn", 512, ("boundary", "swish")), "the order is prelu, swish"),
        (("resnet18", float("nan"), "dctcn", 512), "width is 0.125 to 4"),
    ],
)
def test_parts_that_no_model_has_are_refused(parts, message):
    with pytest.raises(InputError, match=message):
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
