"""`--help` of programs that run as `python -m`, printed before their slow imports."""

import ast
import sys
from pathlib import Path


def answer_help(package: str, folder: Path) -> None:
    """Print the usage and docstring of the module in `python -m package.module --help`, and exit.

    Returns if Python was started in any other way, or if there is no such module.
    """
    # While Python looks for the module after -m, sys.argv[0] is "-m".
    asked = sys.argv[0] == "-m" and sys.argv[1:] in (["-h"], ["--help"])
    if not asked or sys.orig_argv[-3] != "-m":
        return
    name = sys.orig_argv[-2].removeprefix(f"{package}.")
    source = folder / f"{name}.py"
    if not source.is_file():
        return
    module = ast.parse(source.read_text(encoding="utf-8"))
    usage = f"usage: python -m {package}.{name}"
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "USAGE":
            usage = str(ast.literal_eval(node.value))
    print(f"{usage}\n\n{ast.get_docstring(module)}")
    sys.exit()
