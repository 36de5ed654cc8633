"""Motion planes: grey value, gradients and optical flow of each frame, computed on the batch.

The five hardwired channels of Ji et al., "3D convolutional neural networks for human action
recognition", TPAMI 2013. A flow stream in lipreading: Weng and Kitani, BMVC 2019, arXiv 1905.02540.
The flow is that of Lucas and Kanade (IJCAI 1981) to the next frame, in pixels per frame.
"""
# B batch  T frames  H W pixels

import torch
import torch.nn.functional as F
from torch import Tensor

PLANES = 5  # grey, x gradient, y gradient, x flow, y flow
WINDOW = 5  # side of the square in which the flow is constant
RIDGE = 1e-3  # added to the squared gradients: no texture, no flow


def compute_planes(frames_BTHW: Tensor, lengths_B: Tensor | None = None) -> tuple[Tensor, ...]:
    """PLANES tensors [B, T, H, W]; frames after each of `lengths_B` have to be 0.

    Without lengths every frame counts. A clip's last frame has no flow.
    """
    dx_BTHW, dy_BTHW = compute_gradients(frames_BTHW)
    return frames_BTHW, dx_BTHW, dy_BTHW, *_compute_flow(frames_BTHW, dx_BTHW, dy_BTHW, lengths_B)


def compute_gradients(frames_BTHW: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences along x and y; half of them at the border."""
    wide = F.pad(frames_BTHW, (1, 1, 0, 0), mode="replicate")
    high = F.pad(frames_BTHW, (0, 0, 1, 1), mode="replicate")
    return (wide[..., 2:] - wide[..., :-2]) / 2, (high[..., 2:, :] - high[..., :-2, :]) / 2


def _compute_flow(
    frames_BTHW: Tensor, dx_BTHW: Tensor, dy_BTHW: Tensor, lengths_B: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Least squares in each window, with the gradients averaged over the two frames."""
    change_BTHW = _to_next(frames_BTHW) - frames_BTHW
    if lengths_B is not None:
        steps_T = torch.arange(frames_BTHW.shape[1], device=frames_BTHW.device)
        has_next_BT = steps_T + 1 < lengths_B.unsqueeze(1)
        change_BTHW = change_BTHW.masked_fill(~has_next_BT[..., None, None], 0)
    x_BTHW, y_BTHW = ((_to_next(own) + own) / 2 for own in (dx_BTHW, dy_BTHW))
    products = ((x_BTHW, x_BTHW), (x_BTHW, y_BTHW), (y_BTHW, y_BTHW))
    changes = ((x_BTHW, change_BTHW), (y_BTHW, change_BTHW))
    xx, xy, yy, xt, yt = (
        F.avg_pool2d(one * other, WINDOW, 1, WINDOW // 2) for one, other in (*products, *changes)
    )
    xx, yy = xx + RIDGE, yy + RIDGE
    determinant = xx * yy - xy.square()
    return (xy * yt - yy * xt) / determinant, (xy * xt - xx * yt) / determinant


def _to_next(frames_BTHW: Tensor) -> Tensor:
    """Each step's next one; the last is its own next, so that it does not change."""
    return torch.cat((frames_BTHW[:, 1:], frames_BTHW[:, -1:]), 1)
