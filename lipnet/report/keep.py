"""Keep a study without weights and clips: what its report is rebuilt from, small enough for git."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from lipnet.data.logits import SavedLogits, read_logits, write_logits
from lipnet.distill.generation import GENERATION_FILE, HISTORY_FILE, LINEAGE_FILE, WEIGHTS_FILE
from lipnet.errors import InputError
from lipnet.files import write_folder_atomic
from lipnet.report.results import SPLITS, list_models
from lipnet.report.study import Study


def keep_study(study: Study, folder: Path) -> None:
    """Copy into `folder` what a report of the study reads, but for weights, and its corpus facts.

    Logits are rounded to half precision and packed. The folder is replaced as a whole;
    InputError where it holds something else than a study.
    """
    _check_place(folder)
    with write_folder_atomic(folder) as beside:
        kept = Study(beside)
        _copy(study.labels_file, kept.labels_file)
        _copy(study.summary_file, kept.summary_file)
        _copy(study.selection, kept.selection)
        _copy(study.root / "report" / "metrics.json", kept.report / "metrics.json")
        for place in list_models(study):
            copy = kept.models / place.relative_to(study.models)
            _copy(place.parent / LINEAGE_FILE, copy.parent / LINEAGE_FILE)
            for name in (GENERATION_FILE, HISTORY_FILE):
                _copy(place / name, copy / name)
            for split in SPLITS:
                logits = study.logits(place.parent.name, place.name, split)
                if logits.exists():
                    packed = round_to_half(read_logits(logits))
                    write_logits(kept.logits(place.parent.name, place.name, split), packed)


def _check_place(folder: Path) -> None:
    """InputError for a folder that anything but a kept study lies in: it would be lost."""
    if not folder.exists():
        return
    weights = next(folder.rglob(WEIGHTS_FILE), None)
    if weights is not None or not Study(folder).selection.exists():
        raise InputError(f"{folder} is there already and is no kept study: name another folder")


def round_to_half(saved: SavedLogits) -> SavedLogits:
    """The same with logits that half precision holds, still as float32."""
    rounded_NK = saved.logits.astype(np.float16).astype(np.float32)
    return replace(saved, logits=rounded_NK)


def _copy(source: Path, target: Path) -> None:
    if not source.exists():
        raise InputError(f"no {source}: report on the study first (`dvc repro`)")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
