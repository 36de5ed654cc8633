"""The page of the quality report: every clip by outcome, and the worst ones by name."""

from dataclasses import replace
from pathlib import Path

import pytest

from lipnet.quality.facts import Quality, check_quality
from lipnet.quality.page import write_page
from pipeline.params import Params
from pipeline.paths import Paths
from tests.lipnet.quality.preprocessed import gather_of, prepare, use_tiny


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    return use_tiny(tmp_path, monkeypatch)


def read_page(params: Params, paths: Paths) -> tuple[Quality, str]:
    quality = gather_of(params, paths)
    write_page(paths.quality, quality)
    return quality, (paths.quality / "quality.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_every_clip_is_in_the_page_by_split_and_outcome(params: Params) -> None:
    quality, page = read_page(params, prepare(params))
    assert "| train | 4 | 3 | 1 | 1 no_face |" in page
    assert "| test | 4 | 4 | 0 |  |" in page
    assert "Landmarks, by `dlib`: 12 videos = 11 tracked + 1 failed (1 no_face)." in page
    assert "Source `lrw`: 12 files = 12 videos with clips + 0 rejected." in page
    assert "132 frames; in 4 of them (3.03 %) no face was seen" in page
    assert quality.failed == 1


def test_measured_pixels_are_named_and_need_no_advice(params: Params) -> None:
    recipe = replace(params.recipe, mean="auto", std="auto")
    quality, page = read_page(params.model_copy(update={"recipe": recipe}), prepare(params))
    assert "(measured here). Weights" in page
    assert (quality.advice, quality.normalised.mean, quality.normalised.std) == ("", 0, 1)


def test_worst_clips_are_named_by_each_measure(params: Params) -> None:
    _, page = read_page(params, prepare(params))
    rows = {line.split(" | ")[0].strip("| "): line for line in page.splitlines()}
    assert "`blue/train/1` 33 %" in rows["Most interpolated"]
    assert "`blue/train/1`" in rows["Most outside of the frame"].split(",")[0]
    assert "`blue/train/1` 1.00" in rows["Lowest detection scores"]


def test_the_page_begins_with_the_number_of_checks_that_look_off(params: Params) -> None:
    quality, page = read_page(params, prepare(params))
    off = [check for check in check_quality(quality) if not check.fine]
    assert page.splitlines()[2] == f"{len(off)} of 8 checks look off."
