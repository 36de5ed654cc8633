"""Standard output of a verb: lines that any terminal can print, and a pipe that closes early."""

import contextlib
import os
import sys
from typing import NoReturn

PIPE_CLOSED = 141  # the exit status of a program that SIGPIPE ends


def make_printable(line: str) -> str:
    r"""The line, with characters that the terminal's encoding lacks as \x.. or \u...."""
    encoding = sys.stdout.encoding or "utf-8"
    return line.encode(encoding, "backslashreplace").decode(encoding)


def exit_without_reader() -> NoReturn:
    """Exit after the reader of standard output has closed it, as `| head` does."""
    # Python flushes what is left when it exits, and would print a traceback.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(PIPE_CLOSED)
