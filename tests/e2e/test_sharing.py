"""Sharing by DVC's remote: a clone that pulls trains nothing, and clips never leave."""

import shutil
from pathlib import Path

import fsspec
import pytest
import yaml

from tests.e2e.checkout import Checkout

# Of the report, what holds latencies of this machine; DVC does not track it.
MEASURED_HERE = {"leaderboard.csv", "report.md", "report.html", "latency.json", "trainings.csv"}


@pytest.mark.slow
def test_a_clone_that_pulls_has_every_model_and_makes_nothing_again(
    undisturbed: Checkout, tmp_path: Path
) -> None:
    owner, clone = _share(undisturbed, tmp_path, str(tmp_path / "store"))
    # The report is rebuilt without training.
    assert "rn18-tcn-g0" in clone.run("pipeline.leaderboard").replace("\n", " ")
    made = clone.run("dvc", "repro", "--allow-missing")
    assert "Running stage" not in made
    _check_that_all_is_there(owner, clone)
    assert "metrics.json" in clone.run("dvc", "metrics", "show")


@pytest.mark.slow
def test_a_clone_pulls_the_same_files_from_s3(
    undisturbed: Checkout, tmp_path: Path, bucket: str
) -> None:
    _check_that_all_is_there(*_share(undisturbed, tmp_path, bucket))


def _share(undisturbed: Checkout, place: Path, store: str) -> tuple[Checkout, Checkout]:
    """A checkout that has pushed to the store, and a clone that has pulled from it."""
    owner = undisturbed.fork(place / "owner")
    owner.run("dvc", "remote", "add", "--default", "store", store)
    owner.run("dvc", "push")
    _check_that_no_clip_has_left(owner, store)
    clone = owner.fork(place / "clone")
    shutil.rmtree(clone.place / "data")
    shutil.rmtree(clone.place / ".dvc" / "cache")
    clone.run("dvc", "pull", "--allow-missing")
    return owner, clone


def _check_that_all_is_there(owner: Checkout, clone: Checkout) -> None:
    """The clone has the owner's models, logits and report, and none of its clips."""
    for name in ("models", "logits", "report"):
        ours, theirs = (_files(one.place / "data" / "tiny" / name) for one in (owner, clone))
        for path in MEASURED_HERE & theirs.keys():
            del theirs[path]
        assert theirs == {path: content for path, content in ours.items() if path in theirs}
        assert any("metrics.json" in path or "g0" in path for path in theirs)
    assert not (clone.place / "data" / "tiny" / "shards").exists()
    assert not (clone.place / "data" / "tiny" / "raw").exists()


def _check_that_no_clip_has_left(owner: Checkout, store: str) -> None:
    """Nothing of the outputs that hold clips is in the remote, by name and by content."""
    graph = yaml.safe_load((owner.place / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    kept = {
        next(iter(out)).replace("${profile}", "tiny")
        for stage in graph.values()
        for out in stage.get("outs", [])
        if isinstance(out, dict) and next(iter(out.values())).get("push") is False
    }
    assert kept == {"data/tiny/raw", "data/tiny/shards", "data/tiny/quality"}
    system, place = fsspec.url_to_fs(store)
    found = {"".join(path.split("/")[-2:]): system.cat_file(path) for path in system.find(place)}
    lock = yaml.safe_load((owner.place / "dvc.lock").read_text(encoding="utf-8"))
    sums = {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}
    assert all(sums[path] not in found for path in kept)
    assert all(md5 in found for path, md5 in sums.items() if path not in kept)
    pictures = (".mp4", ".tar", ".png", ".jpg")
    contents = set(found.values())
    for path in kept:
        clips = [file for file in (owner.place / path).rglob("*") if file.suffix in pictures]
        assert clips
        assert not any(file.read_bytes() in contents for file in clips)


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
