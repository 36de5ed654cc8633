"""Locks on files, which end with the process that holds them."""

import errno
import fcntl
from pathlib import Path
from typing import IO

from lipnet.errors import InputError

UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


def lock_file(file: IO[str] | int, path: Path, *, wait: bool = False) -> bool:
    """Lock the open file at `path` until it is closed; False if another process holds the lock,
    unless `wait` is set.

    InputError if the file system has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        raise InputError(
            f"the file system of {path.parent.absolute()} has no file locks ({error.strerror}): "
            "mount it with them (Lustre: with the option flock), or use a folder on another disk"
        ) from None
    return True
