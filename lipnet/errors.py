"""The error for input that a person can correct: it names the thing and the fix."""


class InputError(ValueError):
    """Bad input (a path, a parameter, a file); the message names it and the fix."""
