"""The released models on real video: what a fresh clone reads is what the study measured."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lipnet.cli.main import main
from lipnet.inference import evaluate
from lipnet.inference.evaluate import Predictions, read_corpus
from lipnet.inference.logits import read_logits
from lipnet.models.weights import load_card
from lipnet.report.study import Study

ROOT = Path(__file__).resolve().parents[2]
RELEASED = sorted((ROOT / "data" / "released").glob("*.safetensors"))
STUDY = Study(ROOT / "docs" / "results" / "grid_release")
WINDOWS = {"frames": 17}  # of the study
SENTENCES = 8


def _logits_of(weights: Path) -> Path:
    lineage, _, generation = str(load_card(weights).origin["model"]).rpartition("-")
    return STUDY.logits(lineage, generation, "test")


@pytest.fixture
def sentences(grid_root: Path, tmp_path: Path) -> Path:
    """A corpus of a few sentences that no model of the study was trained or chosen on."""
    units = sorted(set(read_logits(_logits_of(RELEASED[0])).units.tolist()))
    chosen = units[:: len(units) // SENTENCES][:SENTENCES]
    for unit in chosen:
        (video,) = [p for p in grid_root.glob(f"{unit}.*") if p.suffix in (".mpg", ".mp4")]
        for place in (video, grid_root / "alignments" / f"{unit}.align"):
            link = tmp_path / place.relative_to(grid_root)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(place)
    return tmp_path


@pytest.mark.parametrize("weights", RELEASED, ids=lambda path: path.stem)
def test_a_released_model_is_small_and_its_card_is_its_own(weights: Path) -> None:
    assert weights.stat().st_size <= 20_000_000
    card = weights.with_suffix(".md").read_text(encoding="utf-8")
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in card
    assert "CC BY 4.0" in card


@pytest.mark.slow
@pytest.mark.parametrize("weights", RELEASED, ids=lambda path: path.stem)
def test_from_raw_video_it_says_what_the_study_measured(
    weights: Path,
    sentences: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Predictions] = []  # of the only reading, whose logits the command does not print

    def read_and_keep(*arguments: Any, **options: Any) -> Predictions:
        made.append(read_corpus(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(evaluate, "read_corpus", read_and_keep)
    source = ["--source", "grid", "--root", str(sentences), "--options", json.dumps(WINDOWS)]
    main(["evaluate", str(weights), *source, "--json"])
    found = json.loads(capsys.readouterr().out)
    (read,) = made
    kept = read_logits(_logits_of(weights))
    known = dict(zip(kept.clip_ids.tolist(), kept.logits, strict=True))
    measured_NK = np.stack([known[clip.clip_id] for clip in read.clips])
    assert len(read.clips) == 6 * SENTENCES
    assert not read.failures
    # Half-precision weights and folded BatchNorm: near ties alone may fall otherwise.
    assert (read.logits_NK.argmax(axis=1) == measured_NK.argmax(axis=1)).mean() > 0.97
    below_NK = read.logits_NK - read.logits_NK.max(axis=1, keepdims=True)  # as logits are kept
    assert np.abs(below_NK - measured_NK).mean() < 0.02 * measured_NK.std()
    assert (found["clips"], found["failed"]) == (6 * SENTENCES, 0)
    assert found["top1"] == (read.logits_NK.argmax(axis=1) == read.labels_N).mean()
    assert set(found["per_slot"]) == {
        *("command", "colour", "preposition", "letter", "digit", "adverb")
    }
    assert found["top1"] > 0.5
