"""One model's run in MLflow while it trains: trouble there never stops the training."""

import sys
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tracking.experiment import FAILED, FINISHED, KILLED, Experiment, Figures, Identity
from tracking.uri import hide_password


@dataclass
class ModelRun:
    """One model's run during its training; a context manager that says how training ended.

    MLflow out of reach costs one warning and a growing pause between tries; the epochs held back
    are logged once it answers, or by `tracking.publish` from history.csv.
    """

    FIRST_PAUSE, LONGEST_PAUSE = 30.0, 600.0  # seconds

    profile: str
    identity: Identity
    _held: dict[int, dict[str, float]] = field(default_factory=dict)
    _ended: dict[int, float] = field(default_factory=dict)
    _seen: set[int] = field(default_factory=set)
    _experiment: Experiment | None = None
    _run_id: str = ""
    _pause: float = FIRST_PAUSE
    _retry_at: float = 0.0
    _warned: bool = False

    def log_epoch(self, epoch: int, metrics: Figures) -> None:
        """Log one epoch's figures, step = epoch; an epoch that is logged already is left alone."""
        if epoch in self._seen:
            return
        self._seen.add(epoch)
        self._held[epoch] = dict(metrics)
        self._ended[epoch] = time.time()
        if time.monotonic() >= self._retry_at:
            self._attempt()

    def finish(self) -> None:
        """Training is complete."""
        self._attempt(FINISHED)

    def fail(self, status: str = FAILED) -> None:
        """Training ended early."""
        self._attempt(status)

    def __enter__(self) -> Self:
        self._attempt()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.fail(FAILED if issubclass(kind, Exception) else KILLED)

    def _attempt(self, status: str | None = None) -> None:
        try:
            self._log_held()
            if status is not None and self._experiment is not None:
                self._experiment.end(self._run_id, status)
            self._pause = self.FIRST_PAUSE
        except Exception as error:  # whatever MLflow raises, training goes on
            self._retry_at = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, self.LONGEST_PAUSE)
            self._warn(error)

    def _log_held(self) -> None:
        if self._experiment is None or not self._run_id:
            self._experiment = Experiment.open(self.profile)
            self._run_id = self._experiment.ensure_run(self.identity)
            self._experiment.reopen(self._run_id)
        self._experiment.fill_epochs(self._run_id, self._held, self._ended)
        self._held.clear()

    def _warn(self, error: Exception) -> None:
        if self._warned:
            return
        self._warned = True
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        print(
            f"warning: {hide_password(reason)}; training goes on, and `python -m tracking.publish` "
            "fills in later what MLflow is missing",
            file=sys.stderr,
            flush=True,
        )
