"""The recurrent heads: two layers over each clip's own frames, both ways or many-to-one.

After Petridis et al., "End-to-end audiovisual speech recognition", ICASSP 2018 (ResNet-34, two
layers of 512 GRU units each way, one linear layer on every frame, logits averaged over the
frames: the same numbers as the mean before the linear layer here) and Stafylakis and
Tzimiropoulos, "Combining residual networks with LSTMs for lipreading", Interspeech 2017.
Petridis' public code also narrows the trunk's 512 features to 256 before the GRU; that layer is
left out here, as in the row that the paper prints: a model without it has 29.7 M parameters, one
with it 29.0 M. A choice: no dropout, as in that code.
"""
# B batch  T steps  N valid frames of the whole batch  C channels

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from lipnet.models.packing import ValidFrames

LAYERS = 2
CELLS: dict[str, type[nn.GRU] | type[nn.LSTM]] = {"bgru": nn.GRU, "blstm": nn.LSTM}
ONE_WAY_CELLS: dict[str, type[nn.RNN] | type[nn.GRU] | type[nn.LSTM]] = {
    "rnn": nn.RNN,  # tanh
    "gru": nn.GRU,
    "lstm": nn.LSTM,
}


class RecurrentHead(nn.Module):
    """Two layers of `units` each way; backwards, a clip is read from its own last frame."""

    classifies_frames = True

    def __init__(self, name: str, inputs: int, *, units: int) -> None:
        super().__init__()
        self.features = 2 * units
        self.cells = CELLS[name](inputs, units, LAYERS, batch_first=True, bidirectional=True)

    def forward(self, x_NC: Tensor, valid: ValidFrames) -> Tensor:
        """Packed [N, inputs] -> packed [N, 2 * units]."""
        if valid.index_N is None:  # no padding: nothing to sort or to leave out
            full_BTC: Tensor = self.cells(valid.unpack(x_NC))[0]
            return valid.pack(full_BTC)
        # torch's pack_padded_sequence copies its order to the device and waits for it.
        order = valid.time_order()
        sequence = PackedSequence(x_NC.index_select(0, order.rows_N), order.sizes_T)
        out_NC: Tensor = self.cells(sequence)[0].data
        return out_NC.index_select(0, order.back_N)


class LastOutputHead(nn.Module):
    """Two layers forwards; the output at a clip's last frame is the output at all of its frames,
    so that the mean over the clip is that output."""

    classifies_frames = False

    def __init__(self, name: str, inputs: int, *, units: int) -> None:
        super().__init__()
        self.features = units
        self.cells = ONE_WAY_CELLS[name](inputs, units, LAYERS, batch_first=True)

    def forward(self, x_NC: Tensor, valid: ValidFrames) -> Tensor:
        """Packed [N, inputs] -> packed [N, units]."""
        # Padding follows a clip's last frame, and so it changes nothing before that.
        out_BTC: Tensor = self.cells(valid.unpack(x_NC))[0]
        clips_B = torch.arange(valid.batch, device=out_BTC.device)
        last_BC = out_BTC[clips_B, valid.lengths_B - 1]
        return valid.pack(last_BC.unsqueeze(1).expand(-1, valid.steps, -1))
