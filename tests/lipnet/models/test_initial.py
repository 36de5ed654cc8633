"""Starting from another model's weights: what is taken, by name, shape and label."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from lipnet.errors import InputError
from lipnet.models.build import build_model
from lipnet.models.initial import Initial, load_initial
from lipnet.models.lipreader import Lipreader
from lipnet.models.weights import ModelCard, load_model, save_weights
from lipnet.spec import ModelSpec

SPEC = "resnet18_0.125x + tcn_0.25x"
LABELS = ["bark", "million", "park"]
PREPROCESSING: dict[str, object] = {"fps": 25, "size": 88, "mean": 0.421}


def build(spec: str, labels: list[str], seed: int) -> Lipreader:
    generator = torch.Generator().manual_seed(seed)
    return build_model(ModelSpec.parse(spec), len(labels), generator=generator)


def save(path: Path, spec: str = SPEC, labels: list[str] = LABELS, *, half: bool = False) -> Path:
    model = build(spec, labels, 1)
    save_weights(path, model, ModelCard(spec, labels, PREPROCESSING), half=half)
    return path


def layers(path: Path) -> dict[str, Tensor]:
    return load_model(path)[0].state_dict()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("initial") / "weights.safetensors")


@pytest.mark.parametrize(
    "labels",
    [["million", "cab"], ["park", "cab", "bark"], ["cab", "park", "million", "bark"]],
    ids=" ".join,
)
def test_the_rows_of_shared_labels_are_taken(path: Path, labels: list[str]) -> None:
    fresh, model = build(SPEC, labels, 2), build(SPEC, labels, 2)
    initial = load_initial(model, path, labels)
    assert initial == Initial((), tuple(label for label in labels if label not in LABELS))
    for name, stored in layers(path).items():
        taken = model.state_dict()[name]
        if not name.startswith("classifier."):
            assert torch.equal(taken, stored)
            continue
        for place, label in enumerate(labels):
            expected = (
                stored[LABELS.index(label)] if label in LABELS else fresh.state_dict()[name][place]
            )
            assert torch.equal(taken[place], expected)


def test_equal_labels_give_the_same_model(path: Path) -> None:
    model = build(SPEC, LABELS, 2)
    assert load_initial(model, path, LABELS) == Initial()
    assert all(torch.equal(model.state_dict()[name], own) for name, own in layers(path).items())


def test_of_other_labels_the_last_layer_is_left_as_it_was_made(path: Path) -> None:
    labels = ["cab", "dab"]
    fresh, model = build(SPEC, labels, 2), build(SPEC, labels, 2)
    initial = load_initial(model, path, labels)
    assert initial == Initial(("classifier.bias", "classifier.weight"))
    assert initial.describe() == "2 tensors (classifier.bias, classifier.weight)"
    assert torch.equal(model.classifier.weight, fresh.classifier.weight)


def test_a_file_in_half_precision_gives_rows_in_single(tmp_path: Path) -> None:
    model = build(SPEC, ["million", "cab"], 2)
    initial = load_initial(
        model, save(tmp_path / "half.safetensors", half=True), ["million", "cab"]
    )
    assert initial.describe() == "the last layer's rows for new labels (cab)"
    assert model.classifier.weight.dtype == torch.float32
    stored = layers(tmp_path / "half.safetensors")["classifier.weight"]
    assert torch.equal(model.classifier.weight[0], stored[1].float())


@pytest.mark.slow
def test_exits_of_other_words_do_not_take_each_other_s_rows(tmp_path: Path) -> None:
    spec = "resnet18_0.125x + tcn_0.25x + exits"
    path, labels = save(tmp_path / "exits.safetensors", spec), ["park", "cab", "bark"]
    fresh, model = build(spec, labels, 2), build(spec, labels, 2)
    assert load_initial(model, path, labels) == Initial((), ("cab",))
    names = [name for name in layers(path) if name.endswith("classifier.weight")]
    assert len(names) > 1
    for name in names:
        own, stored = model.state_dict()[name], layers(path)[name]
        assert torch.equal(own[[0, 2]], stored[[2, 0]])
        assert torch.equal(own[1], fresh.state_dict()[name][1])


def test_another_head_has_nothing_for_the_last_layer(tmp_path: Path, path: Path) -> None:
    model = build("resnet18_0.125x + tcn_0.5x", LABELS, 2)
    torch.nn.init.ones_(model.classifier.bias)
    initial = load_initial(model, path, ["park", "cab", "bark"])
    assert {"classifier.weight", "classifier.bias"} <= set(initial.tensors)
    assert initial.labels == ()
    assert bool((model.classifier.bias == 1).all())


def test_a_file_of_another_backbone_and_head_is_refused(path: Path) -> None:
    model = build("shufflenetv2_0.5x + mstcn_0.75x", LABELS, 2)
    with pytest.raises(InputError, match="another backbone and head"):
        load_initial(model, path, ["cab"])
