"""Engine: what a training runs on and how, none of which is meant to change what it learns."""

from dataclasses import dataclass, field
from pathlib import Path

import torch

from lipnet.train.processes import OneProcess, Processes


@dataclass(frozen=True)
class Engine:
    """Device and processes; whether to compile; after how many steps to save within an epoch (0:
    at its end alone); where teachers' logits are kept (None: nowhere), and how much of them."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    processes: Processes = field(default_factory=OneProcess)
    compile: bool = False
    checkpoint_steps: int = 0
    recordings: Path | None = None
    recordings_gib: float = 0.0

    @property
    def leads(self) -> bool:
        """Whether this process writes and reports, the others following it."""
        return self.processes.share.rank == 0
