"""Motion planes: the flow of known shifts, and each clip's own frames alone."""

import pytest
import torch
from torch import Tensor

from lipnet.models.motion import PLANES, RIDGE, WINDOW, compute_planes
from tests.lipnet.models.test_lipreader import make_batch, make_clip, make_model

SPEC = "resnet18_0.125x + tcn_0.125x + motion"


def make_texture(x_HW: Tensor, y_HW: Tensor) -> Tensor:
    """A smooth image with gradients in all directions."""
    return torch.sin(0.35 * x_HW) * torch.cos(0.3 * y_HW) + 0.5 * torch.sin(0.2 * (x_HW + y_HW))


@pytest.mark.parametrize("shift", [(-0.40, 0.25), (0.0, 0.0), (0.3, 0.3)])
def test_flow_is_the_shift_of_a_moving_image(shift: tuple[float, float]) -> None:
    y_HW, x_HW = torch.meshgrid(*[torch.arange(48.0, dtype=torch.float64)] * 2, indexing="ij")
    frames = [make_texture(x_HW - t * shift[0], y_HW - t * shift[1]) for t in range(3)]
    *_, u_BTHW, v_BTHW = compute_planes(torch.stack(frames)[None])
    for flow_BTHW, wanted in zip((u_BTHW, v_BTHW), shift, strict=True):
        inner = flow_BTHW[0, :2, 4:-4, 4:-4]
        assert inner.median().item() == pytest.approx(wanted, abs=0.02)
        assert (inner - wanted).abs().mean() < 0.05
        assert not flow_BTHW[0, 2].any()  # no frame follows


def test_planes_are_the_equations_pixel_by_pixel() -> None:
    torch.manual_seed(0)
    frames_BTHW = torch.randn(1, 2, 7, 6, dtype=torch.float64)
    grey, dx, dy, u, v = (plane[0] for plane in compute_planes(frames_BTHW))
    assert torch.equal(grey, frames_BTHW[0])
    row, column, margin = 3, 2, WINDOW // 2
    assert dx[0, row, column] == (grey[0, row, column + 1] - grey[0, row, column - 1]) / 2
    assert dy[0, 0, column] == (grey[0, 1, column] - grey[0, 0, column]) / 2
    rows = slice(row - margin, row + margin + 1)
    columns = slice(column - margin, column + margin + 1)
    x, y = ((own[0] + own[1])[rows, columns].flatten() / 2 for own in (dx, dy))
    change = (grey[1] - grey[0])[rows, columns].flatten()
    slopes = torch.stack((x, y), 1)
    squares = slopes.t() @ slopes / WINDOW**2 + RIDGE * torch.eye(2, dtype=torch.float64)
    wanted = torch.linalg.solve(squares, -slopes.t() @ change / WINDOW**2)
    torch.testing.assert_close(torch.stack((u, v))[:, 0, row, column], wanted)


@torch.inference_mode()
def test_logits_are_the_same_alone_padded_and_in_any_batch() -> None:
    model, clip = make_model(SPEC), make_clip(4)
    alone_K = model(*make_batch([clip], 4))[0]
    padded_K = model(*make_batch([clip], 6, filler=float("nan")))[0]
    batched_K = model(*make_batch([make_clip(5), clip, make_clip(1)], 7))[1]
    for other_K in (padded_K, batched_K):
        torch.testing.assert_close(other_K, alone_K, rtol=0, atol=1e-10)


def test_training_sees_what_inference_sees_and_gradients_are_finite() -> None:
    model = make_model(SPEC)
    assert model.frontend.conv.weight.shape[1] == PLANES
    batch = make_batch([make_clip(3), make_clip(5)], 5)
    expected_BK = model(*batch)
    model.frontend.training = True  # all clips at once, with the same statistics
    model.frontend.norm.eval()
    found_BK = model(*batch)
    torch.testing.assert_close(found_BK, expected_BK, rtol=0, atol=1e-10)
    found_BK.sum().backward()
    gradient = model.frontend.conv.weight.grad
    assert gradient.isfinite().all()
    assert gradient.flatten(2).any(2).all()  # every plane has one
