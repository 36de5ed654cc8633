"""The stage `quality`: pictures, equal bytes for equal inputs, and nothing after an error."""

from pathlib import Path
from uuid import uuid4

import cv2
import pytest

from lipnet.clip import Clip, Rejected
from lipnet.errors import InputError
from lipnet.quality.facts import Quality
from lipnet.sources.manifest import write_manifest
from pipeline.params import Params
from pipeline.paths import Paths
from stages.landmarks import LandmarkFolders, make_landmarks
from stages.quality import write_report
from tests.lipnet.quality.preprocessed import gather_of, pack, prepare, use_tiny
from tests.lipnet.video.test_images import write_images
from tests.stages.working import tree_of

PICTURES = ("contact_sheet.png", "worst.png", "distributions.png")


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    return use_tiny(tmp_path, monkeypatch)


def report(params: Params, paths: Paths) -> tuple[Quality, str]:
    quality = gather_of(params, paths)
    write_report(paths.quality, quality)
    return quality, (paths.quality / "quality.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_pictures_are_not_blank_and_equal_inputs_give_equal_bytes(params: Params) -> None:
    paths = prepare(params)
    report(params, paths)
    first = tree_of(paths.quality)
    for name in PICTURES:
        picture = cv2.imread(str(paths.quality / name))
        assert picture is not None
        assert min(picture.shape[:2]) > 300
        assert picture.std() > 5
    whole = (paths.quality / "quality.html").read_text(encoding="utf-8")
    assert whole.count('src="data:image/png;base64,') == len(PICTURES)
    assert 'href="../report/report.html"' in whole
    pack(params, paths, f"memory://{uuid4().hex}")  # the same crops in another place
    assert not list(paths.shards.rglob("*.tar"))
    report(params, paths)
    assert tree_of(paths.quality) == first


@pytest.mark.slow
def test_words_that_the_font_lacks_are_drawn_as_boxes(params: Params) -> None:
    _, page = report(params, prepare(params, labels=("词", "$x^$")))
    assert "词/train/1" in page


@pytest.mark.slow
def test_precropped_clips_have_pictures_and_no_faces(
    params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(Path("root") / "f", {f"{n}.png": 6 * n for n in range(1, 31)})
    clips = [
        Clip(f"{split}/{i}", "f", "hao", split, "", f"{split}{i}", "", i, i + 9, i, i + 9,
             ready=True)
        for split in ("train", "val", "test") for i in range(3)
    ]  # fmt: skip
    paths = Paths(params.profile)
    rejected = [Rejected("info/trn_1000.txt:9", "bad_line", "")]
    write_manifest(paths.manifest, clips, rejected, source="lrw1000", options={}, counted="lines")
    places = LandmarkFolders(Path("root"), paths.tmp / "landmarks", paths.landmarks)
    make_landmarks([], places, params.landmarks, precropped=1)
    pack(params, paths)
    leak = "clips whose images are in several splits: 3, such as test/0 in test and train/0 in "
    assert leak in capsys.readouterr().out
    quality, page = report(params, paths)
    assert quality.faces is None
    assert "no face was detected" in page
    assert "Source `lrw1000`: 10 lines = 9 clips + 1 rejected (1 bad_line)." in page
    assert "| lines rejected | 1 of 10 (10.00 %) |" in page
    assert "Landmarks: 0 videos = 0 tracked + 0 failed; 1 are precropped" in page
    assert "Darkest" in page
    assert "detection" not in page
    assert "outside of the" not in page  # not measured
    assert "outside" not in (paths.quality / "quality.json").read_text(encoding="utf-8")
    assert all((paths.quality / name).is_file() for name in PICTURES)


@pytest.mark.slow
def test_a_lost_shard_is_named(params: Params) -> None:
    paths = prepare(params)
    for tar in paths.shards.rglob("*.tar"):
        tar.unlink()
    with pytest.raises(InputError, match=r"no shard at .*train/000000\.tar"):
        report(params, paths)
    assert not paths.quality.exists()
