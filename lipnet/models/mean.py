"""The head without a temporal layer: what is classified is the mean of a clip's frames."""
# N valid frames of the whole batch  C channels

from torch import Tensor, nn

from lipnet.models.packing import ValidFrames


class MeanHead(nn.Module):
    """Passes its input on; the mean over the clip follows every head."""

    classifies_frames = False

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.features = inputs

    def forward(self, x_NC: Tensor, valid: ValidFrames) -> Tensor:
        """Packed [N, inputs] -> the same."""
        return x_NC
