"""A program that runs as `python -m`: its exit status, and one-line errors that a user can act on.

Programs are the stages, and modules of pipeline and tracking such as pipeline.preflight.
"""

import os
import sys
from collections.abc import Callable

from lipnet.errors import FaultError, InputError, describe_os_error, may_pass
from lipnet.text import escape_lines
from pipeline.inputs import check_inputs


def run_program(main: Callable[[], None]) -> None:
    """Run `main`; exit 1 with one line for bad input, a full or read-only disk and the like
    ("error: ...") or for a fault that may pass ("fault: ...", which flows retry), 130 when
    interrupted."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # else MLflow warns at length without git
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {escape_lines(str(error))}")
    except FaultError as error:
        sys.exit(f"fault: {escape_lines(str(error))}")
    except KeyboardInterrupt:
        print("interrupted; run the same command again to continue", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        line = describe_os_error(error)
        if not line:
            raise
        sys.exit(f"{'fault' if may_pass(error) else 'error'}: {escape_lines(line)}")


def run_stage(main: Callable[[], None]) -> None:
    """`run_program` for a stage; also exit 1 if its inputs changed while it ran."""

    def run() -> None:
        check_inputs()  # they may have changed while the stage's modules were imported
        main()
        check_inputs()

    run_program(run)
