"""Several profiles in one checkout: what one of them has made outlives experiments with another,
here on a corpus of one folder per word, with its losses."""

import csv
import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.checkout import COMMITTER, Checkout
from tests.e2e.corpora import make_folder, render
from tests.e2e.here import run_here

pytestmark = pytest.mark.slow
OTHER = "folder"
LINEAGE = "rn18-tcn"
AFTER_TRAINING = (
    ("stages.quality",),
    *(("stages.predict", split, LINEAGE) for split in ("val", "test")),
    *(("stages.select",), ("stages.report",)),
)


def digest_files(folder: Path) -> dict[str, str]:
    """The MD5 of every file, by name."""
    return {
        str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def clone(undisturbed: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """`tiny` reproduced in a clone, with dvc.lock as `make reproduce` leaves it: not committed;
    and the profile of the other corpus, with one small model of one epoch."""
    place = tmp_path_factory.mktemp("profiles")
    made = undisturbed.fork(place / "clone")
    make_folder(place / OTHER, place / "rendered", render(place / "rendered"))
    path = made.place / f"conf/profile/{OTHER}.yaml"
    profile = yaml.safe_load(path.read_text(encoding="utf-8"))
    profile["source"] |= {"root": str(place / OTHER)}
    profile["recipe"] |= {"epochs": 1, "batch": 4}
    profile["workers"] |= {"actors": 1}
    profile |= {"scratch": {LINEAGE: {"spec": "resnet18_0.125x + tcn_0.25x"}}, "taught": {}}
    text = "# @package _global_\n" + yaml.safe_dump(profile, allow_unicode=True)
    path.write_text(text, encoding="utf-8")
    (made.place / ".git/info/exclude").write_text("dvc.lock\n", encoding="utf-8")
    for command in (["add", "--all"], ["commit", "--quiet", "-m", "Clone"]):
        subprocess.run(["git", *COMMITTER, *command], cwd=made.place, check=True)
    (made.place / ".git/info/exclude").unlink()
    return made


def finish_here(clone: Checkout, place: Path) -> Path:
    """Run the stages after training in this process, on a copy in `place`; the profile's folder."""
    shutil.copy(clone.place / "params.yaml", place)
    made = shutil.copytree(clone.place / "data" / OTHER, place / "data" / OTHER)
    for stage in AFTER_TRAINING:
        run_here(place, *stage)
    return made


def test_an_experiment_with_another_profile_keeps_this_one(clone: Checkout, tmp_path: Path) -> None:
    before = digest_files(clone.place / "data/tiny")
    changes = ("--set-param", f"profile={OTHER}", "--set-param", "recipe.lr=1e-3")
    clone.run("dvc", "exp", "run", f"scratch@{LINEAGE}", "--name", "elsewhere", *changes)
    _check_a_folder_per_word(finish_here(clone, tmp_path))
    assert digest_files(clone.place / "data/tiny") == before

    clone.run("dvc", "checkout", "--allow-missing")  # of what came after the training
    assert digest_files(clone.place / "data/tiny") == before

    clone.run("pipeline.profile", "tiny")  # as `make reproduce PROFILE=tiny` does
    other = digest_files(clone.place / f"data/{OTHER}")
    assert "Running stage" not in clone.run("dvc", "repro")
    assert "Running stage" not in clone.run("dvc", "exp", "run", "--set-param", "profile=tiny")
    assert digest_files(clone.place / "data/tiny") == before
    assert digest_files(clone.place / f"data/{OTHER}") == other


def _check_a_folder_per_word(made: Path) -> None:
    """Every file of the corpus is a clip, or is counted as rejected or failed."""
    manifest = _read(made / "manifest/summary.json")
    assert manifest["files"] == 19 == manifest["clips"] + manifest["rejected_files"]
    assert manifest["rejected"] == {"not_a_video": 1, "zero_bytes": 1}
    landmarks = _read(made / "landmarks/summary.json")
    assert landmarks["videos"] == {"in": 17, "out": 16, "failed": {"no_face": 1}}
    shards = _read(made / "shards/summary.json")
    counts = [split["clips"] + sum(split["failed"].values()) for split in shards["splits"].values()]
    assert sum(counts) == 17
    assert _read(made / "shards/labels.json") == ["bark, please", "милион"]
    with (made / "shards/failures.csv").open(encoding="utf-8", newline="") as lines:
        (failure,) = csv.DictReader(lines)
    assert failure["reason"] == "no_face"
    assert (made / f"models/{LINEAGE}/g0/weights.safetensors").is_file()
    assert (made / "report/results.csv").is_file()


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
