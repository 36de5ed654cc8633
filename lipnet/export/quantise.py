"""Static int8 quantisation of traced graphs: QDQ, weights per channel, calibrated on clips."""
# T frames  H W pixels  C channels

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lipnet.data.augment import central_view
from lipnet.data.loader import ClipStore
from lipnet.export.onnx_file import quiet
from lipnet.inference.onnx_reader import inputs_of, open_session, run_graph
from lipnet.recipe import Recipe
from lipnet.seed import generator_of

MAX_CLIPS = 120  # for calibration
Inputs = dict[str, NDArray[np.float32]]


def quantise_graphs(graphs: Sequence[bytes], clips: Sequence[Inputs]) -> list[bytes]:
    """A clip graph, or the two of a stream, in int8; `clips` are inputs as from `choose_clips`.

    Each graph is calibrated on what the float32 graph before it gives: the extremes (MinMax).
    """
    if len(graphs) == 1:
        return [_quantise(graphs[0], clips)]
    session = open_session(graphs[0])
    windows = [{"windows": clip["windows"]} for clip in clips]
    heads = [
        {"features": run_graph(session, window), **{k: clip[k] for k in clip.keys() & {"word"}}}
        for window, clip in zip(windows, clips, strict=True)
    ]
    return [_quantise(graphs[0], windows), _quantise(graphs[1], heads)]


def choose_clips(
    clips: ClipStore, recipe: Recipe, *, stream: bool, boundary: bool
) -> Iterator[Inputs]:
    """Up to MAX_CLIPS clips of a training split, drawn at random, as inputs of the first graph
    (and of the head: the word's frames)."""
    generator = generator_of("calibration")
    chosen_N = torch.randperm(len(clips), generator=generator)[:MAX_CLIPS].sort().values
    for batch in clips.batches(torch.split(chosen_N, 1)):
        view = central_view(batch, recipe)
        word_T = view.word_BT[0].float().numpy() if boundary else None
        yield inputs_of(stream, view.frames_BTHW[0].numpy(), word_T)


class _Feed:
    """Calibration inputs one by one, in onnxruntime's interface."""

    def __init__(self, inputs: Iterable[Inputs]) -> None:
        self._left = iter(inputs)

    def get_next(self) -> Inputs | None:
        """The next input, None after the last."""
        return next(self._left, None)


def _quantise(graph: bytes, inputs: Sequence[Inputs]) -> bytes:
    from onnx import ModelProto
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    with tempfile.TemporaryDirectory() as folder, quiet():
        out = Path(folder) / "int8.onnx"
        quantize_static(
            ModelProto.FromString(graph),
            str(out),
            _Feed(inputs),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            # Unsigned activations and signed weights: what x86 multiplies in one instruction.
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        return out.read_bytes()
