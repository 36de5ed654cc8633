"""One model's run in MLflow while it trains; an error of MLflow never stops the training."""

import sys
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tracking.experiment import FAILED, FINISHED, KILLED, Experiment, Figures, Identity
from tracking.names import FIRST, FIRST_OF_EPOCH
from tracking.uri import hide_password


@dataclass
class ModelRun:
    """One model's run during its training; a context manager that logs how training ended.

    If MLflow cannot be reached, there is one warning and a growing pause between attempts; the
    epochs held back are logged once it answers, or by `tracking.publish` from history.csv.
    """

    FIRST_PAUSE, MAX_PAUSE = 30.0, 600.0  # seconds

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
        """Log one epoch's figures with step = epoch; an epoch is logged only once."""
        if epoch in self._seen:
            return
        self._seen.add(epoch)
        self._held[epoch] = dict(metrics)
        self._ended[epoch] = time.time()
        if time.monotonic() >= self._retry_at:
            self._attempt()

    def finish(self) -> None:
        """Log that training is complete."""
        self._attempt(FINISHED)

    def fail(self, status: str = FAILED) -> None:
        """Log that training ended early."""
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
        except Exception as error:  # of any kind: training continues
            self._retry_at = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, self.MAX_PAUSE)
            self._warn(error)

    def _log_held(self) -> None:
        if self._experiment is None or not self._run_id:
            self._experiment = Experiment.open(self.profile)
            self._run_id = self._experiment.ensure_run(self.identity)
            self._experiment.reopen(self._run_id)
        accuracies = [own[FIRST_OF_EPOCH] for own in self._held.values() if FIRST_OF_EPOCH in own]
        if accuracies:
            self._experiment.raise_figure(self._run_id, FIRST, max(accuracies))
        self._experiment.fill_epochs(self._run_id, self._held, self._ended)
        self._held.clear()

    def _warn(self, error: Exception) -> None:
        if self._warned:
            return
        self._warned = True
        # Before it is cut: half an address would show its password.
        reason = hide_password(str(error).strip() or type(error).__name__).splitlines()[0][:300]
        print(
            f"warning: {reason}; training continues, and "
            "`python -m tracking.publish` logs later what MLflow is missing",
            file=sys.stderr,
            flush=True,
        )
