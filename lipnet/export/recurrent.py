"""Recurrent heads over one whole clip, as operators of ONNX that take any number of frames."""
# T frames  C channels  U units

import torch
from torch import Tensor, nn

from lipnet.models.packing import ValidFrames
from lipnet.models.recurrent import LAYERS, LastOutputHead, RecurrentHead

RNN_OPSET = 14  # ONNX's RNN has not changed since


class WholeClipHead(nn.Module):
    """A recurrent head that is given all frames of one clip.

    The exporter knows the shape of a recurrent layer's output only for the traced number of
    frames, so nothing after it may use that shape.
    """

    def __init__(self, head: RecurrentHead | LastOutputHead) -> None:
        super().__init__()
        self.features, self.classifies_frames = head.features, head.classifies_frames
        self.cells = head.cells
        self.last_only = isinstance(head, LastOutputHead)

    def forward(self, x_TC: Tensor, valid: ValidFrames) -> Tensor:
        """[T, inputs] -> [T, features], or [1, features] of the last frame if only that counts."""
        if isinstance(self.cells, nn.RNN) and torch.onnx.is_in_onnx_export():
            out_TC = _run_as_onnx(self.cells, x_TC)
        else:
            out_TC = self.cells(x_TC)[0]
        return out_TC[-1:] if self.last_only else out_TC


def _run_as_onnx(cells: nn.RNN, x_TC: Tensor) -> Tensor:
    """ONNX's RNN for each layer: the exporter would write torch's out frame by frame."""
    steps = x_TC.shape[0]
    for layer in range(LAYERS):
        into_UC, within_UU, bias_U, within_bias_U = cells.all_weights[layer]
        biases_2U = torch.cat((bias_U, within_bias_U))
        weights = [each.unsqueeze(0) for each in (into_UC, within_UU, biases_2U)]
        out_T11U = torch.onnx.ops.symbolic(
            "RNN",
            (x_TC.unsqueeze(1), *weights),
            {"hidden_size": cells.hidden_size},
            dtype=x_TC.dtype,
            shape=(steps, 1, 1, cells.hidden_size),
            version=RNN_OPSET,
        )
        x_TC = out_T11U.squeeze((1, 2))
    return x_TC
