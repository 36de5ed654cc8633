"""StreamWindow: the last frames of a stream and their features, each computed once."""
# T frames  N windows  H W pixels  C channels  K classes

from collections import deque

import torch
from torch import Tensor

from lipnet.live.graphs import StreamGraphs
from lipnet.models.frontend import FRAMES_SEEN

MARGIN = FRAMES_SEEN // 2  # neighbours on either side of a frame


class StreamWindow:
    """The window of the newest `frames` frames.

    A frame's features depend on two neighbours on either side. In training, those beyond the clip
    are zeros. With `exact_edges` the features of the window's two first and two last frames are
    computed again with zeros, and the logits are those of the window as a clip of its own.
    Otherwise all features are the cached ones, which know the true neighbours: less computation,
    and the window ends `lag` frames before the newest one.
    """

    def __init__(self, graphs: StreamGraphs, frames: int, *, exact_edges: bool = True) -> None:
        self._graphs = graphs
        self._exact = exact_edges and frames > 2 * MARGIN
        self.frames = frames
        self.lag = 0 if self._exact else MARGIN
        self._images: deque[Tensor] = deque(maxlen=max(frames, FRAMES_SEEN))
        self._features: deque[Tensor] = deque(maxlen=frames)  # up to MARGIN before the newest frame

    def reset(self) -> None:
        """Forget all frames: the next one has no neighbours before it."""
        self._images.clear()
        self._features.clear()

    @property
    def is_full(self) -> bool:
        """Whether there are enough frames to read."""
        cached = self.frames - (MARGIN if self._exact else 0)
        return len(self._images) >= self.frames and len(self._features) >= cached

    def push(self, image_HW: Tensor) -> None:
        """Add the newest frame, normalised, and compute the features of the one two before it."""
        self._images.append(image_HW)
        if len(self._images) > MARGIN:
            seen = list(self._images)[-FRAMES_SEEN:]
            missing = [torch.zeros_like(image_HW)] * (FRAMES_SEEN - len(seen))
            window_5HW = torch.stack([*missing, *seen])
            self._features.append(self._graphs.features(window_5HW[None])[0])

    def logits(self) -> Tensor:
        """The logits [K] of the window, which has to be full."""
        if not self._exact:
            return self._graphs.logits(torch.stack(list(self._features)))
        cached = list(self._features)[len(self._features) - (self.frames - 2 * MARGIN) :]
        edges_NC = self._graphs.features(self._stack_edges())
        features_TC = torch.cat([edges_NC[:MARGIN], torch.stack(cached), edges_NC[MARGIN:]])
        return self._graphs.logits(features_TC)

    def _stack_edges(self) -> Tensor:
        """The windows [2 * MARGIN, 5, H, W] of the first and last frames, with zeros outside."""
        images = list(self._images)[-self.frames :]
        empty = [torch.zeros_like(images[0])] * MARGIN
        start, end = [*empty, *images[: 2 * MARGIN]], [*images[-2 * MARGIN :], *empty]
        return torch.stack(
            [
                torch.stack(side[first : first + FRAMES_SEEN])
                for side in (start, end)
                for first in range(MARGIN)
            ]
        )
