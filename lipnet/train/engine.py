"""Engine: the hardware and the caches of a training. None of it should change what is learned."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from lipnet.train.processes import OneProcess, Processes


@dataclass(frozen=True)
class Engine:
    """Device and processes, and how to compile, save and record.

    `checkpoint_minutes`: time between checkpoints within an epoch (0: only at its end), by
    `clock`, in seconds.
    `recordings`: the folder for teachers' logits (None: not recorded), of at most
    `recordings_gib`.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    processes: Processes = field(default_factory=OneProcess)
    compile: bool = False
    checkpoint_minutes: float = 0.0
    clock: Callable[[], float] = time.monotonic
    recordings: Path | None = None
    recordings_gib: float = 0.0

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and reports progress (rank 0)."""
        return self.processes.rank == 0
