"""densenet3d as a graph of one clip: its layers compute the same, in a graph of any length."""

import pytest
import torch
from torch import nn

from lipnet.export.graph import Graph
from lipnet.export.neighbours import WholeClipConv, use_whole_clips
from lipnet.export.onnx_file import trace
from lipnet.inference.onnx_reader import open_session, run_graph
from lipnet.models.densenet3d import NeighbourConv


class TwoLayers(nn.Module):
    """Two layers, as of a dense block."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([NeighbourConv(2, 3), NeighbourConv(3, 2)])

    def forward(self, x_TCHW: torch.Tensor) -> torch.Tensor:
        first_T = torch.zeros(x_TCHW.shape[0], dtype=torch.bool)
        for layer in self.layers:
            x_TCHW = layer(x_TCHW, first_T)
        return x_TCHW


@pytest.mark.slow
def test_a_clip_of_any_length_gives_the_same() -> None:
    torch.manual_seed(1)
    model = TwoLayers()
    clips = [torch.randn(frames, 2, 5, 4) for frames in (1, 2, 7)]
    with torch.no_grad():
        expected = [model(clip) for clip in clips]
        use_whole_clips(model)
        assert all(isinstance(layer, WholeClipConv) for layer in model.layers)
        for clip, own in zip(clips, expected, strict=True):
            torch.testing.assert_close(model(clip), own)
    graph = Graph("clip", model, {"frames": torch.zeros(4, 2, 5, 4)}, {"frames": 0}, "out")
    session = open_session(trace(graph))
    for clip, own in zip(clips, expected, strict=True):
        found = run_graph(session, {"frames": clip.numpy()})
        assert found == pytest.approx(own.numpy(), abs=1e-6)
