"""The graph on other layouts: one folder per word, and LRW-1000's cut mouths, with their losses."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from lipnet.lineage.summary import read_generations
from tests.e2e.checkout import Checkout
from tests.e2e.corpora import make_folder, make_lrw1000, render

pytestmark = pytest.mark.slow
SHORT: dict[str, Any] = {
    "scratch": {"rn18-tcn": {"spec": "resnet18_0.125x + tcn_0.25x"}},
    "taught": {
        "rn18-dstcn": {"spec": "resnet18_0.125x + dstcn_0.25x", "teacher": "rn18-tcn"},
    },
}


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("corpora")
    plans = render(place / "rendered")
    make_folder(place / "folder", place / "rendered", plans)
    make_lrw1000(place / "lrw1000", place / "rendered", plans)
    return place


def reproduce(place: Path, profile: str, root: Path, *stages: str) -> Path:
    """A profile's graph up to some stages, with two small models of one epoch; its outputs."""
    checkout = Checkout.create(place)
    path = place / "conf/profile" / f"{profile}.yaml"
    settings = yaml.safe_load(path.read_text("utf-8"))
    settings["recipe"] |= {"epochs": 1, "batch": 4}
    text = yaml.safe_dump({**settings, **SHORT}, allow_unicode=True)
    path.write_text(f"# @package _global_\n{text}", "utf-8")
    checkout.run("pipeline.profile", profile, f"source.root={root}")
    assert "landmarks" in checkout.run("pipeline.preflight")
    checkout.run("dvc", "repro", *stages)
    return place / "data" / profile


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def test_a_folder_a_word(tmp_path: Path, corpora: Path) -> None:
    made = reproduce(tmp_path / "checkout", "folder", corpora / "folder", "scratch@rn18-tcn")
    manifest = read(made / "manifest/summary.json")
    assert manifest["files"] == 19 == manifest["clips"] + manifest["rejected_files"]
    assert manifest["rejected"] == {"not_a_video": 1, "zero_bytes": 1}
    landmarks = read(made / "landmarks/summary.json")
    assert landmarks["videos"] == {"in": 17, "out": 16, "failed": {"no_face": 1}}
    shards = read(made / "shards/summary.json")
    counts = [split["clips"] + sum(split["failed"].values()) for split in shards["splits"].values()]
    assert sum(counts) == 17
    assert read(made / "shards/labels.json") == ["bark, please", "милион"]
    (failure,) = read_rows(made / "shards/failures.csv")
    assert failure["reason"] == "no_face"
    assert (made / "models/rn18-tcn/g0/weights.safetensors").is_file()


def test_lrw1000(tmp_path: Path, corpora: Path) -> None:
    stage = "predict_test_scratch@rn18-tcn"
    made = reproduce(tmp_path / "checkout", "lrw1000", corpora / "lrw1000", stage)
    manifest = read(made / "manifest/summary.json")
    assert manifest["clips"] + manifest["rejected_files"] == 18
    assert manifest["rejected"] == {"bad_times": 1, "empty_window": 1, "frame_missing": 1}
    assert read(made / "landmarks/summary.json")["ready_videos"] == 15
    assert not list((made / "landmarks").glob("*.npz"))
    shards = read(made / "shards/summary.json")
    assert shards["splits"]["train"] == {
        "clips": 6,
        "failed": {"unreadable_frame": 1},
        "shards": 1,
    }
    assert shards["preprocessing"]["size"] == 122
    assert shards["preprocessing"]["ready"] is True
    inventory = (made / "raw/inventory.tsv").read_text("utf-8").splitlines()
    assert len(inventory) == 3 + 16
    (generation,) = read_generations(made / "models/rn18-tcn")
    assert generation.recipe.input_size == 112
    assert next((made / "logits/test").rglob("*.npz")).is_file()
