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
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        place = error.filename or os.getcwd()
        sys.exit(f"error: no space left on the disk that holds {place}; free some and run it again")
