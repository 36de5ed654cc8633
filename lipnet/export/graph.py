"""The graphs of a model: torch modules of one clip or of a stream that torch.export can trace."""
# T frames  N windows  S planes of a window  H W pixels  C channels  K classes

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim

from lipnet.errors import InputError
from lipnet.export.neighbours import use_whole_clips
from lipnet.export.recurrent import WholeClipHead
from lipnet.models.convlstm import ConvLstmHead
from lipnet.models.densenet3d import DenseNet3D
from lipnet.models.fold import fold_batchnorm
from lipnet.models.frontend import FRAMES_SEEN, FrontEnd
from lipnet.models.lipreader import Head, Lipreader
from lipnet.models.motion import compute_planes
from lipnet.models.packing import ValidFrames
from lipnet.models.recurrent import LastOutputHead, RecurrentHead

EXAMPLE_FRAMES = 29  # of the traced clip; any other number of frames runs as well
MAX_FRAMES = 2**20


@dataclass(frozen=True)
class Graph:
    """A module with the inputs that it is traced with; `dynamic` names each one's free axis."""

    name: str
    module: nn.Module
    inputs: Mapping[str, Tensor]
    dynamic: Mapping[str, int]
    output: str

    @property
    def dynamic_shapes(self) -> tuple[dict[int, Any], ...]:
        """As torch.export takes them: one number of steps for all inputs."""
        steps = Dim("steps", min=1, max=MAX_FRAMES)
        return tuple({self.dynamic[name]: steps} for name in self.inputs)


class ClipGraph(nn.Module):
    """Normalised frames [1, T, H, W] (and word [1, T]) -> logits [1, K]."""

    def __init__(self, folded: Lipreader) -> None:
        super().__init__()
        self.frame = FrameGraph(folded)
        self.head = HeadGraph(folded)

    def forward(self, frames_1THW: Tensor, word_1T: Tensor | None = None) -> Tensor:
        """Every frame counts: clips of different lengths are separate calls."""
        planes = compute_planes(frames_1THW) if self.frame.frontend.motion else (frames_1THW,)
        windows = [stack_windows(plane_1THW[0]) for plane_1THW in planes]
        features_TC = self.frame(torch.cat(windows, 1) if len(windows) > 1 else windows[0])
        out_1K: Tensor = self.head(features_TC, None if word_1T is None else word_1T[0])
        return out_1K


class FrameGraph(nn.Module):
    """Windows [N, S, H, W], each a frame with two neighbours on either side -> features [N, C]."""

    def __init__(self, folded: Lipreader) -> None:
        super().__init__()
        assert isinstance(folded.frontend, FrontEnd)
        self.frontend = folded.frontend
        self.trunk = folded.trunk
        use_whole_clips(self)

    def forward(self, windows_NSHW: Tensor) -> Tensor:
        """Neighbours beyond the clip's first and last frame are zeros."""
        features_NC: Tensor = self.trunk(
            self.frontend.see(windows_NSHW), _one_clip(windows_NSHW.shape[0])
        )
        return features_NC


class HeadGraph(nn.Module):
    """Features of a clip's frames [T, C] (and word [T]) -> logits [1, K]."""

    def __init__(self, folded: Lipreader) -> None:
        super().__init__()
        head = folded.head
        if isinstance(head, RecurrentHead | LastOutputHead):
            self.head: Head = WholeClipHead(head)
        else:
            self.head = head
        self.classifier = folded.classifier

    def forward(self, features_TC: Tensor, word_T: Tensor | None = None) -> Tensor:
        """The mean over all T frames, then the linear layer."""
        if word_T is not None:
            features_TC = torch.cat((features_TC, word_T.unsqueeze(1)), 1)
        out_TC = self.head(features_TC, _one_clip(features_TC.shape[0]))
        out_1K: Tensor = self.classifier(out_TC.mean(0, keepdim=True))
        return out_1K


def _one_clip(frames: int) -> ValidFrames:
    lengths_1 = torch.full((1,), frames)
    return ValidFrames(1, frames, lengths_1, None, lengths_1)


def stack_windows(frames_THW: Tensor) -> Tensor:
    """Each frame with its neighbours [T, 5, H, W], zeros beyond the clip."""
    margin, steps = FRAMES_SEEN // 2, frames_THW.shape[0]
    padded_THW = F.pad(frames_THW, (0, 0, 0, 0, margin, margin))
    return torch.stack([padded_THW[i : i + steps] for i in range(FRAMES_SEEN)], 1)


def check_expressible(model: Lipreader, *, stream: bool) -> None:
    """InputError if no graph of any number of frames gives what the model gives."""
    if not isinstance(model.frontend, FrontEnd):
        raise InputError(
            "a network with an input of its own (alexnet, ji3d, or one that takes a clip at once) "
            "cannot be exported: graphs start with the front end; take another backbone"
        )
    if isinstance(model.head, ConvLstmHead):
        raise InputError(
            "a convlstm head cannot be exported: ONNX has no such operator, so its graph would be "
            "of one number of frames; take a model with another head"
        )
    if stream and isinstance(model.trunk, DenseNet3D):
        raise InputError(
            "densenet3d cannot be exported with --stream: its features depend on the frames around "
            "a window; leave out --stream"
        )
    if stream and model.frontend.motion:
        raise InputError(
            "a spec with 'motion' cannot be exported with --stream: a window's flow depends on the "
            "frame after it; leave out --stream"
        )


def make_clip_graphs(model: Lipreader, size: int) -> list[Graph]:
    """One graph, from the frames of a whole clip of `size` x `size` pixels to logits."""
    check_expressible(model, stream=False)
    inputs = {"frames": torch.zeros(1, EXAMPLE_FRAMES, size, size)}
    if model.boundary:
        inputs["word"] = torch.ones(1, EXAMPLE_FRAMES)
    module = ClipGraph(fold_batchnorm(model))
    return [Graph("clip", module, inputs, dict.fromkeys(inputs, 1), "logits")]


def make_stream_graphs(model: Lipreader, size: int) -> list[Graph]:
    """Two graphs: `frame`, from windows of five frames to features, and `head`, from the features
    of a clip's frames to logits. A stream computes each frame's features once."""
    check_expressible(model, stream=True)
    folded = fold_batchnorm(model)
    windows = {"windows": torch.zeros(EXAMPLE_FRAMES, FRAMES_SEEN, size, size)}
    inputs = {"features": torch.zeros(EXAMPLE_FRAMES, model.trunk.features)}
    if model.boundary:
        inputs["word"] = torch.ones(EXAMPLE_FRAMES)
    return [
        Graph("frame", FrameGraph(folded), windows, {"windows": 0}, "features"),
        Graph("head", HeadGraph(folded), inputs, dict.fromkeys(inputs, 0), "logits"),
    ]
