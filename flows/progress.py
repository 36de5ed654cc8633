"""The progress of training in Prefect: one progress bar per model, updated after each epoch."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from pipeline.params import load_params
from pipeline.paths import Paths

GROUPS = ("scratch", "taught", "compressed")


class TrainingProgress:
    """Shows what is appended to a lineage's progress.jsonl; does nothing for other stages."""

    def __init__(self, stage: str) -> None:
        group, _, lineage = stage.partition("@")
        self._lines: Path | None = None
        if group in GROUPS and lineage:
            params = load_params()
            work = Paths(params.profile).tmp / "models" / lineage
            self._lines = work / "progress.jsonl"
            self._epochs = params.recipe_of(lineage).epochs
        self._place = self._size()
        self._shown: dict[str, UUID] = {}

    def update(self) -> None:
        """Show new lines; an error is logged and does not stop the training."""
        try:
            self._update()
        except Exception as error:  # of the server, the network or the file
            get_run_logger().warning("cannot show the progress of training: %s", error)

    def _update(self) -> None:
        if self._lines is None or self._size() <= self._place:
            return
        with self._lines.open("rb") as lines:
            lines.seek(self._place)
            added = lines.read()
        whole = added[: added.rfind(b"\n") + 1]
        self._place += len(whole)
        for line in whole.splitlines():
            self._show(json.loads(line))

    def _size(self) -> int:
        return self._lines.stat().st_size if self._lines and self._lines.exists() else 0

    def _show(self, record: dict[str, Any]) -> None:
        model, epoch = str(record["model"]), int(record["epoch"]) + 1
        # A line of an earlier version lacks the number, which may be another one for g0.
        epochs = int(record.get("epochs", self._epochs))
        done = 100.0 * epoch / max(epoch, epochs)
        text = (
            f"{model}, epoch {epoch} of {epochs}: training loss {record['train_loss']:.3f}, "
            f"validation {record['val_top1']:.1%} (loss {record['val_loss']:.3f}), "
            f"{record['seconds']:.0f} s"
        )
        if model in self._shown:
            update_progress_artifact(self._shown[model], progress=done, description=text)
        else:
            key = f"training-{model}"
            made = create_progress_artifact(progress=done, key=key, description=text)
            assert isinstance(made, UUID)  # it is a coroutine only inside an event loop
            self._shown[model] = made
