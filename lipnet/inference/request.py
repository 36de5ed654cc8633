"""The request of a served model: mouth crops as the JSON that MLflow's server takes."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipnet.files import write_atomic

# T frames  H W pixels


def write_request(path: Path, clips: Sequence[NDArray[np.uint8]]) -> None:
    """Write {"inputs": [clip, ...]}, each clip as nested lists [T, H, W]; clips may differ in T."""
    text = json.dumps(
        {"inputs": [crops_THW.tolist() for crops_THW in clips]}, separators=(",", ":")
    )
    with write_atomic(path) as temporary:
        temporary.write_text(text + "\n", encoding="ascii")
