"""The command `lipnet`: what the library does without the pipeline."""

import argparse
import sys
from collections.abc import Sequence

from lipnet.cli import (
    cascade,
    compress,
    cost,
    crop,
    demo,
    doctor,
    embed,
    evaluate,
    export,
    folds,
    import_checkpoint,
    live,
    models,
    read,
    release,
    report,
    teach,
)
from lipnet.cli.output import exit_without_reader
from lipnet.errors import InputError, describe_os_error
from lipnet.text import escape_lines

VERBS = (
    cascade,
    compress,
    cost,
    crop,
    demo,
    doctor,
    embed,
    evaluate,
    export,
    folds,
    import_checkpoint,
    live,
    models,
    read,
    release,
    report,
    teach,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb; bad input ends with exit status 1 and one line, a closed pipe in silence,
    Ctrl+C with 130."""
    parser = argparse.ArgumentParser(prog="lipnet", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for verb in VERBS:
        verb.add_parser(verbs)
    parsed = parser.parse_args(arguments)
    try:
        parsed.run(parsed)
        sys.stdout.flush()
    except BrokenPipeError:
        exit_without_reader()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except InputError as error:
        sys.exit(f"error: {escape_lines(str(error))}")
    except OSError as error:
        line = describe_os_error(error)
        if not line:
            raise
        sys.exit(f"error: {escape_lines(line)}")
