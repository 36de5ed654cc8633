"""Changes of crops as by another camera: brightness, scale, place and frame rate."""
# T frames  H W pixels

from collections.abc import Callable, Mapping
from functools import partial

import cv2
import numpy as np

from lipnet.clip import FPS
from lipnet.shards.codec import Crops

WHITE = 255
SHIFTS = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}
TIE = 1e-9  # seconds; of two frames equally near, the earlier one is taken
Change = Callable[[Crops], Crops]


def keep_crops(crops_THW: Crops) -> Crops:
    """No change."""
    return crops_THW


def scale_brightness(crops_THW: Crops, factor: float) -> Crops:
    """Every pixel times `factor`, at most white."""
    levels = np.arange(WHITE + 1) * factor
    table = np.clip(np.rint(levels), 0, WHITE).astype(np.uint8)
    return np.asarray(table[crops_THW], np.uint8)


def scale_size(crops_THW: Crops, factor: float) -> Crops:
    """Enlarge what is shown by `factor` about the middle; beyond the crop its edge is repeated."""
    height, width = crops_THW.shape[1:]
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    matrix_23 = np.hstack([factor * np.eye(2), ((1 - factor) * middle)[:, None]])
    flags, border = cv2.INTER_LINEAR, cv2.BORDER_REPLICATE
    warped = [
        cv2.warpAffine(crop_HW, matrix_23, (width, height), flags=flags, borderMode=border)
        for crop_HW in crops_THW
    ]
    return np.stack(warped).astype(np.uint8, copy=False)


def shift_crops(crops_THW: Crops, right: int, down: int) -> Crops:
    """Move what is shown by whole pixels; the crop's edge is repeated."""
    height, width = crops_THW.shape[1:]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return np.ascontiguousarray(crops_THW[:, rows][:, :, columns])


def film_at(crops_THW: Crops, fps: float) -> Crops:
    """The clip as if filmed at `fps` and then read at 25 frames per second, as videos are.

    A camera's frame between two of the clip's is their mean, weighted by time; after the last frame
    it is the last. Of the camera's frames the nearest in time is read, as in `lipnet.video.decode`.
    """
    last = len(crops_THW) - 1
    times_T = np.arange(len(crops_THW)) / FPS
    filmed_T = np.ceil(times_T * fps - 0.5 - TIE * fps)  # numbers of the camera's frames
    moments_T = np.minimum(filmed_T * FPS / fps, last)  # in frames of the clip
    before_T = np.floor(moments_T + TIE).astype(int)
    after_T = np.minimum(before_T + 1, last)
    shares_T = np.clip(moments_T - before_T, 0, 1)[:, None, None]
    mixed_THW = (1 - shares_T) * crops_THW[before_T] + shares_T * crops_THW[after_T]
    return np.asarray(np.rint(mixed_THW), np.uint8)


CHANGES: Mapping[str, Change] = {
    **{f"brightness x {by:g}": partial(scale_brightness, factor=by) for by in (0.6, 1.5)},
    **{f"scale x {by:g}": partial(scale_size, factor=by) for by in (0.9, 1.1)},
    **{
        f"{pixels} pixels {name}": partial(shift_crops, right=pixels * right, down=pixels * down)
        for pixels in (2, 4)
        for name, (right, down) in SHIFTS.items()
    },
    **{f"filmed at {fps} fps": partial(film_at, fps=fps) for fps in (20, 30)},
}
