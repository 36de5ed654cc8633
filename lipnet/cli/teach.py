"""`lipnet teach`: a model of a person's own words, from a few takes of each."""

import argparse
import json
import shlex
import sys
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from lipnet.cli.demo import MODEL, wait_for_interrupt
from lipnet.cli.evaluate import format_estimate
from lipnet.cli.output import make_printable
from lipnet.cli.unused import refuse_unused
from lipnet.errors import InputError
from lipnet.files import is_same_path
from lipnet.labels import BACKGROUND
from lipnet.text import escape

if TYPE_CHECKING:
    from lipnet.teach.training import HeldBack, Taught

ABOUT = (
    "Opens a page on 127.0.0.1 that records takes of each word with the camera, and trains. Takes "
    "are videos of one word each in DIR/<word>/, 29 frames or more at 25 per second with the "
    "word in the middle; of longer ones, what comes before and after is learned as the background. "
    "Nothing leaves this machine. Needs the extra `mesh`."
)
MODEL_NAME = "taught.safetensors"  # in DIR
TAKES = 15
MENTIONED = 5
BAR = 30  # characters


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb's arguments."""
    verb = verbs.add_parser(
        "teach", help="a model of your own words, from your takes", epilog=ABOUT
    )
    verb.add_argument("root", type=Path, metavar="DIR", help="the folder of the takes")
    verb.add_argument("--words", default="", metavar="A,B,...", help="by default DIR's folders")
    verb.add_argument("--takes", type=int, metavar="N", help=f"of each word (default: {TAKES})")
    verb.add_argument(
        "--from",
        dest="start",
        type=Path,
        metavar="WEIGHTS",
        help="the weights to start from, by default a released model's",
    )
    verb.add_argument(
        "--out", type=Path, metavar="FILE.safetensors", help=f"by default DIR/{MODEL_NAME}"
    )
    verb.add_argument("--epochs", type=int, default=0, help="default: by the number of takes")
    verb.add_argument(
        "--web", type=Path, metavar="PAGE", help="also write the page that reads these words"
    )
    verb.add_argument("--port", type=int, default=0, help="of the page (default: any free one)")
    verb.add_argument("--no-browser", action="store_true", help="print the page's address only")
    what = verb.add_mutually_exclusive_group()
    what.add_argument("--no-page", action="store_true", help="train on the takes that are in DIR")
    what.add_argument(
        "--delete",
        action="store_true",
        help="delete the takes that were recorded in DIR, all crops and its page; models stay",
    )
    verb.add_argument("--json", action="store_true", help="with --no-page: print JSON")
    verb.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Open the page, train, or delete the takes."""
    check_request(parsed)
    act = delete if parsed.delete else train if parsed.no_page else open_page
    act(parsed)


def check_request(parsed: argparse.Namespace) -> None:
    """InputError for options out of range, and for paths that cannot be read or written."""
    from lipnet.teach.takes import MIN_TAKES, check_root

    check_mode(parsed)
    check_root(parsed.root, create=not (parsed.delete or parsed.no_page))
    if parsed.delete:
        return
    if not find_start(parsed).is_file():
        raise InputError(f"--from {find_start(parsed)} does not exist: name a weights file")
    for name, low, high in (("epochs", 0, 1000), ("takes", MIN_TAKES, 999), ("port", 0, 65535)):
        value = getattr(parsed, name)
        if value is not None and not low <= value <= high:
            raise InputError(f"--{name} must be in {low}..{high}, not {value}")
    out = find_out(parsed)
    if out.suffix != ".safetensors" or not out.parent.is_dir():
        raise InputError(f"--out {out}: a .safetensors in a folder that exists")
    if is_same_path(out, find_start(parsed)):
        raise InputError(f"--out {out} has the weights to start from: name another file")
    if parsed.web is not None:
        check_web(parsed.web)


def check_mode(parsed: argparse.Namespace) -> None:
    """InputError for options that the page, the training without it or the deletion ignores."""
    page = {
        "--takes": parsed.takes,
        "--port": parsed.port,
        "--no-browser": parsed.no_browser,
    }
    training = {
        "--words": parsed.words,
        "--from": parsed.start,
        "--out": parsed.out,
        "--epochs": parsed.epochs,
        "--web": parsed.web,
    }
    if parsed.delete:
        options = {**training, **page, "--json": parsed.json}
        refuse_unused(options, "--delete goes with no other option")
    if parsed.no_page:
        refuse_unused(page, "--no-page records no takes")
    elif parsed.json:
        raise InputError("--json needs --no-page")


def check_web(folder: Path) -> None:
    """InputError, before minutes of training, if the page cannot be written afterwards."""
    from lipnet.export.onnx_file import import_onnx
    from lipnet.web.folder import check_folder
    from lipnet.web.runtime import read_runtime

    check_folder(folder)
    read_runtime()
    import_onnx()


def open_page(parsed: argparse.Namespace) -> None:
    """Serve the page that records and trains, until Ctrl+C."""
    from lipnet.teach.server import serve_session
    from lipnet.teach.session import Plan, TeachSession
    from lipnet.teach.takes import list_words, lock_root

    words = split_words(parsed.words) or list_words(parsed.root)
    plan = Plan(
        parsed.root,
        find_start(parsed),
        find_out(parsed),
        takes=parsed.takes or TAKES,
        epochs=parsed.epochs,
        web=parsed.web,
    )
    with (
        lock_root(parsed.root),
        serve_session(TeachSession(plan, words), parsed.port) as address,
    ):
        print(f"{address} is open until Ctrl+C; takes are kept in {parsed.root}", flush=True)
        if not parsed.no_browser:
            webbrowser.open(address)
        wait_for_interrupt()


def find_start(parsed: argparse.Namespace) -> Path:
    """The weights to start from."""
    return Path(parsed.start or MODEL)


def find_out(parsed: argparse.Namespace) -> Path:
    """The file of the model."""
    return Path(parsed.out or parsed.root / MODEL_NAME)


def split_words(text: str) -> list[str]:
    """The words of the option; none for an empty one."""
    from lipnet.teach.takes import check_words

    return check_words(text.split(",")) if text else []


def delete(parsed: argparse.Namespace) -> None:
    """Delete the takes and print what is left."""
    from lipnet.teach.takes import WORK, delete_takes, lock_root

    taught = (parsed.root / WORK).is_dir()
    with lock_root(parsed.root) if taught else nullcontext():
        found = delete_takes(parsed.root)
    print(f"{found.takes} takes deleted, and the crops of all takes")
    if found.others:
        print(make_printable(format_others(found.others)))
    if found.left:
        print(make_printable(f"left in {parsed.root}: {', '.join(map(escape, found.left))}"))


def format_others(takes: Sequence[str]) -> str:
    """The videos that are named like takes and stay, and why."""
    named = ", ".join(map(escape, takes[:MENTIONED]))
    more = f" and {len(takes) - MENTIONED} more" if len(takes) > MENTIONED else ""
    return (
        f"kept: {named}{more}: not in the list of what the page recorded, as are your own videos "
        "and takes of earlier versions"
    )


def train(parsed: argparse.Namespace) -> None:
    """Train on the takes that are there and print what the model reads."""
    from lipnet.lease import lease_device
    from lipnet.teach.takes import lock_root
    from lipnet.teach.training import describe_taught, teach

    with lock_root(parsed.root), lease_device():
        taught = teach(
            parsed.root,
            find_start(parsed),
            find_out(parsed),
            words=split_words(parsed.words),
            epochs=parsed.epochs,
            on_progress=make_bar(),
            on_note=lambda text: print(text, file=sys.stderr),
        )
    lines = [json.dumps(describe_taught(taught))] if parsed.json else format_lines(taught)
    print("\n".join(map(make_printable, lines)))
    write_web(parsed)


def write_web(parsed: argparse.Namespace) -> None:
    """Write the page that reads these words, if it is asked for."""
    if parsed.web is None:
        return
    from lipnet.cli.export import page_lines
    from lipnet.web.folder import write_page

    lines = page_lines(write_page(find_out(parsed), parsed.web))
    print("\n".join(lines), file=sys.stderr if parsed.json else sys.stdout)


def make_bar() -> "Callable[[str, int, int], None]":
    """A bar on standard error; without a terminal, a line for each tenth. Equal counts in a row are
    shown once."""
    shown = ""

    def show(stage: str, done: int, total: int) -> None:
        nonlocal shown
        text = f"{stage} {done} of {total}"
        if text == shown:
            return
        shown = text
        if sys.stderr.isatty():
            filled = BAR * done // max(1, total)
            bar = "#" * filled + "." * (BAR - filled)
            print(f"\r[{bar}] {text} ", end="\n" * (done == total), file=sys.stderr, flush=True)
        elif done * 10 // total > (done - 1) * 10 // total:
            print(text, file=sys.stderr, flush=True)

    return show


def format_lines(taught: "Taught") -> list[str]:
    """What was taught, as lines of text, and how to read."""
    path = shlex.quote(str(taught.path))
    return [
        *format_failures(taught),
        f"{', '.join(f'{count} {name}' for name, count in taught.clips.items())} clips, "
        f"{taught.epochs} epochs",
        *format_held_back(taught.held_back, taught.card.labels),
        f"read a camera: lipnet live --weights {path} --camera 0",
        f"the page of a phone: lipnet export {path} --web page",
    ]


def format_failures(taught: "Taught") -> list[str]:
    """The takes that could not be used."""
    failures = taught.failures
    lines = [
        f"not used: {escape(own.clip_id)}: {own.reason} ({escape(own.detail)})"
        for own in failures[:MENTIONED]
    ]
    more = len(failures) - MENTIONED
    return [*lines, f"not used: {more} more takes"] if more > 0 else lines


def format_held_back(found: "HeldBack", labels: Sequence[str]) -> list[str]:
    """What a model of these labels reads of the takes that it has not seen."""
    none = (
        "pauses  no take that was held back has any"
        if BACKGROUND in labels
        else "no take that was trained on has pauses: the model has no background, and reads a "
        "word at every moment"
    )
    missed = [
        f"{word} ({right} of {all_} read right)"
        for word, (right, all_) in found.per_word.items()
        if right < all_
    ]
    confused = [
        f"{name_label(own.first)} and {name_label(own.second)} ({own.mistaken} of {own.clips})"
        for own in found.confused[:MENTIONED]
    ]
    return [
        "of the takes that were held back:",
        f"words   {format_estimate(found.words)}",
        none if found.pauses is None else f"pauses  {format_estimate(found.pauses)}",
        *([f"missed: {', '.join(missed)}"] if missed else []),
        *([f"confused: {', '.join(confused)}"] if confused else ["confused: none"]),
        "They are of the same sitting as the others: expect less in other light or on another day.",
    ]


def name_label(label: str) -> str:
    """A label as a person reads it."""
    return "pauses" if label == BACKGROUND else label
