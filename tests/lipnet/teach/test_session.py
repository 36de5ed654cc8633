"""A session: what is kept of a recording, what is refused, and a training in the background."""

import base64
import threading
from pathlib import Path

import numpy as np
import pytest

from lipnet.errors import InputError
from lipnet.models.weights import load_card
from lipnet.recipe import Recipe
from lipnet.teach import session as module
from lipnet.teach.cropping import crop_once, find_middle
from lipnet.teach.session import Plan, TeachSession, show_crops
from lipnet.teach.takes import WORK, list_takes
from lipnet.teach.training import Progress, check_start
from tests.lipnet.teach.conftest import TAKES


@pytest.fixture
def session(takes: Path, released: Path) -> TeachSession:
    plan = Plan(takes, released, takes / "taught.safetensors", takes=5, epochs=1)
    return TeachSession(plan, ["bark", "family"])


@pytest.mark.slow
def test_a_recording_is_kept_with_its_crops(
    session: TeachSession, recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, start = session.plan.root, session.plan.start
    answer = session.add("bark", (recorded / "bark" / "take-001.mp4").read_bytes())
    name = f"take-{TAKES + 1:03d}.mp4"
    assert answer["name"] == name
    assert list_takes(root, "bark")[-1] == name
    options = check_start(load_card(start), start)
    monkeypatch.setattr("lipnet.teach.cropping.crop_take", None)  # they were kept
    crops_THW = crop_once(root / "bark" / name, options, root / WORK / "crops")
    recipe = Recipe.for_input(load_card(start).preprocessing)
    seen_THW = show_crops(crops_THW[find_middle(len(crops_THW))], recipe)
    shown = np.frombuffer(base64.b64decode(str(answer["pixels"])), np.uint8)
    assert (answer["frames"], answer["size"]) == (29, recipe.input_size) == seen_THW.shape[:2]
    np.testing.assert_array_equal(shown, seen_THW.ravel())
    session.discard("bark", name)
    assert len(list_takes(root, "bark")) == TAKES


@pytest.mark.parametrize(
    ("word", "content", "error"),
    [
        ("bark", b"\x1a\x45\xdf\xa3 cut off", "unreadable: no video stream found"),
        ("bark", b"", "not WebM or MP4"),
        ("bark", b"GIF89a", "not WebM or MP4"),
        ("../bark", b"\x1a\x45\xdf\xa3", "is not one of the words"),
        ("meow", b"\x1a\x45\xdf\xa3", "is not one of the words"),
    ],
)
def test_nothing_is_kept_of_what_is_not_a_take(
    session: TeachSession, word: str, content: bytes, error: str
) -> None:
    with pytest.raises(InputError, match=error):
        session.add(word, content)
    root = session.plan.root
    assert [len(list_takes(root, own)) for own in ("bark", "family")] == [TAKES, TAKES]
    assert not [path for path in (root / WORK).rglob("*") if path.is_file()]


def test_words_are_checked_and_takes_of_others_stay(session: TeachSession) -> None:
    with pytest.raises(InputError, match="name each once"):
        session.set_words(["yes", "YES"])
    session.set_words(["family", " no "])
    assert session.state()["words"] == [
        {"word": "family", "takes": list_takes(session.plan.root, "family")},
        {"word": "no", "takes": []},
    ]
    with pytest.raises(InputError, match="no has 0 takes: record at least 3"):
        session.train()
    assert len(list_takes(session.plan.root, "bark")) == TAKES


def test_one_job_at_a_time_and_its_outcome(
    session: TeachSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    going = threading.Event()

    def teach(*given: object, on_progress: Progress, **settings: object) -> str:
        on_progress("training", 1, 2)
        assert going.wait(60)
        return "a model"

    monkeypatch.setattr(module, "teach", teach)
    monkeypatch.setattr(module, "describe_taught", lambda taught: {"path": taught})
    with pytest.raises(InputError, match="there is no model yet"):
        session.write_reader()
    session.train()
    with pytest.raises(InputError, match="wait until the training is over"):
        session.add("bark", b"\x1a\x45\xdf\xa3")
    with pytest.raises(InputError, match="wait until the training is over"):
        session.train()
    going.set()
    session.wait()
    state = session.state()
    assert (state["job"], state["fault"], state["taught"]) == (None, "", {"path": "a model"})
    monkeypatch.setattr(module, "write_page", _refuse)
    session.write_reader()
    session.wait()
    assert session.state()["fault"] == "no runtime"
    monkeypatch.setattr(module, "write_page", lambda weights, folder: folder.mkdir(parents=True))
    session.write_reader()
    session.wait()
    assert (session.state()["hasReader"], session.state()["fault"]) == (True, "")
    assert session.plan.reader.is_dir()


def _refuse(*_: object) -> None:
    raise InputError("no runtime")


def test_what_fails_in_the_background_is_reported(
    session: TeachSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def teach(*given: object, **settings: object) -> None:
        raise InputError("no takes: record some")

    monkeypatch.setattr(module, "teach", teach)
    session.train()
    session.wait()
    assert session.state()["fault"] == "no takes: record some"
    assert session.state()["job"] is None
