"""Listener: receives a training's progress, as a progress bar, a tracker or a log."""

from typing import Protocol

from lipnet.train.history import EpochRecord


class Listener(Protocol):
    """Receives a training's progress."""

    def on_batch(self, done: int, total: int) -> None: ...

    def on_epoch(self, record: EpochRecord) -> None: ...

    def on_note(self, text: str) -> None: ...

    def on_warning(self, text: str) -> None: ...


class Silent:
    """A Listener that ignores everything; one that needs some of it overrides that."""

    def on_batch(self, done: int, total: int) -> None:
        return

    def on_epoch(self, record: EpochRecord) -> None:
        return

    def on_note(self, text: str) -> None:
        return

    def on_warning(self, text: str) -> None:
        return
