"""Slimmable networks: each width is an ordinary model that shares the widest one's weights."""
# B batch  K classes  E outputs per clip

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lipnet.errors import InputError
from lipnet.models.build import build_empty, build_model
from lipnet.models.slimmable import Slimmable, take_width
from lipnet.models.weights import WIDTHS, ModelCard, load_card, load_model, save_tensors
from lipnet.spec import ModelSpec, check_widths
from lipnet.train.compile import try_compile

SPEC = ModelSpec.parse("resnet18_0.25x + tcn_0.0625x + prelu")
SHARES = (1.0, 0.75, 0.5)
LABELS = ["a", "b", "c"]


def make(spec: ModelSpec = SPEC, widths: tuple[float, ...] = SHARES) -> Slimmable:
    torch.manual_seed(1)
    return Slimmable(build_model(spec, len(LABELS)), spec, widths)


def make_batch() -> tuple[Tensor, Tensor]:
    frames_BTHW = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    return frames_BTHW, torch.tensor([3, 2])


def without_dropout(model: torch.nn.Module) -> torch.nn.Module:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout | torch.nn.Dropout1d):
            module.p = 0.0
    return model


def write(path: Path, model: Slimmable) -> Path:
    card = ModelCard(str(SPEC), LABELS, {}, {WIDTHS: list(model.widths), "rejection": REJECTION})
    save_tensors(path, model.file_tensors(), card)
    return path


REJECTION = {"below": 0.5, "kept_right": 1.0, "kept_wrong": 0.5, "clips": 9}


@pytest.mark.parametrize("text", [str(SPEC), "mobilenetv1_0.25x + dstcn_0.0625x"])
def test_a_width_computes_and_learns_as_an_ordinary_model_with_its_weights(text: str) -> None:
    """In training mode: logits, running statistics, and the gradients of the shared weights."""
    spec = ModelSpec.parse(text)
    model = without_dropout(make(spec)).train()
    assert isinstance(model, Slimmable)
    before, batch = copy.deepcopy(model.file_tensors()), make_batch()
    outputs_EBK = model(*batch)
    for number, width in enumerate(SHARES):
        twin = build_empty(spec.at_width(width), len(LABELS))
        twin.load_state_dict(take_width(before, spec, len(LABELS), widths=SHARES, width=width))
        logits_BK = without_dropout(twin).train()(*batch)
        torch.testing.assert_close(outputs_EBK[number], logits_BK, rtol=1e-5, atol=1e-5)
        after = take_width(model.file_tensors(), spec, len(LABELS), widths=SHARES, width=width)
        for name, buffer in twin.named_buffers():
            torch.testing.assert_close(after[name], buffer, rtol=1e-4, atol=1e-5)
        gradients = torch.autograd.grad(
            outputs_EBK[number].sum(), model.full.classifier.weight, retain_graph=True
        )[0]
        own = torch.autograd.grad(logits_BK.sum(), twin.classifier.weight)[0]
        shared = gradients[:, : own.shape[1]]
        torch.testing.assert_close(shared, own, rtol=1e-4, atol=1e-5)
        assert not gradients[:, own.shape[1] :].any()


def test_it_evaluates_as_its_widest_model() -> None:
    model, batch = make().eval(), make_batch()
    assert torch.equal(model(*batch), model.full(*batch))


def test_the_published_size_and_what_it_adds() -> None:
    """Four widths of ResNet-18 + TCN 1x: 0.16 % more weights than the widest alone."""
    spec = ModelSpec.parse("resnet18 + tcn_1x")
    shares = (1, 0.75, 0.5, 0.25)
    model = Slimmable(build_empty(spec, 500, device="meta"), spec, shares)
    apart = sum(
        weight.numel()
        for own in check_widths(spec, shares)
        for weight in build_empty(own, 500, device="meta").parameters()
    )
    assert sum(weight.numel() for weight in model.parameters()) == 13_238_772
    assert apart == 24_885_040


@pytest.mark.slow
def test_one_file_gives_an_ordinary_model_of_each_width(tmp_path: Path) -> None:
    model, batch = make(), make_batch()
    model.train()(*batch)  # so that every width has statistics of its own
    path = write(tmp_path / "w.safetensors", model)
    again = write(tmp_path / "again.safetensors", model)
    assert path.read_bytes() == again.read_bytes()
    for width in SHARES:
        loaded, card = load_model(path, width=width)
        assert card.spec == str(SPEC.at_width(width))
        assert card.widths == (1,)
        assert (card.rejection is not None) == (width == 1)
        expected = take_width(model.file_tensors(), SPEC, 3, widths=SHARES, width=width)
        assert all(torch.equal(own, expected[name]) for name, own in loaded.state_dict().items())
    assert torch.equal(load_model(path)[0](*batch), model.full.eval()(*batch))
    assert load_card(path).widths == SHARES
    with pytest.raises(InputError, match=r"w\.safetensors: width 0\.3: this file has the widths 1"):
        load_model(path, width=0.3)


@pytest.mark.parametrize(
    ("widths", "reason"),
    [
        ([0.5, 1], "of which one is 1"),
        ([1, 0.5, 0.5], "different shares above 0"),
        ([1, -0.5], "different shares above 0"),
        ([1, 0.4], "its width is|channels"),
        (["1", "0.5"], "wrong widths"),
        ([1, 0.75], "surplus: narrow.1"),
    ],
)
def test_a_file_of_other_widths_than_its_tensors_is_refused(
    tmp_path: Path, widths: list[object], reason: str
) -> None:
    card = ModelCard(str(SPEC), LABELS, {}, {WIDTHS: widths})
    save_tensors(tmp_path / "w.safetensors", make().file_tensors(), card)
    with pytest.raises(InputError, match=reason):
        load_model(tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    ("text", "widths", "reason"),
    [
        ("shufflenetv2_1x + tcn_1x", [1, 0.5], "share the weights of the backbones resnet18"),
        ("resnet18 + mstcn_3x", [1, 0.5], "with the heads tcn, dstcn, mean"),
        ("resnet18 + tcn_1x + boundary", [1, 0.5], "without 'boundary'"),
        ("resnet18 + tcn_1x", [1], "2 to 4 shares"),
        ("resnet18 + tcn_1x", [1, 0.8, 0.6, 0.4, 0.2], "2 to 4 shares"),
        ("resnet18_0.25x + tcn_1x", [1, 0.25], "its width is 0.125 to 4"),
        ("resnet18 + tcn_1x", [1, 0.3], "a head of 76.8 channels"),
        ("vggm_ef", [1, 0.5], "share the weights"),
    ],
)
def test_widths_that_a_spec_cannot_have_are_refused(
    text: str, widths: list[float], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        check_widths(ModelSpec.parse(text), widths)


def test_it_is_trained_without_compiling() -> None:
    trial = try_compile(make(), None, clock=lambda: 0.0)  # type: ignore[arg-type]
    assert not trial.is_useful
    assert "several widths" in str(trial)
