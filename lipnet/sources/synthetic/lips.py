"""The moving lips: their outline for a mouth shape, the warp of the closed face that makes them
so, and what shows between them.

The warp goes column by column: a chain of heights (nose, lip edges, chin, neck) on the drawn face
is tied to the same chain on the closed face, with straight lines between, so that nothing tears.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipnet.sources.synthetic.face import (
    STILL_ABOVE,
    STILL_ASIDE,
    STILL_BELOW,
    Rest,
    lip_profile,
    spread_columns,
)
from lipnet.sources.synthetic.mouth import JAW, PRESS, RAISE, ROUND, TONGUE, TUCK, WIDTH

# N pixels of the frame about the mouth; x and y from the mouth's centre, in canvas pixels
Floats = NDArray[np.float32]

JAW_DROP = 12.0  # canvas pixels at jaw = 1
LIP_RAISE = 3.4
TEETH_EDGE = 1.6  # how far the upper teeth reach below the closed lips' seam; still as the skull
BETWEEN = 2  # the link of the chain between the lips' inner edges
# Blue, green, red, in daylight.
DARK = (26.0, 20.0, 44.0)
TEETH = (176.0, 192.0, 200.0)
TONGUE_COLOUR = (92.0, 84.0, 160.0)


@dataclass(frozen=True)
class MouthBuild:
    """A speaker's mouth against the photograph's: width, thickness of the lips, size of the jaw's
    movement (1 = the same), and how far the teeth show (canvas pixels)."""

    width: float = 1.0
    upper: float = 1.0
    lower: float = 1.0
    jaw: float = 1.0
    teeth: float = TEETH_EDGE


@dataclass(frozen=True)
class Lips:
    """An outline: half the mouth's width, each lip's inner edge's distance from the seam, the
    chin's drop and each lip's thickness, all in canvas pixels; the tongue's height (0 to 1)."""

    half_width: float
    raised: float
    dropped: float
    chin: float
    upper: float
    lower: float
    teeth: float
    tongue: float


def shape_lips(shape_M: NDArray[np.float64], rest: Rest, build: MouthBuild) -> Lips:
    """The outline of a mouth shape on a speaker's face; the inner edges never cross."""
    shape = [float(value) for value in shape_M]
    rounded, pressed = max(0.0, shape[ROUND]), min(1.0, max(0.0, shape[PRESS]))
    tucked = min(1.0, max(0.0, shape[TUCK]))
    bared = max(0.0, shape[RAISE])
    raised = LIP_RAISE * bared * (1 - pressed)
    chin = JAW_DROP * build.jaw * max(0.0, shape[JAW])
    # A tucked lower lip rises to the edge of the upper teeth.
    dropped = chin * (1 - 0.3 * rounded) * (1 - pressed) * (1 - tucked) - 0.4 * tucked
    fuller = 1 + 0.35 * rounded - 0.5 * pressed - 0.12 * shape[WIDTH]
    return Lips(
        half_width=rest.half_width * build.width * (1 + 0.2 * shape[WIDTH] - 0.2 * rounded),
        raised=raised,
        dropped=max(dropped, -raised),
        chin=chin,
        upper=rest.upper * build.upper * fuller,
        lower=rest.lower * build.lower * fuller * (1 - 0.4 * tucked),
        teeth=build.teeth - 3.0 * rounded * max(0.0, 1 - bared),
        tongue=min(1.0, max(0.0, shape[TONGUE])),
    )


def warp_lips(x_N: Floats, y_N: Floats, lips: Lips, rest: Rest) -> tuple[Floats, Floats, Floats]:
    """Positions on the closed face of pixels at (x, y) of the drawn one, and the share of each that
    is between the lips (0 to 1)."""
    level_N = np.exp(-((y_N * np.float32(1 / 40)) ** 2))
    level_N *= np.clip((y_N + np.float32(rest.nose + STILL_ABOVE)) * np.float32(1 / 26), 0, 1)
    closed_x_N = x_N + level_N * (spread_columns(x_N, lips.half_width, rest.half_width) - x_N)
    part_N, thick_N = lip_profile(closed_x_N * np.float32(1 / rest.half_width))
    side_N = np.exp(-((x_N * np.float32(1 / 48)) ** 2))
    sink_N = side_N * np.float32(0.12 * lips.chin)  # the corners follow the jaw a little
    upper_N = sink_N - part_N * np.float32(lips.raised + 0.12 * lips.chin)
    lower_N = sink_N + part_N * np.float32(lips.dropped - 0.12 * lips.chin)
    lower_N = np.maximum(lower_N, upper_N)
    drawn = (
        np.full_like(y_N, -rest.nose),
        upper_N - thick_N * np.float32(lips.upper),
        upper_N,
        lower_N,
        lower_N + thick_N * np.float32(lips.lower),
        side_N * np.float32(lips.chin) + np.float32(rest.chin),
        np.full_like(y_N, rest.chin + STILL_BELOW),
    )
    upper_rest_N, lower_rest_N = thick_N * np.float32(-rest.upper), thick_N * np.float32(rest.lower)
    closed = (-rest.nose, upper_rest_N, 0.0, 0.0, lower_rest_N, rest.chin, rest.chin + STILL_BELOW)
    closed_y_N = _follow_chain(y_N, drawn, closed)
    fade_N = np.clip((STILL_ASIDE - np.abs(x_N)) * np.float32(1 / 24), 0, 1)
    inside_N = np.clip(y_N - upper_N + 0.5, 0, 1) * np.clip(lower_N - y_N + 0.5, 0, 1)
    inside_N *= np.clip((lower_N - upper_N) * 2 - np.float32(0.4), 0, 1)
    return closed_x_N, y_N + fade_N * (closed_y_N - y_N), inside_N


def paint_inside(x_N: Floats, y_N: Floats, lips: Lips) -> Floats:
    """Colours [N, 3] of what shows between the lips: teeth above, tongue below, the dark."""
    across_N = np.abs(x_N) / np.float32(lips.half_width)
    floor = max(lips.dropped, 1.0)
    tongue_N = np.clip((y_N - floor * (0.72 - 0.75 * lips.tongue)) / 2.5, 0, 1)
    tongue_N *= np.clip((0.8 - across_N) * 4, 0, 1) * np.float32(0.3 + 0.7 * lips.tongue)
    teeth_N = np.clip(lips.teeth - y_N + 0.5, 0, 1) * np.clip((0.85 - across_N) * 5, 0, 1)
    teeth_N *= 1 - np.float32(0.5) * across_N
    painted_N3 = np.tile(np.array(DARK, np.float32), (len(y_N), 1))
    for share_N, colour in ((teeth_N, TEETH), (tongue_N, TONGUE_COLOUR)):
        painted_N3 += share_N[:, None] * (np.array(colour, np.float32) - painted_N3)
    return painted_N3


def _follow_chain(
    y_N: Floats, drawn: tuple[Floats, ...], closed: tuple[Floats | float, ...]
) -> Floats:
    """Heights moved along the chain: straight between its links, unmoved beyond its ends."""
    moved_N = np.minimum(y_N, drawn[0])
    for link in range(len(drawn) - 1):
        if link == BETWEEN:
            continue  # one line of the closed face
        high_N, low_N = drawn[link], drawn[link + 1]
        length_N = np.maximum(low_N - high_N, np.float32(0.05))
        passed_N = np.minimum(np.maximum(y_N - high_N, 0), length_N)
        passed_N *= closed[link + 1] - closed[link]
        passed_N /= length_N
        moved_N += passed_N
    moved_N += np.maximum(y_N - drawn[-1], 0)
    return np.asarray(moved_N, np.float32)
