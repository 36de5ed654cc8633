"""How every stage starts and ends: one clear line for what a person can mend, never a traceback."""

import errno
import os
import sys
from collections.abc import Callable

from lipnet.errors import InputError


def run_stage(main: Callable[[], None]) -> None:
    """Run `main`; exit 1 with one line for bad input or a full disk, 130 when interrupted."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        line = describe_full_disk(error)
        if not line:
            raise
        sys.exit(f"error: {line}")


def describe_full_disk(error: OSError) -> str:
    """The line for a person where the disk is full; "" for any other error."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return ""
    place = error.filename or os.getcwd()
    return f"no space left on the disk that holds {place}; free some and run it again"
