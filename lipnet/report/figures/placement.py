"""Where labels go on a figure: next to their points, without covering anything."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

DISTANCES = (11, 20, 32, 46, 64, 84)  # points
TURNS = 16
CLEARANCE = 2.0  # pixels around a label
OUTSIDE, COVERED = 1000.0, 10.0  # penalties per pixel of area


@dataclass(frozen=True)
class Label:
    """A text that belongs to the point (x, y), in data coordinates."""

    text: str
    x: float
    y: float


def place_labels(
    axes: Axes, labels: Sequence[Label], obstacles: Sequence[Bbox], *, size: float
) -> None:
    """Draw each label near its point without covering an obstacle (in pixels) or another label;
    a label far from its point gets a thin line to it."""
    taken = list(obstacles)
    texts: list[Bbox] = []  # a leader line may cross points and bars, but no text
    for label in labels:
        written = axes.annotate(
            label.text,
            (label.x, label.y),
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=size,
            linespacing=1.1,
            color="#222222",
        )
        box, leader = _settle(axes, written, taken, texts)
        texts.append(box)
        taken += [box, *leader]


def boxes_of(axes: Axes, points: Sequence[tuple[float, float]], *, radius: float) -> list[Bbox]:
    """Squares of `radius` pixels around data points: obstacles for `place_labels`."""
    return [
        Bbox([[x - radius, y - radius], [x + radius, y + radius]])
        for x, y in axes.transData.transform(list(points))
    ]


def boxes_along(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], *, radius: float
) -> list[Bbox]:
    """Squares along a line between data points: obstacles for `place_labels`."""
    first, last = axes.transData.transform([start, end])
    steps = max(2, int(np.hypot(*(last - first)) / (2 * radius)) + 1)
    return [
        Bbox([[x - radius, y - radius], [x + radius, y + radius]])
        for x, y in np.linspace(first, last, steps)
    ]


def _settle(
    axes: Axes, written: Annotation, taken: Sequence[Bbox], texts: Sequence[Bbox]
) -> tuple[Bbox, list[Bbox]]:
    """Move the label to its best place; returns the area of it and of its line."""
    inside = axes.get_window_extent()
    places = []
    for distance in DISTANCES:
        for turn in range(TURNS):
            angle = 2 * np.pi * turn / TURNS
            offset = (distance * np.cos(angle), distance * np.sin(angle))
            box = _move(written, offset)
            line = _leader_boxes(axes, written, offset)
            covered = _overlap([box], taken) + _overlap(line, texts)
            outside = box.width * box.height - _overlap([box], [inside])
            places.append((OUTSIDE * outside + COVERED * covered + distance, turn, offset))
    _, _, offset = min(places)
    box = _move(written, offset)
    line = _leader_boxes(axes, written, offset)
    if line:
        _draw_leader(axes, written, offset)
    return box, line


def _leader_boxes(axes: Axes, written: Annotation, offset: tuple[float, float]) -> list[Bbox]:
    """What the line to a distant label covers, without its first quarter from the point."""
    if np.hypot(*offset) <= DISTANCES[1]:
        return []
    point = axes.transData.transform([written.xy])[0]
    shift = np.array(offset) * axes.figure.dpi / 72
    steps = int(np.hypot(*shift) / 4)
    return [
        Bbox([[x - 2, y - 2], [x + 2, y + 2]])
        for x, y in (point + shift * share for share in np.linspace(0.25, 0.95, steps))
    ]


def _move(written: Annotation, offset: tuple[float, float]) -> Bbox:
    dx, dy = offset
    written.set_position((dx, dy))
    written.set_horizontalalignment("left" if dx > 3 else "right" if dx < -3 else "center")
    written.set_verticalalignment("bottom" if dy > 3 else "top" if dy < -3 else "center")
    return written.get_window_extent().padded(CLEARANCE)


def _overlap(boxes: Sequence[Bbox], others: Sequence[Bbox]) -> float:
    """The area, in square pixels, that each box shares with each of the others, added up."""
    if not boxes or not others:
        return 0.0
    low_M12, high_M12 = _corners(boxes)
    low_1N2, high_1N2 = (corner.swapaxes(0, 1) for corner in _corners(others))
    shared_MN2 = np.minimum(high_M12, high_1N2) - np.maximum(low_M12, low_1N2)
    return float(np.maximum(0.0, shared_MN2).prod(2).sum())


def _corners(boxes: Sequence[Bbox]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lower left and the upper right corners, each [M, 1, 2]."""
    extents_M4 = np.array([box.extents for box in boxes])
    return extents_M4[:, None, :2], extents_M4[:, None, 2:]


def _draw_leader(axes: Axes, written: Annotation, offset: tuple[float, float]) -> None:
    axes.annotate(
        "",
        written.xy,
        xytext=offset,
        textcoords="offset points",
        arrowprops={"arrowstyle": "-", "color": "#999999", "lw": 0.7, "shrinkB": 4},
        zorder=1,
    )
