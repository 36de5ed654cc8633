"""Everything that is drawn for a model is at the model's cost; arrows are vertical."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from lipnet.report.figures.cost import draw_accuracy_by_cost
from lipnet.report.figures.style import house_style
from lipnet.report.results import Results, read_results
from lipnet.report.study import Study
from lipnet.selection.selection import write_selection
from tests.lipnet.report.fabricated import SMALL, Fake, fabricate
from tests.sharing import make_once

SPEC = SMALL[1].spec
# One spec with three seeds, each from scratch and distilled, as in a real study.
FAKES = [
    *SMALL,
    *(Fake(f"small-s{seed}", SPEC, None, (0.5 + 0.02 * seed,), seed=seed) for seed in (2, 3)),
    *(Fake(f"small-s{seed}-by-big", SPEC, "big-g1", (0.63,), seed=seed) for seed in (2, 3)),
    # OTHERS, no repetitions: a control, and one that started from other weights.
    Fake("small-long", SPEC, None, (0.9,), recipe={"lr": 1e-3}),
    Fake("small-start", SPEC, None, (0.9,), seed=4, start="f" * 16),
]
OTHERS = ("small-long", "small-start")
MAX_DODGE = 3.0  # pixels


def _fabricate(folder: Path) -> None:
    study = Study(folder / "seeds")
    fabricate(study, FAKES)
    write_selection(study.logits_val, study.selection)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return read_results(Study(make_once(tmp_path_factory, "cost-figure", _fabricate) / "seeds"))


def draw(results: Results, cost: str) -> Figure:
    with house_style():
        return draw_accuracy_by_cost(results, cost, ceiling=0.95)


def points_of(figure: Figure) -> list[tuple[float, float]]:
    """The data coordinates of every marker."""
    return [
        (float(x), float(y))
        for line in figure.axes[0].lines
        if line.get_marker() in ("o", "*")
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("cost", ["params_m", "gflops"])
def test_every_point_is_at_a_models_cost(results: Results, cost: str) -> None:
    figure = draw(results, cost)
    drawn = points_of(figure)
    for model in results.models:
        if model.training == "scratch" or model.chosen:
            own = (getattr(model, cost), 100 * model.outcomes["test"].top1.value)
            assert any(np.allclose(own, point, rtol=1e-12) for point in drawn), model.name
    costs = {getattr(entry, cost) for entry in results.entries}
    assert {x for x, _ in drawn} <= costs
    assert all(line.get_transform() == figure.axes[0].transData for line in _markers(figure))


def _markers(figure: Figure) -> list[object]:
    return [line for line in figure.axes[0].lines if line.get_marker() in ("o", "*")]


@pytest.mark.slow
@pytest.mark.parametrize("cost", ["params_m", "gflops"])
def test_a_bar_is_within_three_pixels_of_its_models_cost(results: Results, cost: str) -> None:
    figure = draw(results, cost)
    axes = figure.axes[0]
    costs = {getattr(entry, cost) for entry in results.entries}
    bars = [bar for bar in axes.collections if isinstance(bar, LineCollection)]
    assert len(bars) >= 4
    for bar in bars:
        for segment in bar.get_segments():
            (x, _), (other, _) = segment
            assert x == other
            assert x in costs
            drawn, true = bar.get_transform().transform(segment), axes.transData.transform(segment)
            assert np.abs(drawn[:, 0] - true[:, 0]).max() <= MAX_DODGE


@pytest.mark.slow
def test_one_vertical_arrow_per_spec_from_the_mean_of_scratch(results: Results) -> None:
    texts = [text for text in draw(results, "params_m").axes[0].texts if not text.get_text()]
    arrows = [
        text for text in texts if isinstance(text, Annotation) and text.xycoords == "data"
        and text.anncoords == "data"
    ]  # fmt: skip
    assert len(arrows) == 2
    for arrow in arrows:
        assert arrow.xy[0] == arrow.xyann[0]
    scratch = [
        100 * model.outcomes["test"].top1.value
        for model in results.models
        if model.spec == SPEC and model.training == "scratch" and model.lineage not in OTHERS
    ]
    assert len(scratch) == 3
    assert any(arrow.xyann[1] == pytest.approx(np.mean(scratch)) for arrow in arrows)


@pytest.mark.parametrize("start", [None, "f" * 16])
def test_the_legend_does_not_call_fine_tuned_models_from_scratch(
    tmp_path: Path, start: str | None
) -> None:
    study = Study(tmp_path)
    fabricate(study, [replace(SMALL[0], start=start), *SMALL[1:]])
    write_selection(study.logits_val, study.selection)
    legend = draw(read_results(study), "params_m").axes[0].get_legend()
    assert legend is not None
    shown = {text.get_text() for text in legend.get_texts()}
    assert ("from scratch" in shown, "without a teacher" in shown) == (not start, bool(start))
