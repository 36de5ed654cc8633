"""Saved logits: one model's logits for every clip of one split, in one file."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipnet.errors import InputError
from lipnet.files import write_atomic
from lipnet.npz import read_npz

# N clips  K classes


@dataclass(frozen=True, eq=False)
class SavedLogits:
    """Logits float32 [N, K] with the metadata of their clips, in the order of the shards."""

    logits: NDArray[np.float32]
    labels: NDArray[np.int64]
    clip_ids: NDArray[np.str_]
    units: NDArray[np.str_]
    slots: NDArray[np.str_]
    speakers: NDArray[np.str_]


FIELDS = tuple(field.name for field in fields(SavedLogits))
_TEXTS = ("clip_ids", "units", "slots", "speakers")


def write_logits(path: Path, saved: SavedLogits) -> None:
    """Write the npz atomically; equal logits give equal bytes (NumPy's zip entries are undated)."""
    arrays: dict[str, Any] = {
        "logits": np.ascontiguousarray(saved.logits, dtype=np.float32),
        "labels": np.ascontiguousarray(saved.labels, dtype=np.int64),
        **{name: np.asarray(getattr(saved, name), dtype=np.str_) for name in _TEXTS},
    }
    _check(path, arrays)
    with write_atomic(path) as temporary, temporary.open("wb") as out:
        np.savez_compressed(out, **arrays)


def read_logits(path: Path) -> SavedLogits:
    """Read and validate a file of `write_logits`; InputError if it is missing or damaged."""
    if not path.exists():
        raise InputError(f"{path} is missing: run the predict stage of its lineage")
    try:
        arrays = read_npz(path, FIELDS)
    except (OSError, ValueError) as error:
        raise _broken(path, f"not a readable npz ({str(error).splitlines()[0]})") from None
    _check(path, arrays)
    return SavedLogits(**{name: arrays[name] for name in FIELDS})


def check_same_clips(first: SavedLogits, second: SavedLogits, names: str) -> None:
    """Raise InputError unless both hold the same clips in the same order."""
    if not np.array_equal(first.clip_ids, second.clip_ids):
        raise InputError(f"{names} hold different clips: run their predict stages again")
    if first.logits.shape != second.logits.shape or not np.array_equal(first.labels, second.labels):
        raise InputError(f"{names} hold different labels: run their predict stages again")


def _broken(path: Path, fault: str) -> InputError:
    return InputError(f"logits {path}: {fault}; delete it and run the predict stage again")


def _check(path: Path, arrays: dict[str, Any]) -> None:
    missing = [name for name in FIELDS if name not in arrays]
    if missing:
        raise _broken(path, f"has no {', '.join(missing)}")
    logits, labels = arrays["logits"], arrays["labels"]
    if logits.ndim != 2 or logits.dtype != np.float32 or not logits.size:
        raise _broken(path, f"logits are {logits.dtype} {logits.shape}, not float32 [N, K]")
    wrong = [name for name in FIELDS[1:] if arrays[name].shape != logits.shape[:1]]
    if wrong:
        raise _broken(path, f"{', '.join(wrong)} do not have one entry per clip")
    if labels.dtype != np.int64 or labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise _broken(path, f"labels are not int64 in 0..{logits.shape[1] - 1}")
    if not np.isfinite(logits).all():
        raise _broken(path, "some logits are not finite (the model diverged)")
    if len(np.unique(arrays["clip_ids"])) != len(logits):
        raise _broken(path, "has a clip twice")
