"""The 3x3x3 convolutions of densenet3d over one whole clip, in few operators of ONNX."""
# T frames  C channels  H W pixels

import torch.nn.functional as F
from torch import Tensor, nn

from lipnet.models.densenet3d import NeighbourConv

MAP = (0, 0, 0, 0, 0, 0)  # of F.pad: nothing is added to columns, rows and channels
FROM_PREVIOUS, FROM_NEXT = (*MAP, 1, -1), (*MAP, -1, 1)


class WholeClipConv(nn.Module):
    """A NeighbourConv whose frames are all of one clip.

    The general one cuts frames off and adds to the rest in place: for every layer the exporter
    reasons about the number of frames, which takes minutes.
    """

    def __init__(self, conv: NeighbourConv) -> None:
        super().__init__()
        weight = conv.conv.weight.detach()
        self.weight = nn.Parameter(
            weight.permute(2, 0, 1, 3, 4).flatten(0, 1).contiguous(), requires_grad=False
        )

    def forward(self, x_TCHW: Tensor, _: Tensor) -> Tensor:
        """[T, inputs, H, W] -> [T, outputs, H, W]."""
        parts_TCHW = F.conv2d(x_TCHW, self.weight, padding=1)
        to_next_TCHW, own_TCHW, to_previous_TCHW = parts_TCHW.chunk(3, 1)
        return own_TCHW + F.pad(to_next_TCHW, FROM_PREVIOUS) + F.pad(to_previous_TCHW, FROM_NEXT)


def use_whole_clips(graph: nn.Module) -> None:
    """Replace every NeighbourConv below a module."""
    for module in list(graph.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, NeighbourConv):
                setattr(module, name, WholeClipConv(child))
