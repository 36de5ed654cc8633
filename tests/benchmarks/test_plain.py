"""The plain models and ours are the same architecture: equal logits and gradients."""

import pytest
import torch
from torch import Tensor, nn

from benchmarks.plain import PlainLipreader
from lipnet.measure.paper import PAPER_ROWS, PaperRow
from lipnet.models.build import build_model
from lipnet.models.lipreader import Lipreader
from lipnet.spec import ModelSpec

SPECS = (
    "resnet18_0.25x + mstcn_0.75x + swish",
    "resnet34_0.125x + dsmstcn_0.375x + prelu",
    "shufflenetv2_0.5x + dstcn_0.5x + prelu",
    "shufflenetv2_0.5x + tcn_1x",
    "shufflenetv2_1x + dsmstcn_0.75x",
    "shufflenetv2_1.5x + tcn_0.25x",
    "shufflenetv2_2x + mstcn_0.375x",
)


def make_pair(text: str) -> tuple[PlainLipreader, Lipreader]:
    """Both models in float64 with the same weights, none of them at its initial value."""
    spec, generator = ModelSpec.parse(text), torch.Generator().manual_seed(1)
    ours = build_model(spec, 5, generator=generator).double()
    for name, tensor in ours.state_dict().items():
        noise = torch.rand(tensor.shape, generator=generator)
        if name.endswith(("bias", "running_mean")):
            tensor.copy_(noise - 0.5)
        elif name.endswith("running_var"):
            tensor.copy_(noise / 4 + 0.05)
    plain = PlainLipreader(spec, 5).double()
    plain.load_state_dict(ours.state_dict())
    return plain, ours


def make_clips(clips: int = 2, frames: int = 6, size: int = 36) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    frames_BTHW = torch.randn(clips, frames, size, size, generator=generator, dtype=torch.float64)
    return frames_BTHW, torch.full((clips,), frames)


@pytest.mark.parametrize("spec", SPECS)
@torch.inference_mode()
def test_logits_are_equal(spec: str) -> None:
    plain, ours = (model.eval() for model in make_pair(spec))
    expected_BK = plain(*make_clips())
    assert expected_BK.std() > 1e-3
    torch.testing.assert_close(ours(*make_clips()), expected_BK, rtol=1e-10, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("spec", SPECS)
def test_gradients_and_statistics_are_equal(spec: str) -> None:
    results: list[dict[str, Tensor]] = []
    for model in make_pair(spec):
        model.train()
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.eval()
        model(*make_clips()).square().sum().backward()
        grads = {f"{n}.grad": w.grad for n, w in model.named_parameters() if w.grad is not None}
        results.append({**dict(model.named_buffers()), **grads})
    plain, ours = results
    assert set(plain) == set(ours)
    assert sum(name.endswith(".grad") for name in plain) > 50
    for name, expected in plain.items():
        scale = float(expected.double().abs().max()) + 1e-3
        torch.testing.assert_close(ours[name], expected, rtol=1e-8, atol=1e-9 * scale, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("row", PAPER_ROWS, ids=lambda row: f"{row.spec}, {row.corpus}")
@torch.inference_mode()
def test_the_papers_models_are_equal_at_full_size(row: PaperRow) -> None:
    plain, ours = (model.eval() for model in make_pair(row.spec))
    batch = make_clips(clips=1, frames=29, size=row.size)
    torch.testing.assert_close(ours(*batch), plain(*batch), rtol=1e-9, atol=1e-9)
