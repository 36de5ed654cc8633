"""Weights files: equal bytes for equal models, and faults that are named."""

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lipnet.errors import InputError
from lipnet.models.build import build_model
from lipnet.models.weights import HEADER_KEY, ModelCard, load_card, load_model, save_weights
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
    header = _read_header(saved).replace("tcn_0.25x", "lstm_2")
    save_file(load_file(saved), saved, {HEADER_KEY: header})
    with pytest.raises(InputError, match=r"weights\.safetensors: its card.*unknown head 'lstm_2'"):
        load_model(saved)


def _read_header(path):
    with safe_open(path, framework="pt") as opened:
        return opened.metadata()[HEADER_KEY]
