"""The style of every figure, and their files: equal bytes for equal contents (Agg)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

STYLE: Any = {
    "font.size": 10.0,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "text.parse_math": False,  # a word may hold dollars
    "svg.hashsalt": "lipnet",
    "svg.fonttype": "path",
}
DPI = 130


@contextmanager
def house_style() -> Iterator[None]:
    """Draw and save figures in this style, independent of the user's matplotlib settings."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def save_figure(figure: Figure, stem: Path, *, kinds: tuple[str, ...] = ("png", "svg")) -> None:
    """Write stem.png and stem.svg, without dates or versions."""
    FigureCanvasAgg(figure)
    if "png" in kinds:
        figure.savefig(stem.with_name(f"{stem.name}.png"), dpi=DPI, metadata={"Software": None})
    if "svg" in kinds:
        figure.savefig(stem.with_name(f"{stem.name}.svg"), metadata={"Date": None})
