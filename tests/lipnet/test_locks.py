"""Locks: one holder at a time, and an error of one line where the file system has none."""

import errno
import os
from pathlib import Path

import pytest

from lipnet import locks
from lipnet.errors import InputError
from lipnet.locks import lock_file


def test_a_lock_has_one_holder_until_its_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as first, path.open("w") as second:
        assert lock_file(first, path)
        assert not lock_file(second, path)
        first.close()
        assert lock_file(second.fileno(), path, wait=True)


@pytest.mark.parametrize("code", locks.UNSUPPORTED)
def test_a_file_system_without_locks_is_named(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _refuse(code, monkeypatch)
    path = tmp_path / "lock"
    with path.open("w") as file, pytest.raises(InputError, match=rf"of {tmp_path} has no file l"):
        lock_file(file, path)


def test_other_errors_of_a_lock_are_raised_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _refuse(errno.EINVAL, monkeypatch)
    with (tmp_path / "lock").open("w") as file, pytest.raises(OSError, match="Invalid argument"):
        lock_file(file, tmp_path / "lock")


def _refuse(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
