"""TeachSession: what the page of `lipnet teach` shows and changes: words, takes, one training."""
# T frames  H W pixels

import base64
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipnet.data.shrink import Shrink
from lipnet.errors import InputError, describe_os_error
from lipnet.files import write_atomic
from lipnet.lease import lease_device
from lipnet.models.weights import load_card
from lipnet.recipe import Recipe
from lipnet.teach.cropping import RECORDED, crop_take, find_middle, keep_crops
from lipnet.teach.takes import MIN_TAKES, WORK, add_take, check_words, discard_take, list_takes
from lipnet.teach.training import check_start, describe_taught, teach
from lipnet.video.decode import VideoError
from lipnet.web.folder import write_page

KINDS = {0: (b"\x1a\x45\xdf\xa3", ".webm"), 4: (b"ftyp", ".mp4")}  # by their first bytes, and where
INCOMING = "incoming"  # in WORK: recordings that are not takes yet
WRITING = "writing the page"


@dataclass(frozen=True)
class Plan:
    """What is to be taught: the folder, the weights to start from, the file of the model, how many
    takes of each word, epochs (0: by the takes), and where the page that reads is written."""

    root: Path
    start: Path
    out: Path
    takes: int
    epochs: int = 0
    web: Path | None = None

    @property
    def reader(self) -> Path:
        """The folder of the page that reads these words."""
        return self.web or self.root / WORK / "page"


@dataclass
class _Job:
    """What runs in a thread of its own: its stage, the steps that are done, and all of them."""

    stage: str
    done: int = 0
    total: int = 0


@dataclass
class _Outcome:
    """What the last job left: a model as JSON, whether the page was written, or what failed."""

    taught: dict[str, object] | None = None
    has_reader: bool = False
    fault: str = ""


class TeachSession:
    """The words and takes of one folder. Methods may be called by several threads; each raises
    InputError, with nothing changed, for what is not possible now."""

    def __init__(self, plan: Plan, words: Sequence[str] = ()) -> None:
        card = load_card(plan.start)
        self.plan = plan
        self._options = check_start(card, plan.start)
        self._recipe = Recipe.for_input(card.preprocessing)
        self._words = list(words)
        self._lock = threading.RLock()  # one change at a time; also of the landmark model
        self._job: _Job | None = None
        self._thread: threading.Thread | None = None
        self._outcome = _Outcome()

    @property
    def has_reader(self) -> bool:
        """Whether the page that reads the words was written."""
        return self._outcome.has_reader

    def state(self) -> dict[str, object]:
        """What the page shows, as JSON."""
        root, job, outcome = self.plan.root, self._job, self._outcome
        return {
            "words": [{"word": word, "takes": list_takes(root, word)} for word in self._words],
            "wanted": self.plan.takes,
            "minimum": MIN_TAKES,
            "folder": str(root),
            "model": str(self.plan.out),
            "job": job and {"stage": job.stage, "done": job.done, "total": job.total},
            "fault": outcome.fault,
            "taught": outcome.taught,
            "hasReader": outcome.has_reader,
        }

    def set_words(self, words: Sequence[str]) -> None:
        """Replace the words. Takes of others stay in the folder and are not used."""
        named = check_words(words)
        with self._lock:
            self._check_idle()
            self._words = named

    def add(self, word: str, content: bytes) -> dict[str, object]:
        """Crop a recording and keep it as a take: its name, and its middle as the model sees it.

        InputError, with nothing kept, if it cannot be used; it names the reason.
        """
        with self._lock:
            self._check_word(word)
            incoming = self.plan.root / WORK / INCOMING
            recorded = incoming / f"{uuid.uuid4().hex}{find_kind(content)}"
            try:
                with write_atomic(recorded) as temporary:
                    temporary.write_bytes(content)
                crops_THW = crop_take(recorded, self._options, RECORDED)
                keep_crops(recorded, crops_THW, self._options, self.plan.root / WORK / "crops")
                name = add_take(self.plan.root, word, recorded)
            except VideoError as error:
                raise InputError(f"{error.reason}: {error.detail}") from None
            finally:
                recorded.unlink(missing_ok=True)
            seen_THW = show_crops(crops_THW[find_middle(len(crops_THW))], self._recipe)
            frames, size, _ = seen_THW.shape
            pixels = base64.b64encode(seen_THW.tobytes()).decode("ascii")
            return {"name": name, "frames": frames, "size": size, "pixels": pixels}

    def discard(self, word: str, name: str) -> None:
        """Delete one take."""
        with self._lock:
            self._check_word(word)
            discard_take(self.plan.root, word, name)

    def train(self) -> None:
        """Start to train on the takes; `state` has the progress and what comes of it."""
        with self._lock:
            self._check_idle()
            check_words(self._words)
            counts = {word: len(list_takes(self.plan.root, word)) for word in self._words}
            few = [word for word, count in counts.items() if count < MIN_TAKES]
            if few:
                raise InputError(
                    f"{few[0]} has {counts[few[0]]} takes: record at least {MIN_TAKES}"
                )
            self._outcome = _Outcome()
            self._start(_Job("starting"), self._train)

    def write_reader(self) -> None:
        """Start to write the page that reads the words of the model."""
        with self._lock:
            self._check_idle()
            if self._outcome.taught is None:
                raise InputError("there is no model yet: train first")
            self._outcome.fault = ""
            self._start(_Job(WRITING), self._write_reader)

    def wait(self) -> None:
        """Wait for the job that runs, if any."""
        if self._thread is not None:
            self._thread.join()

    def _check_idle(self) -> None:
        if self._job is not None:
            raise InputError("wait until the training is over")

    def _check_word(self, word: str) -> None:
        self._check_idle()
        if word not in self._words:
            raise InputError(f"{word!r} is not one of the words")

    def _start(self, job: _Job, run: Callable[[], None]) -> None:
        def work() -> None:
            try:
                run()
            except InputError as error:
                self._outcome.fault = str(error)
            except OSError as error:
                self._outcome.fault = describe_os_error(error) or str(error)
            except Exception as error:
                self._outcome.fault = f"{type(error).__name__}: {error}"
                raise
            finally:
                self._job = None

        self._job = job
        self._thread = threading.Thread(target=work, name="teach", daemon=True)
        self._thread.start()

    def _train(self) -> None:
        plan = self.plan
        with lease_device():
            taught = teach(
                plan.root,
                plan.start,
                plan.out,
                words=self._words,
                epochs=plan.epochs,
                on_progress=self._note_progress,
            )
        self._outcome.taught = describe_taught(taught)
        if plan.web is not None:
            self._write_reader()

    def _note_progress(self, stage: str, done: int, total: int) -> None:
        self._job = _Job(stage, done, total)

    def _write_reader(self) -> None:
        self._job = _Job(WRITING)
        write_page(self.plan.out, self.plan.reader)
        self._outcome.has_reader = True


def find_kind(content: bytes) -> str:
    """The ending of a recording's file, by its first bytes; InputError if it is not one."""
    for at, (mark, kind) in KINDS.items():
        if content[at : at + len(mark)] == mark:
            return kind
    raise InputError("the recording is not WebM or MP4: use another browser")


def show_crops(crops_THW: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.uint8]:
    """The crops as the model sees them, [T, size, size]: their centre, in its resolution."""
    shrunk_THW = Shrink.for_recipe(recipe)(crops_THW)
    first = (shrunk_THW.shape[1] - recipe.input_size) // 2
    part = slice(first, first + recipe.input_size)
    return np.ascontiguousarray(shrunk_THW[:, part, part])
