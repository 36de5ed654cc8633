"""A session: a stream through a reader and a reporter, update by update."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from lipnet.live.camera import ReadAhead, Stamped
from lipnet.live.frames import RateCheck, TimedFrame, describe_rate, resample
from lipnet.live.reader import LiveReader, Step
from lipnet.live.spotter import Event, Reading, Reporter, find_words
from lipnet.video.decode import Decoding

QUIET = 0.6  # seconds without a likely word, after which nothing is spoken


@dataclass(frozen=True, eq=False)
class Update:
    """What a frame brought: its step, new events, and whether silence starts here. The last update
    of a stream has no step."""

    step: Step | None
    events: list[Event]
    is_quiet: bool = False


def run_session(
    frames: Iterable[TimedFrame], reader: LiveReader, reporter: Reporter, quiet: "QuietWatch"
) -> Iterator[Update]:
    """Read a stream to its end. If the face is lost, what was spoken until then is reported."""
    for frame in frames:
        step = reader.push(frame)
        events = reporter.interrupt() if step.is_fresh else []
        if step.reading is not None:
            events += reporter.push(step.reading)
        yield Update(step, events, quiet.push(step.reading, events))
    yield Update(None, reporter.finish())


class QuietWatch:
    """Notices when no word was likely for QUIET seconds: once, until there is a word again."""

    def __init__(self, labels: list[str], threshold: float) -> None:
        self._words_K = find_words(labels)
        self._threshold = threshold
        self._since: float | None = None
        self._is_quiet = False

    def push(self, reading: Reading | None, events: list[Event]) -> bool:
        """Whether it is quiet since this reading."""
        if reading is None:
            return False
        best = float(reading.probabilities_K[self._words_K].max(initial=0.0))
        if events or best >= self._threshold or self._since is None:
            self._since, self._is_quiet = reading.middle, False
            return False
        if self._is_quiet or reading.middle - self._since < QUIET:
            return False
        self._is_quiet = True
        return True


def check_file_rate(
    frames: Iterable[TimedFrame], found: Decoding, report: Callable[[str], None]
) -> Iterator[TimedFrame]:
    """The same frames of a file; `report` gets a line if it has too few of its own."""
    for number, frame in enumerate(frames):
        if number == 50:  # two seconds
            line = describe_rate(found.frames / 2)
            if line:
                report(line)
        yield frame


def read_ahead(stamped: Iterable[Stamped], report: Callable[[str], None]) -> Iterator[TimedFrame]:
    """A camera's frames at 25 per second, read in a thread; `report` gets a line if the camera
    gives too few, and one when this machine drops some."""
    return resample(ReadAhead(_check_camera_rate(stamped, report), report))


def _check_camera_rate(
    stamped: Iterable[Stamped], report: Callable[[str], None]
) -> Iterator[Stamped]:
    check = RateCheck()
    for seconds, frame in stamped:
        line = check.count(seconds)
        if line:
            report(line)
        yield seconds, frame
