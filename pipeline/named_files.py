"""Files that parameters name: DVC sees their paths alone, so changed contents are found here."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from lipnet.crops.align import OWN_FACES, face_digest
from lipnet.crops.crop import CropOptions
from lipnet.files import digest_files
from lipnet.landmarks import summary as landmarks_summary
from lipnet.landmarks.models import digest_model_files
from lipnet.landmarks.options import LandmarkOptions
from lipnet.lineage.generation import read_generation
from lipnet.shards.summary import SUMMARY, read_summary
from pipeline.inputs import PARAMS
from pipeline.params import Params
from pipeline.paths import Paths

LOCK = Path("dvc.lock")


def describe_files(params: Params, paths: Paths) -> list[str]:
    """A warning, with the command that uses the new contents, for each file that has changed since
    a stage used it, or that a lineage starts from and that is missing."""
    return [
        *describe_landmark_files(params, paths),
        *describe_face(params, paths),
        *describe_starts(params, paths),
    ]


def describe_landmark_files(params: Params, paths: Paths) -> Iterator[str]:
    """A warning for each of dlib's models that landmarks were made with and that has changed."""
    recorded = read_recorded("landmarks", paths.landmarks).get("landmarks")
    if not is_recorded(LandmarkOptions, recorded, params.landmarks):
        return
    if not (paths.landmarks / landmarks_summary.SUMMARY).is_file():
        return
    known = landmarks_summary.read_summary(paths.landmarks).files
    for name, digest in digest_model_files(params.landmarks).items():
        if known.get(name, digest) != digest:
            path, again = getattr(params.landmarks, name), _again("make them", "landmarks")
            yield f"landmarks were made by other contents of {path}; {again}"


def describe_face(params: Params, paths: Paths) -> Iterator[str]:
    """A warning if crops were aligned to other contents of the file of the reference face."""
    face, recorded = params.crops.face, read_recorded("shards", paths.shards).get("crops")
    if not is_recorded(CropOptions, recorded, params.crops):
        return
    if face in ("", *OWN_FACES) or not Path(face).is_file():
        return
    if not (paths.shards / SUMMARY).is_file():
        return
    if read_summary(paths.shards).preprocessing.get("reference_face") != face_digest(face):
        yield f"crops were aligned to other contents of {face}; {_again('make them', 'shards')}"


def describe_starts(params: Params, paths: Paths) -> Iterator[str]:
    """A warning for each lineage whose file to start from is missing, or has changed."""
    for name, section, first in (("scratch", params.scratch, 0), ("taught", params.taught, 1)):
        for lineage, entry in section.items():
            folder, init = paths.lineage(lineage) / f"g{first}", Path(entry.init)
            if not entry.init:
                continue
            if not init.is_file():
                yield f"{lineage} cannot be trained: it starts from {init}, which is missing"
                continue
            known = read_generation(folder).start if folder.is_dir() else None
            if known and known != digest_files([init]):
                again = _again("train it", f"{name}@{lineage}")
                yield f"{lineage} started from other contents of {init}; {again}"


def read_recorded(stage: str, folder: Path) -> Mapping[str, object]:
    """The parameters that DVC made the folder with, by dvc.lock; none if that has no such folder,
    as after a run of another profile."""
    try:
        recorded = yaml.safe_load(LOCK.read_text(encoding="utf-8"))["stages"][stage]
        made = [out["path"] for out in recorded["outs"]]
        return dict(recorded["params"][str(PARAMS)]) if str(folder) in made else {}
    except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError):
        return {}


def is_recorded(kind: type[object], recorded: object, now: object) -> bool:
    """Whether a section was recorded with the present values, so that DVC does not run its stage
    again by itself."""
    try:
        return isinstance(recorded, Mapping) and kind(**recorded) == now
    except (TypeError, ValueError):
        return False


def _again(action: str, stage: str) -> str:
    return f"to {action} again, first run: dvc repro --force --single-item {stage}"
