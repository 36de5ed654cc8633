"""Landmarks and shards of a small corpus: made once undisturbed, and then under faults."""

import random
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tests.e2e.checkout import Checkout
from tests.e2e.faults import kill_actor, kill_group, on_small_disk, wait_until
from tests.stages.working import tree_of

STAGES = ("landmarks", "shards")
SETTINGS = ("landmarks.videos_per_shard=4", "shards.clips_per_shard=4")
UNITS = 12  # in each of the two stages
START_SECONDS = 6.0  # Ray takes about so long before the first unit is begun
UNIT_SECONDS = 0.4
TOO_LATE = 5  # draws of a moment after which a stage that was always faster is an error


class Preprocessing:
    """A checkout with the corpus rendered, in which the two stages run."""

    def __init__(self, place: Path) -> None:
        self.checkout = Checkout(place)
        self.data = place / "data/tiny"

    @classmethod
    def undisturbed(cls, place: Path) -> "Preprocessing":
        """The corpus rendered and both stages done, without Ray."""
        Checkout.create(place)
        made = cls(place)
        made.checkout.run("pipeline.profile", "tiny", *SETTINGS)
        for stage in ("raw", "manifest", *STAGES):
            made.checkout.run(f"stages.{stage}")
        for stage in STAGES:
            assert len(list((made.data / stage).rglob("[0-9]*.json"))) == UNITS
        return made

    def fork(self, place: Path, stage: str, *, actors: int = 2) -> "Preprocessing":
        """Another checkout with all that `stage` needs, and that many actors."""
        Checkout.create(place)
        other = Preprocessing(place)
        shutil.copy(self.checkout.place / "params.yaml", place)
        other.use_actors(actors)
        for folder in ("manifest", *STAGES[: STAGES.index(stage)]):
            shutil.copytree(self.data / folder, other.data / folder)
        (other.data / "raw").symlink_to(self.data / "raw")
        return other

    def start(self, stage: str, **environment: str) -> subprocess.Popen[str]:
        """Start one of the two stages."""
        return self.checkout.start(f"stages.{stage}", **environment)

    def use_actors(self, actors: int) -> None:
        """Change the profile's number of actors: 1 is the stage's own process, without Ray."""
        path = self.checkout.place / "params.yaml"
        text, changes = re.subn(
            r"(?m)^  actors: \d+$", f"  actors: {actors}", path.read_text("utf-8")
        )
        assert changes == 1
        path.write_text(text, "utf-8")

    def finish(self, stage: str) -> None:
        """Run the stage and what comes after it, to the end."""
        for following in STAGES[STAGES.index(stage) :]:
            self.checkout.run(f"stages.{following}")
            self.use_actors(1)  # the stages after it are not what is tried

    def count_units(self, stage: str) -> int:
        """How many units lie finished, waiting for the others."""
        state = self.data.parent / "tmp/tiny" / stage
        return len(list(state.rglob("[0-9]*.json")))

    def outputs(self) -> dict[str, bytes]:
        """Every file of the two stages' outputs."""
        trees = {stage: tree_of(self.data / stage) for stage in STAGES}
        return {f"{stage}/{name}": b for stage, tree in trees.items() for name, b in tree.items()}

    def size_of(self, stage: str) -> int:
        """Bytes of a stage's output."""
        return sum(len(content) for content in tree_of(self.data / stage).values())


def reach_moment(
    made: Preprocessing, stage: str, process: subprocess.Popen[str], draw: random.Random
) -> str:
    """Wait for a random moment of a running stage; what it was, or "" where the stage ended."""
    done = draw.randrange(UNITS)
    pause = draw.uniform(0, UNIT_SECONDS) if done else draw.uniform(0, START_SECONDS)
    if not wait_until(lambda: made.count_units(stage) >= done, process):
        return ""
    try:
        process.wait(pause)
    except subprocess.TimeoutExpired:
        return f"{pause:.2f} s after unit {done} of {UNITS}"
    return ""


def fail_group(made: Preprocessing, stage: str, draw: random.Random) -> str:
    """The whole stage is killed; "" where it was done before."""
    process = made.start(stage)
    moment = reach_moment(made, stage, process, draw)
    if not moment:
        process.communicate()
        return ""
    kill_group(process)
    made.finish(stage)
    return moment


def fail_actor(made: Preprocessing, stage: str, draw: random.Random) -> str:
    """One actor is killed, and the stage must not end for that."""
    process = made.start(stage)
    moment = reach_moment(made, stage, process, draw)
    killed = moment and kill_actor(process, draw)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    if stage != STAGES[-1]:
        made.use_actors(1)
        made.finish(STAGES[-1])
    return moment if killed else ""


def fill_disk(made: Preprocessing, stage: str, draw: random.Random, size: int) -> str:
    """The disk has room for a part of the output only, and for all of it at the second try."""
    room = int(draw.uniform(0.05, 0.95) * size / 1024)
    commands = [
        shlex.join([sys.executable, "-m", f"stages.{name}"])
        for name in (stage, *STAGES[STAGES.index(stage) :])
    ]
    process = made.checkout.start_program(on_small_disk(made.data.parent, room, *commands))
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert "first ended 1" in output, output
    assert "no space left on the disk" in output, output
    assert "Traceback" not in output, output
    return f"room for {room} of {size // 1024} KiB"


def disturb(calm: Preprocessing, place: Path, *, fault: str, stage: str, seed: str) -> str:
    """Inject the fault at a random moment and run it again until its outputs are there.

    Returns what was done; AssertionError if outputs differ from the undisturbed ones.
    """
    draw = random.Random(seed)
    for number in range(TOO_LATE):
        made = calm.fork(place / str(number), stage)
        if fault == "full disk":
            moment = fill_disk(made, stage, draw, calm.size_of(stage))
        else:
            inject = {"kill -9": fail_group, "lost actor": fail_actor}[fault]
            moment = inject(made, stage, draw)
        if moment:
            outputs, wanted = made.outputs(), calm.outputs()
            assert sorted(outputs) == sorted(wanted)
            assert [name for name in wanted if outputs[name] != wanted[name]] == []
            return f"{fault} in {stage}, {moment}"
    raise AssertionError(f"{stage} ended {TOO_LATE} times before the fault")
