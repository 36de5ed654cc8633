"""The stages on LRW-1000's layout of cut mouths, with its losses, in this process; DVC runs the
graph in test_tiny.py, and in test_profiles.py on one folder per word."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from lipnet.lineage.summary import read_generations
from tests.contract.imports import ROOT
from tests.e2e.corpora import make_lrw1000, render
from tests.e2e.here import run_here

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


def run_stages(place: Path, root: Path, printed: pytest.CaptureFixture[str]) -> Path:
    """The profile's stages up to the test logits, with a small model of one epoch, in a folder of
    their own; their outputs."""
    shutil.copytree(ROOT / "conf", place / "conf")
    path = place / "conf/profile" / f"{PROFILE}.yaml"
    settings = yaml.safe_load(path.read_text("utf-8"))
    for section, changes in CHANGES.items():
        settings[section] |= changes
    text = yaml.safe_dump({**settings, **LINEAGES}, allow_unicode=True)
    path.write_text(f"# @package _global_\n{text}", "utf-8")
    run_here(place, "pipeline.profile", PROFILE, f"source.root={root}")
    run_here(place, "pipeline.preflight")
    assert "landmarks" in printed.readouterr().out
    for stage in ("raw", "manifest", "landmarks", "shards"):
        run_here(place, f"stages.{stage}")
    run_here(place, "stages.scratch", LINEAGE)
    run_here(place, "stages.predict", "test", LINEAGE)
    return place / "data" / PROFILE


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


@pytest.mark.slow
def test_lrw1000(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "corpus"
    make_lrw1000(root, tmp_path / "rendered", render(tmp_path / "rendered"))
    made = run_stages(tmp_path / "work", root, capsys)
    manifest = read(made / "manifest/summary.json")
    assert manifest["clips"] + manifest["rejected_lines"] == manifest["lines"] == 18
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
