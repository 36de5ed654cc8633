"""Programs end with a status and, for errors that a user can act on, one line."""

import errno
from collections.abc import Callable

import pytest

from lipnet.errors import FaultError, InputError
from pipeline.program import run_program


def raising(error: BaseException) -> Callable[[], None]:
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("no clips in data"), "error: no clips in data"),
        (InputError("no video \x1b[2J\r.mp4"), r"error: no video \x1b[2J\r.mp4"),
        (OSError(errno.ENOSPC, "", "data/x"), "error: no space left on the disk that holds data/x"),
        (OSError(errno.EDQUOT, "", "data/x"), "error: no space left on the disk that holds data/x"),
        (OSError(errno.EROFS, "Read-only", "data/x"), "error: data/x cannot be written"),
        (OSError(errno.EACCES, "Denied", "data/x"), "error: data/x cannot be written"),
        (OSError(errno.EPERM, "Denied", "data/x"), "error: data/x cannot be written"),
        (OSError(errno.EISDIR, "", ".t", None, "data/x"), "error: data/x is a folder where a file"),
        (OSError(errno.ENOTDIR, "", "data/x"), "error: data/x is a folder where a file"),
        (OSError(errno.ELOOP, "", "data/x"), "error: data/x is a link that leads to itself"),
        (OSError(errno.ESTALE, "Stale", "data/x"), "fault: data/x is gone (Stale): was its"),
        (
            OSError(errno.EIO, "Failed", "data/x"),
            "fault: data/x cannot be read or written (Failed)",
        ),
        (FaultError("an actor\r died"), r"fault: an actor\r died"),
        (OSError(errno.EACCES, "Denied", b"\xff\x1b"), r"error: \udcff\x1b cannot be written"),
    ],
)
def test_errors_that_a_user_can_act_on_are_one_line(error: Exception, line: str) -> None:
    with pytest.raises(SystemExit) as ended:
        run_program(raising(error))
    assert str(ended.value.code).startswith(line)
    assert "\n" not in str(ended.value.code)


def test_an_interrupt_ends_with_status_130(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run_program(raising(KeyboardInterrupt()))
    assert ended.value.code == 130
    assert "run the same command again" in capsys.readouterr().err


@pytest.mark.parametrize("error", [OSError(errno.EBADF, "a bug"), ValueError("a bug")])
def test_other_errors_keep_their_traceback(error: Exception) -> None:
    with pytest.raises(type(error)):
        run_program(raising(error))


def test_a_program_that_succeeds_returns() -> None:
    run_program(lambda: None)
