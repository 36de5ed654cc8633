"""Weights files: equal bytes for equal models, and faults that are named."""

import json
import math
import re
import resource
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lipnet.errors import InputError
from lipnet.models.build import build_empty, build_model
from lipnet.models.initial import load_initial
from lipnet.models.weights import (
    HEADER_KEY,
    ModelCard,
    load_card,
    load_model,
    save_weights,
)
from lipnet.spec import ModelSpec

CARD = ModelCard(
    spec="shufflenetv2_0.5x + tcn_0.25x",
    labels=["bark", "million", "пароль"],
    preprocessing={"fps": 25, "size": 88, "mean": 0.421, "face": [[1.5, 2.0]]},
    origin={"lineage": "sn05-tcn1", "generation": "g0"},
)


@pytest.fixture(scope="module")
def model():
    spec = ModelSpec.parse(CARD.spec)
    return build_model(spec, 3, generator=torch.Generator().manual_seed(4)).eval()


@pytest.fixture
def saved(model, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(path, model, CARD)
    return path


def test_a_model_comes_back_with_its_card(model, saved):
    loaded, card = load_model(saved)
    assert card == CARD == load_card(saved)
    assert not loaded.training
    frames_BTHW, lengths_B = torch.randn(2, 3, 32, 32), torch.tensor([3, 2])
    assert torch.equal(loaded(frames_BTHW, lengths_B), model(frames_BTHW, lengths_B))


def test_an_export_or_a_folder_is_named_as_such(tmp_path):
    with pytest.raises(InputError, match=r"w\.onnx is an export: name the weights file"):
        load_card(tmp_path / "w.onnx")
    with pytest.raises(InputError, match="is a folder: name a weights file"):
        load_card(tmp_path)


def test_equal_models_give_equal_bytes(saved, tmp_path):
    loaded, card = load_model(saved)
    again = tmp_path / "again.safetensors"
    save_weights(again, loaded, card)
    assert again.read_bytes() == saved.read_bytes()


def test_labels_must_match_the_classes(model, tmp_path):
    card = ModelCard(CARD.spec, ["one"], {})
    with pytest.raises(InputError, match="1 labels for a model of 3 classes"):
        save_weights(tmp_path / "w.safetensors", model, card)
    assert not list(tmp_path.iterdir())


def test_missing_surplus_and_misshapen_tensors_are_named(saved):
    header = {HEADER_KEY: _read_header(saved)}
    tensors = load_file(saved)
    del tensors["classifier.bias"]
    tensors["spare"] = torch.zeros(1)
    tensors["frontend.norm.bias"] = torch.zeros(2)
    save_file(tensors, saved, header)
    message = r"missing: classifier.bias; surplus: spare; misshapen: frontend.norm.bias \(2,\)"
    with pytest.raises(InputError, match=message):
        load_model(saved)


def test_a_broken_file_is_named(saved, tmp_path):
    whole = saved.read_bytes()
    for content in (b"", b"garbage" * 9, whole[: len(whole) // 2], whole[:40]):
        broken = tmp_path / "broken.safetensors"
        broken.write_bytes(content)
        with pytest.raises(InputError, match=r"broken\.safetensors"):
            load_model(broken)
    with pytest.raises(InputError, match=r"absent\.safetensors"):
        load_model(tmp_path / "absent.safetensors")


@pytest.mark.parametrize("header", [None, "not json", "[]", '{"spec": "resnet18"}'])
def test_a_header_without_a_whole_card_is_named(saved, header):
    save_file(load_file(saved), saved, None if header is None else {HEADER_KEY: header})
    with pytest.raises(InputError, match=r"weights\.safetensors.*card"):
        load_model(saved)


def test_a_card_with_an_unknown_spec_is_named(saved):
    header = _read_header(saved).replace("tcn_0.25x", "none_2")
    save_file(load_file(saved), saved, {HEADER_KEY: header})
    with pytest.raises(InputError, match=r"weights\.safetensors: its card.*unknown head 'none_2'"):
        load_model(saved)


def _read_header(path):
    with safe_open(path, framework="pt") as opened:
        return opened.metadata()[HEADER_KEY]


SMALL = replace(CARD, spec="resnet18_0.125x + tcn_0.125x")
FLOATS = sorted(
    name
    for name, tensor in build_empty(ModelSpec.parse(SMALL.spec), 3, device="meta")
    .state_dict()
    .items()
    if tensor.is_floating_point()
)


@pytest.fixture(scope="module")
def small():
    return build_model(ModelSpec.parse(SMALL.spec), 3)


@pytest.mark.slow
@given(
    name=st.sampled_from(FLOATS),
    position=st.integers(min_value=0),
    value=st.sampled_from([math.nan, math.inf, -math.inf]),
)
@settings(max_examples=15)
def test_a_weight_that_is_not_finite_is_refused(small, tmp_path_factory, name, position, value):
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_weights(path, small, SMALL)
    tensors = load_file(path)
    flat = tensors[name].flatten()
    flat[position % len(flat)] = value
    save_file({**tensors, name: flat.reshape(tensors[name].shape)}, path, _card_of(path))
    path_and_name = rf"w\.safetensors is damaged.*: {re.escape(name)} has values"
    with pytest.raises(InputError, match=path_and_name):
        load_model(path)
    if not name.startswith("classifier."):  # of other labels: not taken
        with pytest.raises(InputError, match=path_and_name):
            load_initial(small, path, ["other", "labels", "here"])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("trunk.norm.running_var", lambda tensor: tensor - 2),
        ("frontend.norm.num_batches_tracked", lambda tensor: tensor - 5),
        ("frontend.norm.num_batches_tracked", lambda tensor: tensor.float()),
        ("classifier.bias", lambda tensor: tensor.long()),
        ("classifier.bias", lambda tensor: tensor.bool()),
    ],
)
def test_values_that_cannot_be_weights_are_refused(saved, name, change):
    tensors = load_file(saved)
    name = next(each for each in sorted(tensors) if each.endswith(name.rpartition(".")[2]))
    save_file({**tensors, name: change(tensors[name])}, saved, _card_of(saved))
    with pytest.raises(InputError, match=rf"weights\.safetensors is damaged.*{re.escape(name)}"):
        load_model(saved)


@given(
    st.sampled_from(["mean", "std", "field", "input_size", "eval_context"]),
    st.sampled_from([math.nan, math.inf, -3, 0.0, 10**400, "0.4", None, [], True, 1e-300, 7.5]),
)
@settings(max_examples=25)
def test_a_card_with_an_impossible_input_is_refused(small, tmp_path_factory, name, value):
    if (name, value) in (("mean", 0.0), ("mean", 1e-300)):
        return
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_weights(path, small, replace(SMALL, preprocessing={**CARD.preprocessing, name: value}))
    with pytest.raises(InputError, match=rf"w\.safetensors: its card cannot be built.*{name}"):
        load_model(path)


def test_a_card_that_asks_for_a_huge_model_costs_no_memory(saved):
    card = json.loads(_read_header(saved))
    huge = {**card, "spec": "resnet18_4x + mstcn_12x", "labels": [str(n) for n in range(99_000)]}
    save_file(load_file(saved), saved, {HEADER_KEY: json.dumps(huge)})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match="does not fit its spec"):
        load_model(saved)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


def _card_of(path):
    return {HEADER_KEY: _read_header(path)}


@pytest.mark.parametrize("label", ["=1+1", "@SUM(A1)", "bark\x1b[2J", "two\nlines", "a\u202eb"])
def test_a_label_that_a_terminal_or_spreadsheet_would_run_is_refused(tmp_path, model, label):
    card = replace(CARD, labels=["bark", label, "million"])
    save_weights(tmp_path / "weights.safetensors", model, card)
    with pytest.raises(InputError, match="label .* has control characters or starts with one of"):
        load_card(tmp_path / "weights.safetensors")
