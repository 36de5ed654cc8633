"""The window of a stream: its logits are those of the same frames as a clip."""

import pytest
import torch
from torch import Tensor

from lipnet.live.graphs import StreamGraphs, TorchGraphs
from lipnet.live.window import StreamWindow
from lipnet.models.build import build_model
from lipnet.models.fold import fold_batchnorm
from lipnet.models.lipreader import Lipreader
from lipnet.models.packing import find_valid_frames
from lipnet.spec import ModelSpec

CLOSE = {"rtol": 1e-4, "atol": 1e-4}
SPECS = ("shufflenetv2_0.5x + dstcn_0.25x", "resnet18_0.125x + bgru_8")


@pytest.fixture(scope="module", params=SPECS)
def model(request: pytest.FixtureRequest) -> Lipreader:
    generator = torch.Generator().manual_seed(1)
    built = build_model(ModelSpec.parse(request.param), 5, generator=generator).eval()
    for name, tensor in built.state_dict().items():
        if name.endswith("running_mean"):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) - 0.5)
    return built


class Counting:
    """Counts the frames whose features are computed."""

    def __init__(self, graphs: StreamGraphs) -> None:
        self._graphs = graphs
        self.computed = 0

    def features(self, windows_N5HW: Tensor) -> Tensor:
        self.computed += len(windows_N5HW)
        return self._graphs.features(windows_N5HW)

    def logits(self, features_TC: Tensor) -> Tensor:
        return self._graphs.logits(features_TC)


def make_frames(count: int) -> Tensor:
    return torch.randn(count, 16, 16, generator=torch.Generator().manual_seed(2))


@torch.inference_mode()
@pytest.mark.parametrize("size", [5, 9])
def test_with_exact_edges_a_window_is_read_as_a_clip(model: Lipreader, size: int) -> None:
    frames_THW = make_frames(13)
    graphs = Counting(TorchGraphs(model))
    window = StreamWindow(graphs, size)
    for newest, image_HW in enumerate(frames_THW):
        window.push(image_HW)
        assert window.is_full == (newest + 1 >= size)
        if window.is_full:
            clip_1THW = frames_THW[newest + 1 - size : newest + 1][None]
            expected_1K = model(clip_1THW, torch.tensor([size]))
            torch.testing.assert_close(window.logits(), expected_1K[0], **CLOSE)
    assert graphs.computed == 11 + 4 * (13 - size + 1)


@torch.inference_mode()
def test_cached_features_are_those_of_the_whole_clip(model: Lipreader) -> None:
    frames_THW, size = make_frames(12), 6
    folded = fold_batchnorm(model)
    valid = find_valid_frames(torch.tensor([12]), steps=12, device=torch.device("cpu"))
    whole_TC = folded.trunk(folded.frontend(frames_THW[None], valid), valid)
    graphs = Counting(TorchGraphs(model))
    window = StreamWindow(graphs, size, exact_edges=False)
    for newest, image_HW in enumerate(frames_THW):
        window.push(image_HW)
        assert window.is_full == (newest >= size - 1 + window.lag)
        if window.is_full:
            last = newest + 1 - window.lag
            expected_K = graphs.logits(whole_TC[last - size : last])
            torch.testing.assert_close(window.logits(), expected_K, **CLOSE)
    assert graphs.computed == 10


@torch.inference_mode()
def test_after_a_reset_nothing_of_the_frames_before_is_left(model: Lipreader) -> None:
    frames_THW = make_frames(9)
    window, fresh = (StreamWindow(TorchGraphs(model), 5) for _ in range(2))
    for image_HW in frames_THW[:4]:
        window.push(image_HW)
    window.reset()
    for image_HW in frames_THW[4:]:
        window.push(image_HW)
        fresh.push(image_HW)
    torch.testing.assert_close(window.logits(), fresh.logits())
