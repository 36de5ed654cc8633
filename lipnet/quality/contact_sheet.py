"""Contact sheets: crops with their words and ids below, for people to look at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

# T frames  H W pixels
Picture = NDArray[np.uint8]
ACROSS = 10  # tiles in a row
TILE, GAP, TEXT = 96.0, 8.0, 26.0  # in crop pixels; TEXT is the height of a tile's caption
MARGIN, HEAD, TITLE = 16.0, 30.0, 54.0
INCHES = 1 / 76  # per crop pixel
INK, FAINT, ACCENT = "#222222", "#777777", "#ff7f0e"
MAX_ID = 21  # characters


@dataclass(frozen=True)
class Tile:
    """One crop, its word, a line of small print; `field` is the side of a square drawn on it."""

    picture_HW: Picture
    word: str
    note: str = ""
    field: int = 0


@dataclass(frozen=True)
class Band:
    """Tiles under a heading, with a remark next to it."""

    heading: str
    remark: str
    tiles: Sequence[Tile]

    @property
    def rows(self) -> int:
        return max(1, -(-len(self.tiles) // ACROSS))

    @property
    def height(self) -> float:
        """In crop pixels."""
        return HEAD + (self.rows * (TILE + TEXT + GAP) if self.tiles else 0)


def draw_sheet(title: str, remark: str, bands: Sequence[Band]) -> Figure:
    """The bands from top to bottom, each tile the same size."""
    width = 2 * MARGIN + ACROSS * (TILE + GAP) - GAP
    height = TITLE + sum(band.height for band in bands) + MARGIN
    figure = Figure(figsize=(width * INCHES, height * INCHES))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    axes.text(MARGIN, 26, title, fontsize=15, weight="bold", color=INK)
    axes.text(MARGIN, 43, remark, fontsize=9.5, color=FAINT)
    top = TITLE
    for band in bands:
        _draw_band(axes, band, top)
        top += band.height
    return figure


def _draw_band(axes: Axes, band: Band, top: float) -> None:
    heading = axes.text(
        MARGIN, top + HEAD - 10, band.heading, fontsize=11, weight="bold", color=INK
    )
    axes.annotate(
        keep_drawable(band.remark), (1, 0), xycoords=heading, xytext=(8, 0),
        textcoords="offset points", fontsize=9, color=FAINT, va="bottom",
    )  # fmt: skip
    for index, tile in enumerate(band.tiles):
        row, column = divmod(index, ACROSS)
        left = MARGIN + column * (TILE + GAP)
        _draw_tile(axes, tile, left, top + HEAD + row * (TILE + TEXT + GAP))


def _draw_tile(axes: Axes, tile: Tile, left: float, top: float) -> None:
    extent = (left, left + TILE, top + TILE, top)
    axes.imshow(
        tile.picture_HW, cmap="gray", vmin=0, vmax=255, extent=extent, interpolation="lanczos"
    )
    axes.set_aspect("auto")
    if tile.field:
        side = TILE * tile.field / tile.picture_HW.shape[0]
        corner = (left + (TILE - side) / 2, top + (TILE - side) / 2)
        axes.add_patch(Rectangle(corner, side, side, fill=False, ec=ACCENT, lw=1.2))
    word, note = (keep_drawable(shorten_id(text)) for text in (tile.word, tile.note))
    axes.text(left, top + TILE + 11, word, fontsize=8.5, color=INK)
    axes.text(left, top + TILE + 21, note, fontsize=6.5, color=FAINT)


def keep_drawable(text: str) -> str:
    """The text with a box for each character that the figures' font lacks."""
    known = get_font(findfont(FontProperties())).get_charmap()
    return "".join(letter if ord(letter) in known else "□" for letter in text)


def shorten_id(text: str, longest: int = MAX_ID) -> str:
    """The text, with its middle left out if it is too long for a tile."""
    if len(text) <= longest:
        return text
    front = (longest - 1) // 2
    return f"{text[:front]}…{text[front + 1 - longest :]}"


def mean_picture(crops: Sequence[Picture]) -> Picture:
    """The mean of all frames of all the clips: the sharper the lips, the better the alignment."""
    total = sum(crops_THW.sum(axis=0, dtype=np.float64) for crops_THW in crops)
    frames = sum(len(crops_THW) for crops_THW in crops)
    return np.asarray(np.rint(total / frames), np.uint8)
