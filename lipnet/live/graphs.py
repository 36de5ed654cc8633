"""StreamGraphs: a model in two parts, from five frames to features, and from features to logits."""
# T frames  N windows  H W pixels  C channels  K classes

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from lipnet.errors import InputError
from lipnet.export.graph import FrameGraph, HeadGraph
from lipnet.inference.clip_model import ONNX
from lipnet.inference.onnx_reader import Session, load_onnx, run_graph
from lipnet.models.fold import fold_batchnorm
from lipnet.models.lipreader import Lipreader
from lipnet.models.weights import ModelCard, load_model
from lipnet.spec import ModelSpec


class StreamGraphs(Protocol):
    """Features of frames, which are computed once, and logits of any number of features."""

    def features(self, windows_N5HW: Tensor) -> Tensor:
        """Windows of five normalised frames [N, 5, H, W] -> features of the middle ones [N, C]."""
        ...

    def logits(self, features_TC: Tensor) -> Tensor:
        """The features of a clip's frames [T, C] -> logits [K]."""
        ...


class TorchGraphs:
    """The two parts of a Lipreader, with its BatchNorms folded, on the CPU."""

    def __init__(self, model: Lipreader) -> None:
        folded = fold_batchnorm(model)
        self._frame, self._head = FrameGraph(folded).eval(), HeadGraph(folded).eval()

    @torch.inference_mode()
    def features(self, windows_N5HW: Tensor) -> Tensor:
        features_NC: Tensor = self._frame(windows_N5HW)
        return features_NC

    @torch.inference_mode()
    def logits(self, features_TC: Tensor) -> Tensor:
        logits_1K: Tensor = self._head(features_TC)
        return logits_1K[0]


@dataclass(frozen=True)
class OnnxGraphs:
    """The two graphs of `lipnet export --stream`, in ONNX Runtime on the CPU."""

    sessions: Sequence[Session]

    def features(self, windows_N5HW: Tensor) -> Tensor:
        return torch.from_numpy(run_graph(self.sessions[0], {"windows": windows_N5HW.numpy()}))

    def logits(self, features_TC: Tensor) -> Tensor:
        return torch.from_numpy(run_graph(self.sessions[1], {"features": features_TC.numpy()}))[0]


def check_stream(card: ModelCard, path: Path) -> None:
    """InputError for a model that cannot read a stream: one that needs to know the word's frames,
    or computes its features from all frames of a clip."""
    spec = ModelSpec.parse(card.spec)
    if not spec.has_frame_features:
        raise InputError(
            f"{path} ({card.spec}) cannot read a stream: its features are not those of a frame "
            "and two neighbours on either side; use a spec without motion, densenet3d and "
            "backbones with an input of their own"
        )
    if spec.boundary:
        raise InputError(
            f"{path} ({card.spec}) needs the frames of the word, which are not known in a stream: "
            "use a model without boundary"
        )


def load_graphs(path: Path) -> tuple[StreamGraphs, ModelCard]:
    """The graphs of a weights file, or of either .onnx of an export with --stream, and the card.

    InputError for a model that cannot read a stream, or an .onnx of whole clips.
    """
    if path.suffix == ONNX:
        reader, card, facts = load_onnx(path, threads=torch.get_num_threads())
        if facts.graph == "clip":
            raise InputError(
                f"{path} is the graph of a whole clip: export the model with --stream, or use its "
                "weights file"
            )
        check_stream(card, path)
        return OnnxGraphs(reader.sessions), card
    model, card = load_model(path)
    check_stream(card, path)
    return TorchGraphs(model), card
