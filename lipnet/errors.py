"""Errors with a message for a person: input to correct, and faults of a machine that may pass."""

import errno
import os

READ_ONLY = "{place} cannot be written or read ({reason}): is it read-only, or another user's?"
NOT_A_FILE = "{place} is a folder where a file is needed, or the reverse ({reason}): move it away"
FULL = "no space left on the disk that holds {place}; free some space and run it again"
# What a user can change. Other errors of the system are faults of the code, or rare.
MESSAGES = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EROFS: READ_ONLY,
    errno.EACCES: READ_ONLY,
    errno.EPERM: READ_ONLY,
    errno.EISDIR: NOT_A_FILE,
    errno.ENOTDIR: NOT_A_FILE,
    errno.EEXIST: NOT_A_FILE,
    errno.ELOOP: "{place} is a link that leads to itself: replace it",
    errno.ENAMETOOLONG: "{place} is too long a name: use a shorter one",
    errno.EIO: "{place} cannot be read or written ({reason}): is its disk in order?",
    errno.ESTALE: "{place} is gone ({reason}): was its network disk mounted again?",
}
# What may pass by itself, as when a network disk is mounted again.
PASSING = (errno.EIO, errno.ESTALE)


class InputError(ValueError):
    """Bad input (a path, a parameter, a file); the message names it and the fix."""


class FaultError(RuntimeError):
    """A fault of a machine (memory, a lost node, a disk) that may pass, so that the same command
    may succeed later; the message names it."""


def describe_os_error(error: OSError) -> str:
    """One line about a disk, permission or path that a user can change; "" for any other error."""
    message = MESSAGES.get(error.errno or 0, "")
    place = error.filename2 or error.filename or os.getcwd()
    return message.format(place=os.fsdecode(place), reason=error.strerror)


def may_pass(error: OSError) -> bool:
    """Whether the same operation may succeed later, without a change by a person."""
    return error.errno in PASSING
