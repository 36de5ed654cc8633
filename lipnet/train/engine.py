"""Engine: the hardware and the caches of a training. None of it should change what is learned."""

from dataclasses import dataclass, field
from pathlib import Path

import torch

from lipnet.train.processes import OneProcess, Processes


@dataclass(frozen=True)
class Engine:
    """Device and processes, and how to compile, save and record.

    `checkpoint_steps`: steps between checkpoints within an epoch (0: only at its end).
    `recordings`: the folder for teachers' logits (None: not recorded), of at most
    `recordings_gib`.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    processes: Processes = field(default_factory=OneProcess)
    compile: bool = False
    checkpoint_steps: int = 0
    recordings: Path | None = None
    recordings_gib: float = 0.0

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and reports progress (rank 0)."""
        return self.processes.rank == 0
