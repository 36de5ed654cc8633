"""The error for input that a person can mend: it names the thing and the fix."""


class InputError(ValueError):
    """Bad input (a path, a parameter, a file); the message says which and how to mend it."""
