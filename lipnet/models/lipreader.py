"""Lipreader: front end, trunk, head over time, mean over time, one linear layer."""
# B batch  T frames  H W pixels  N valid frames of the whole batch  C channels  K classes

from typing import Protocol

import torch
from torch import Tensor, nn

from lipnet.errors import InputError
from lipnet.models.packing import ValidFrames, find_valid_frames

MIN_SIZE = 16  # pixels; a smaller input leaves the last stages without a map


class FrontEnd(Protocol):
    """Turns a batch of clips into what the trunk takes: maps of each valid frame, or clips of a
    fixed number of frames."""

    def __call__(self, frames_BTHW: Tensor, valid: ValidFrames) -> Tensor:
        """[B, T, H, W] -> [N, stem, H', W'], or [B, fixed, H, W]."""
        ...


class Trunk(Protocol):
    """Turns each frame's maps into one vector; a 3-D one also uses neighbouring frames. A network
    that takes a clip at once turns each clip into one vector."""

    features: int

    def __call__(self, maps_NCHW: Tensor, valid: ValidFrames) -> Tensor:
        """[N, stem, H, W] -> [N, features], or [B, fixed, H, W] -> [B, features]."""
        ...


class Head(Protocol):
    """Turns packed frame vectors into packed vectors that depend on the frames around them.

    `classifies_frames`: whether its published models apply the last linear layer to every frame
    and average the logits. The numbers are the same as with the mean before it; the cost is not.
    """

    features: int
    classifies_frames: bool

    def __call__(self, x_NC: Tensor, valid: ValidFrames) -> Tensor:
        """[N, inputs], or [B, inputs] of whole clips -> [N, features]."""
        ...


class Lipreader(nn.Module):
    """A clip's logits depend only on its own valid frames, in any batch and with any padding."""

    def __init__(
        self, frontend: FrontEnd, trunk: Trunk, head: Head, n_classes: int, *, boundary: bool
    ) -> None:
        super().__init__()
        self.boundary = boundary
        self.frontend = frontend
        self.trunk = trunk
        self.head = head
        self.classifier = nn.Linear(head.features, n_classes)

    def forward(
        self,
        frames_BTHW: Tensor,
        lengths_B: Tensor,
        word_BT: Tensor | None = None,
        valid: ValidFrames | None = None,
    ) -> Tensor:
        """Normalised frames [B, T, H, W] and their lengths -> logits [B, K].

        `word_BT` is 1 on the frames of the word and the one before, 0 elsewhere. If the spec has
        "boundary", it is one more feature of each frame (InputError if it is missing); other
        models ignore it.
        `valid` are the valid frames, if they are known; finding them makes a GPU's host wait.
        """
        logits_BK: Tensor = self.classifier(self.embed(frames_BTHW, lengths_B, word_BT, valid))
        return logits_BK

    def embed(
        self,
        frames_BTHW: Tensor,
        lengths_B: Tensor,
        word_BT: Tensor | None = None,
        valid: ValidFrames | None = None,
    ) -> Tensor:
        """The features before the linear layer: the head's output, averaged over each clip."""
        valid = check_batch(frames_BTHW, lengths_B) if valid is None else valid
        features_NC = self.trunk(self.frontend(frames_BTHW, valid), valid)
        if self.boundary:
            word_N1 = valid.pack(check_word(word_BT, valid)).unsqueeze(1)
            features_NC = torch.cat((features_NC, word_N1.to(features_NC.dtype)), 1)
        return valid.for_head.mean(self.head(features_NC, valid.for_head))


def check_batch(frames_BTHW: Tensor, lengths_B: Tensor) -> ValidFrames:
    """The batch's valid frames; InputError if shapes or lengths do not fit the model."""
    shape = tuple(frames_BTHW.shape)
    if len(shape) != 4 or min(shape[2:]) < MIN_SIZE:
        raise InputError(
            f"frames of shape {shape}: expected [clips, frames, height, width] "
            f"of at least {MIN_SIZE} x {MIN_SIZE} pixels"
        )
    if tuple(lengths_B.shape) != shape[:1]:
        raise InputError(
            f"{tuple(lengths_B.shape)} lengths for {shape[0]} clips: expected one per clip"
        )
    return find_valid_frames(lengths_B, steps=shape[1], device=frames_BTHW.device)


def check_word(word_BT: Tensor | None, valid: ValidFrames) -> Tensor:
    """`word_BT` itself; InputError if it is missing or not of the batch's shape."""
    if word_BT is None:
        raise InputError("this model's spec has 'boundary': it needs to know the word's frames")
    if tuple(word_BT.shape) != (valid.batch, valid.steps):
        raise InputError(
            f"word boundary of shape {tuple(word_BT.shape)}: expected {(valid.batch, valid.steps)}"
        )
    return word_BT
