"""The stages of the graph and the steps beside them: one file each, `python -m stages.<name>`.

What a stage imports takes seconds, so its --help is answered here, before that.
"""

import ast
import sys
from pathlib import Path


def _answer_help(name: str) -> None:
    """Print how the module is run and what it says of itself, and end; return if there is none."""
    source = Path(__file__).with_name(f"{name}.py")
    if not source.is_file():
        return
    module = ast.parse(source.read_text(encoding="utf-8"))
    usage = f"usage: python -m stages.{name}"
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "USAGE":
            usage = str(ast.literal_eval(node.value))
    print(f"{usage}\n\n{ast.get_docstring(module)}")
    sys.exit()


# While Python looks for the module that follows -m, sys.argv begins with that.
if sys.argv[0] == "-m" and sys.argv[1:] in (["-h"], ["--help"]) and sys.orig_argv[-3] == "-m":
    _answer_help(sys.orig_argv[-2].removeprefix("stages."))
