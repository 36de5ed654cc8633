"""The figure of the preprocessing: histograms of detection scores, jumps and brightness."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from lipnet.quality.facts import Quality
from lipnet.quality.measures import FaceMeasures

Floats = NDArray[np.float64]
BINS = 60
BLUE, ORANGE, GREY = "#1f77b4", "#ff7f0e", "#888888"


def draw_distributions(quality: Quality) -> Figure:
    """One panel per measure; only brightness if the corpus is precropped."""
    panels = 1 if quality.faces is None else 3
    figure = Figure(figsize=(4.6 * panels, 3.4), layout=ConstrainedLayoutEngine(wspace=0.08))
    axes = np.atleast_1d(figure.subplots(1, panels))
    if quality.faces is not None:
        _draw_scores(axes[0], quality.faces)
        _draw_jitter(axes[1], quality.faces, quality.smooth)
    _draw_brightness(axes[-1], quality)
    for one in axes:
        one.grid(axis="x", visible=False)
        one.set_yticks([])
        one.spines["left"].set_visible(False)
    return figure


def _draw_scores(axes: Axes, faces: FaceMeasures) -> None:
    scores = faces.frames.score_T[faces.frames.seen_T]
    axes.hist(scores, bins=BINS, color=BLUE)
    axes.set(title="Detection score", xlabel="score of the face, frames that show one")
    axes.set_xlim(left=min(0.0, float(scores.min(initial=0.0))))


def _draw_jitter(axes: Axes, faces: FaceMeasures, smooth: int) -> None:
    found, smoothed = faces.frames.jitter_T, faces.frames.smoothed_T
    limit = max(0.1, float(np.percentile(found, 99.5)) if len(found) else 0.1)
    bins = np.linspace(0, limit, BINS + 1)
    _outline(axes, np.clip(found, 0, limit), bins, colour=BLUE, label="as found")
    _outline(
        axes, np.clip(smoothed, 0, limit), bins, colour=ORANGE, label=f"mean of {smooth} frames"
    )
    axes.set(title="Jumps of the mouth's centre", xlabel="pixels of the crop (last bar: or more)")
    axes.set_xlim(0, limit)
    axes.legend(fontsize=9)


def _outline(axes: Axes, values: Floats, bins: Floats, *, colour: str, label: str) -> None:
    """A histogram scaled to its own peak, because the two differ widely in height."""
    counts, _ = np.histogram(values, bins)
    share = counts / max(1, counts.max())
    axes.stairs(share, bins, fill=True, color=colour, alpha=0.35)
    axes.stairs(share, bins, color=colour, label=label)


def _draw_brightness(axes: Axes, quality: Quality) -> None:
    means = quality.clips["mean"].to_numpy()
    wanted = quality.training
    axes.hist(means, bins=BINS, range=(0, 1), color=BLUE)
    axes.axvspan(
        wanted.mean - wanted.std, wanted.mean + wanted.std, color=GREY, alpha=0.18, lw=0, zorder=0
    )
    axes.axvline(wanted.mean, color=GREY, lw=1.2)
    axes.annotate(
        "the recipe's mean ± deviation", (wanted.mean, 1), xycoords=("data", "axes fraction"),
        xytext=(0, -10), textcoords="offset points", ha="center", fontsize=8, color="#555555",
    )  # fmt: skip
    axes.set(title="Brightness", xlabel="mean of a clip's pixels, 0 to 1", xlim=(0, 1))
    axes.margins(y=0.15)
