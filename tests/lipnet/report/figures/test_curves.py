"""Learning curves: a row per spec, scratch in grey, each model named once; generations alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from lipnet.report.figures.colours import SCRATCH, looks_of
from lipnet.report.figures.curves import draw_learning_curves
from lipnet.report.figures.generations import draw_generations
from lipnet.report.figures.style import house_style
from lipnet.report.results import Results, read_results
from lipnet.report.study import Study
from lipnet.selection.selection import write_selection
from tests.lipnet.report.fabricated import SMALL, fabricate
from tests.sharing import make_once


def _fabricate(folder: Path) -> None:
    study = Study(folder / "small")
    fabricate(study, SMALL)
    write_selection(study.logits_val, study.selection)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return read_results(Study(make_once(tmp_path_factory, "curves", _fabricate) / "small"))


def test_each_spec_has_its_row_with_a_name_per_line(results: Results) -> None:
    with house_style():
        figure = draw_learning_curves(results)
    rows = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in rows] == [
        *("ResNet-18 0.25× + TCN 0.25×", "ShuffleNet v2 0.5× + TCN 0.125×"),
    ]
    texts = [{text.get_text(): text.get_color() for text in axes.texts} for axes in rows]
    assert set(texts[0]) == {"from scratch", "generation 1"}
    assert set(texts[1]) == {"from scratch", "distilled from ResNet-18 0.25×"}
    for named in texts:
        assert [name for name, colour in named.items() if colour in SCRATCH] == ["from scratch"]


def test_lines_of_many_models_differ_in_colour_or_style(results: Results) -> None:
    distilled = next(model for model in results.models if model.training == "distilled")
    looks = looks_of([replace(distilled, name=f"small-{number}") for number in range(20)])
    assert len(set(looks)) == 20


def test_names_at_the_lines_do_not_overlap(results: Results) -> None:
    with house_style():
        figure = draw_learning_curves(results)
        figure.draw_without_rendering()
    for axes in figure.axes:
        middles = sorted(text.get_window_extent().y0 for text in axes.texts)
        heights = [text.get_window_extent().height for text in axes.texts]
        gaps = [after - before for before, after in zip(middles, middles[1:], strict=False)]
        assert all(gap > 0.6 * max(heights) for gap in gaps)


def test_only_lineages_with_several_generations_are_drawn(results: Results) -> None:
    with house_style():
        figure = draw_generations(results)
    assert figure is not None
    assert len(figure.axes) == 1
    assert "big" in figure.axes[0].get_title(loc="left")
    singles = [model for model in results.models if model.lineage != "big"]
    assert draw_generations(replace(results, models=singles)) is None
