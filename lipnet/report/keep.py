"""Keep a study without weights and clips: what its report is rebuilt from, small enough for git."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from lipnet.errors import InputError
from lipnet.files import write_folder_atomic, write_json
from lipnet.inference.logits import SavedLogits, read_logits, write_logits
from lipnet.lineage.generation import GENERATION_FILE, HISTORY_FILE
from lipnet.lineage.summary import LINEAGE_FILE
from lipnet.report.results import SPLITS, list_compressed, list_models
from lipnet.report.study import CONDITIONS, CORPUS, LABELS, LATENCIES, SUMMARY, TRAININGS, Study

MARKER = "kept.json"
UNTRACKED = (LATENCIES, TRAININGS, CONDITIONS)  # of which there may be none
KEPT = {MARKER, "ensembles", "logits", "models", "report"}


def keep_study(study: Study, folder: Path) -> None:
    """Copy into `folder` what a report of the study reads, without weights.

    Logits are rounded to half precision and packed. What was kept there before is replaced;
    InputError if the folder holds anything else, which would be lost.
    """
    _check_place(folder, study)
    with write_folder_atomic(folder) as partial:
        kept = Study(partial)
        write_json(partial / MARKER, {"study": study.name})
        _copy(study.selection, kept.selection)
        for name in (LABELS, SUMMARY, CORPUS, "metrics.json", *UNTRACKED):
            if name not in UNTRACKED or (study.report / name).exists():
                _copy(study.report / name, kept.report / name)
        for place in [*list_models(study), *list_compressed(study)]:
            copy = kept.models / place.relative_to(study.models)
            _copy(place.parent / LINEAGE_FILE, copy.parent / LINEAGE_FILE)
            for name in (GENERATION_FILE, HISTORY_FILE):
                _copy(place / name, copy / name)
            for split in SPLITS:
                logits = study.logits(place.parent.name, place.name, split)
                if logits.exists():
                    packed = round_to_half(read_logits(logits))
                    write_logits(kept.logits(place.parent.name, place.name, split), packed)


def _check_place(folder: Path, study: Study) -> None:
    """InputError unless the folder is empty or holds only what was kept before."""
    real, root = (Path(os.path.realpath(path)) for path in (folder, study.root))
    if real in (root, *root.parents):
        raise InputError(f"--keep {folder}: it holds the study itself; name another folder")
    if Path(os.path.realpath(study.report)).is_relative_to(real):
        raise InputError(f"--keep {folder}: the report itself goes there; name another folder")
    inside = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if inside and (MARKER not in inside or not inside <= KEPT):
        others = ", ".join(sorted(inside - KEPT)) or f"no {MARKER}"
        raise InputError(f"{folder} is not a study that was kept ({others}): name another folder")


def round_to_half(saved: SavedLogits) -> SavedLogits:
    """The same with logits rounded to half precision, still as float32: differences to the best
    label, which are the most precise for labels that are nearly tied."""
    below_NK = saved.logits - saved.logits.max(axis=1, keepdims=True)
    return replace(saved, logits=below_NK.astype(np.float16).astype(np.float32))


def _copy(source: Path, target: Path) -> None:
    if not source.exists():
        raise InputError(f"no {source}: report on the study first (`dvc repro`)")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
