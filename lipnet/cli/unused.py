"""Options that a verb accepts, but does not use with the others that were given."""

from collections.abc import Mapping

from lipnet.errors import InputError


def refuse_unused(options: Mapping[str, object], why: str) -> None:
    """InputError that states why, if any of these options has a value."""
    given = [name for name, value in options.items() if value]
    if given:
        raise InputError(f"{why}: leave out {', '.join(given)}")
