"""What the odd videos show: a synthetic face, and everything that can be wrong with it."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from lipnet.sources.synthetic.options import SyntheticOptions
from lipnet.sources.synthetic.render import ClipPlan, render_clip
from tests.malformed.movies import Frames

# T frames  H W pixels  C channels (BGR)
COUNT = 12
SIDE = 256
Image = NDArray[np.uint8]


@cache
def _render() -> Image:
    frames_THWC, _ = render_clip(ClipPlan("PARK", "train", 1, 0), SyntheticOptions())
    return frames_THWC


def face(count: int = COUNT, *, side: int = SIDE) -> Frames:
    """A face that says something, forth and back for as long as wanted."""
    rendered = _render()
    there_and_back = [*range(len(rendered)), *range(len(rendered) - 2, 0, -1)]
    small = [cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA) for frame in rendered]
    return [small[there_and_back[t % len(there_and_back)]] for t in range(count)]


def flat(level: int, count: int = COUNT, *, size: tuple[int, int] = (SIDE, SIDE)) -> Frames:
    """One grey for the whole picture."""
    return [np.full((*size, 3), level, np.uint8)] * count


def noise(seed: int = 1) -> Frames:
    """Snow."""
    generator = np.random.default_rng(seed)
    return list(generator.integers(0, 256, (COUNT, SIDE, SIDE, 3), np.uint8))


def ramp() -> Frames:
    """From black on the left to white on the right."""
    row = np.linspace(0, 255, SIDE).astype(np.uint8)
    return [np.repeat(np.tile(row, (SIDE, 1))[..., None], 3, axis=2)] * COUNT


def board() -> Frames:
    """A chessboard."""
    squares = np.indices((SIDE, SIDE)).sum(axis=0) // 16 % 2 * 255
    return [np.repeat(squares.astype(np.uint8)[..., None], 3, axis=2)] * COUNT


def screen_text() -> Frames:
    """A page of letters."""
    page = np.full((SIDE, SIDE, 3), 255, np.uint8)
    for line in range(20, SIDE, 20):
        place = (5, line)
        cv2.putText(page, "no face to be seen", place, cv2.FONT_HERSHEY_PLAIN, 1.2, (0, 0, 0))
    return [page] * COUNT


def half(side: str) -> Frames:
    """A face of which half is covered."""
    covered = {
        "left": np.s_[:, : SIDE // 2],
        "right": np.s_[:, SIDE // 2 :],
        "top": np.s_[: SIDE // 2],
        "bottom": np.s_[SIDE // 2 :],
    }[side]
    frames = [frame.copy() for frame in face()]
    for frame in frames:
        frame[covered] = 90
    return frames


def two(second: int = SIDE) -> Frames:
    """Two faces side by side, the second of another size."""
    wide = [np.full((SIDE, 2 * SIDE, 3), 90, np.uint8) for _ in range(COUNT)]
    for frame, one, other in zip(wide, face(), face(side=second), strict=True):
        frame[:, :SIDE] = one
        frame[:second, SIDE : SIDE + second] = other
    return wide


def shifted(offsets: list[int]) -> Frames:
    """The face shifted to the right by these pixels, frame by frame; what it leaves is grey."""
    moved = []
    for frame, offset in zip(face(len(offsets)), offsets, strict=True):
        matrix = np.array([[1, 0, offset], [0, 1, 0]], np.float64)
        moved.append(cv2.warpAffine(frame, matrix, (SIDE, SIDE), borderValue=(90, 90, 90)))
    return moved


def shown(visible: list[bool]) -> Frames:
    """The face in some frames, grey in the others."""
    grey = flat(90)[0]
    return [one if see else grey for one, see in zip(face(len(visible)), visible, strict=True)]


def turned(quarters: int) -> Frames:
    """The picture turned against the clock by quarters."""
    return [np.ascontiguousarray(np.rot90(frame, quarters)) for frame in face()]


def sized(width: int, height: int, count: int = COUNT) -> Frames:
    """The picture stretched to a size."""
    return [cv2.resize(frame, (width, height)) for frame in face(count)]


def toned(gain: float, offset: float) -> Frames:
    """The picture with its brightness changed."""
    return [np.clip(frame * gain + offset, 0, 255).astype(np.uint8) for frame in face()]


def blurred(width: int) -> Frames:
    """The picture out of focus."""
    return [cv2.blur(frame, (width, width)) for frame in face()]


def noisy(amount: float) -> Frames:
    """The picture under heavy noise."""
    generator = np.random.default_rng(2)
    grain = [generator.normal(0, amount, frame.shape) for frame in face()]
    frames = zip(face(), grain, strict=True)
    return [np.clip(frame + g, 0, 255).astype(np.uint8) for frame, g in frames]
