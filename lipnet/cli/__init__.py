"""The verbs of the command `lipnet`, one module each: `add_parser` declares it, `run` does it.

torch takes seconds to import, so a module here imports what it needs when it runs.
"""
