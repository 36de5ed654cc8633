"""The graph on LRW-1000's layout of cut mouths, with its losses; test_profiles.py runs it on one
folder per word."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from lipnet.lineage.summary import read_generations
from tests.e2e.checkout import Checkout
from tests.e2e.corpora import make_lrw1000, render

PROFILE = "lrw1000"
LINEAGE = "rn18-tcn"
CHANGES: dict[str, dict[str, Any]] = {
    "recipe": {"epochs": 1, "batch": 4},
    "workers": {"actors": 1},  # Ray takes longer to start than these jobs take
}
LINEAGES: dict[str, Any] = {
    "scratch": {LINEAGE: {"spec": "resnet18_0.125x + tcn_0.25x"}},
    "taught": {},
}


def reproduce(checkout: Checkout, root: Path, stage: str) -> Path:
    """The profile's graph up to a stage, with a small model of one epoch; its outputs."""
    path = checkout.place / "conf/profile" / f"{PROFILE}.yaml"
    settings = yaml.safe_load(path.read_text("utf-8"))
    for section, changes in CHANGES.items():
        settings[section] |= changes
    text = yaml.safe_dump({**settings, **LINEAGES}, allow_unicode=True)
    path.write_text(f"# @package _global_\n{text}", "utf-8")
    checkout.run("pipeline.profile", PROFILE, f"source.root={root}")
    assert "landmarks" in checkout.run("pipeline.preflight")
    checkout.run("dvc", "repro", stage)
    return checkout.place / "data" / PROFILE


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


@pytest.mark.slow
def test_lrw1000(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    make_lrw1000(root, tmp_path / "rendered", render(tmp_path / "rendered"))
    stage = f"predict_test_scratch@{LINEAGE}"
    made = reproduce(Checkout.create(tmp_path / "checkout"), root, stage)
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
    (generation,) = read_generations(made / "models" / LINEAGE)
    assert generation.recipe.input_size == 112
    assert next((made / "logits/test").rglob("*.npz")).is_file()
