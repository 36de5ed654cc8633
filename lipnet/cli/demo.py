"""`lipnet demo`: the page that reads lips, with a released model, in this machine's browser."""

import argparse
import tempfile
import time
import webbrowser
from pathlib import Path

from lipnet.cli.face import add_face
from lipnet.errors import InputError

RELEASED = Path(__file__).resolve().parents[2] / "data" / "released"  # of a checkout
MODEL = RELEASED / "grid_release-sn05-tcn1-long-g0.safetensors"
EXAMPLE = RELEASED / "example.mp4"
ABOUT = (
    "Writes the page to a temporary folder and serves it on 127.0.0.1 until Ctrl+C. Needs the "
    "extras `export` and `mesh`, and `make web`."
)


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb's arguments."""
    verb = verbs.add_parser("demo", help="read lips in this machine's browser", epilog=ABOUT)
    verb.add_argument("--weights", type=Path, default=MODEL, help="by default a released model")
    verb.add_argument(
        "--example", type=Path, default=EXAMPLE, metavar="VIDEO", help="that the page offers"
    )
    verb.add_argument("--port", type=int, default=0, help="by default any free one")
    verb.add_argument("--no-browser", action="store_true", help="print the address only")
    add_face(verb)
    verb.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Write the page, serve it, open it and wait for Ctrl+C."""
    from lipnet.web.folder import write_page
    from lipnet.web.server import serve_folder

    for name in ("weights", "example"):
        path = getattr(parsed, name)
        if not path.is_file():
            raise InputError(f"--{name} {path} does not exist: name another file")
    if not 0 <= parsed.port < 2**16:
        raise InputError(f"--port must be in 0..{2**16 - 1}, not {parsed.port}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "page"
        print("making the page (some seconds)", flush=True)
        write_page(parsed.weights, folder, face=parsed.face, example=parsed.example)
        with serve_folder(folder, parsed.port) as address:
            print(f"{address} is open until Ctrl+C", flush=True)
            if not parsed.no_browser:
                webbrowser.open(address)
            wait_for_interrupt()


def wait_for_interrupt() -> None:
    """Return on Ctrl+C."""
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        print()
