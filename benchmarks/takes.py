"""How many takes of each word does `lipnet teach` need? Accuracy against takes per word.

Ten digits by GRID's speaker s1, and ten words by rendered speakers of whom no training has clips:
from scratch, from weights that know other words, and from weights of other speakers. The takes that
are held back stay the same while more and more of the others are trained on. Each training is a
file in DIR/results, so that an interrupted study continues; several processes must not share DIR.
`python -m benchmarks.takes_page DIR` makes docs/results/teach.md of them.
"""

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.compare import describe_machine
from benchmarks.takes_sets import (
    TAKES,
    TRAIN_SPEAKERS,
    TRAIN_TAKES,
    cut_digits,
    cut_other_words,
    render_takes,
)
from lipnet.cli.demo import MODEL
from lipnet.crops.crop import CropOptions
from lipnet.errors import InputError
from lipnet.files import write_atomic
from lipnet.labels import BACKGROUND
from lipnet.lineage.generation_run import SilentLineage
from lipnet.lineage.plan import LineagePlan
from lipnet.models.weights import ModelCard, load_card
from lipnet.sources.names import hash_name
from lipnet.spec import ModelSpec
from lipnet.teach.clips import Collected, Cut, balance, collect_clips
from lipnet.teach.training import check_start, make_recipe, read_held_back, train_clips

COUNTS = (3, 5, 10, 20, 40)
SEEDS = 3
SCRATCH = "scratch"
# Clips that a training sees in all, and its epochs at least and at most. `lipnet teach` sees 4,000
# and has 12 to 60 epochs; these are fewer so that the study takes about three hours of one core.
CLIPS = 2800
EPOCHS = (4, 60)
CHOOSING = 3  # takes of each word that choose the epoch, as of 15 to 20 takes in all
RELEASED = "released"
FIRST_RELEASED = "grid_release-sn05-tcn1-g0"  # of the first results, which name no weights
# Clips that the starting weights trained here see. With 6,000, tried first, they were no better
# than random weights.
START_CLIPS = 30_000


@dataclass(frozen=True)
class TakeSet:
    """Takes to learn from: the folder for each seed, and the weights to start from."""

    folders: Sequence[str]
    starts: Sequence[str]


SETS: Mapping[str, TakeSet] = {
    "s1": TakeSet(("s1-digits",) * SEEDS, (SCRATCH, "s1-words", "rendered")),
    "rendered": TakeSet(
        tuple(f"speaker-{seed}" for seed in range(SEEDS)), (SCRATCH, "released", "rendered")
    ),
}


@dataclass(frozen=True)
class Cell:
    """One training of the study; `seed` counts from 1."""

    takes: str  # a key of SETS
    start: str
    count: int
    seed: int

    @property
    def name(self) -> str:
        """The name of its file, without the ending."""
        return f"{self.takes}-from-{self.start}-{self.count:02d}-{self.seed}"


@dataclass(frozen=True)
class Result:
    """What a training of a cell read: of each held-back word its take and whether it was read
    right; of its pauses how many were, and all; what the training took; and the name of the weights
    that it started from, if any."""

    units: Sequence[str]
    right: Sequence[bool]
    pauses: tuple[int, int]
    epochs: int
    clips: int
    cpu_seconds: float
    start: str = ""


def main() -> None:
    """Train what is missing, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="of takes, weights and results")
    parser.add_argument("--grid", type=Path, help="the folder of GRID, for the takes of s1")
    parser.add_argument("--sets", default=",".join(SETS), metavar="NAME,...")
    parser.add_argument("--counts", default=",".join(map(str, COUNTS)), metavar="N,...")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"at most {SEEDS}")
    parser.add_argument("--plan", action="store_true", help="print what is missing, train nothing")
    asked = parser.parse_args()
    counts = [int(text) for text in asked.counts.split(",")]
    cells = plan_cells(asked.sets.split(","), counts, asked.seeds)
    missing = [cell for cell in cells if not find_result(asked.folder, cell).is_file()]
    print(
        f"{describe_machine(1)}; {len(missing)} of {len(cells)} trainings are missing", flush=True
    )
    for cell in missing:
        if asked.plan:
            print(cell.name)
            continue
        result = measure(asked.folder, cell, asked.grid)
        write_result(find_result(asked.folder, cell), result)
        print(
            f"{cell.name:<28} {sum(result.right)} of {len(result.right)} right, {result.epochs} "
            f"epochs of {result.clips} clips, {result.cpu_seconds:.0f} s of CPU time",
            flush=True,
        )


def plan_cells(names: Sequence[str], counts: Sequence[int], seeds: int) -> list[Cell]:
    """Every training, one seed after the other; InputError for a set or seed that is not there."""
    unknown = sorted(set(names) - set(SETS))
    if unknown or not 1 <= seeds <= SEEDS:
        raise InputError(f"sets are {', '.join(SETS)}, and seeds 1 to {SEEDS}")
    return [
        Cell(name, start, count, seed)
        for seed, name in product(range(1, seeds + 1), names)
        for start, count in product(SETS[name].starts, counts)
    ]


def find_result(folder: Path, cell: Cell) -> Path:
    """The file of a cell's result."""
    return folder / "results" / f"{cell.name}.json"


def write_result(path: Path, result: Result) -> None:
    """Write it as JSON."""
    with write_atomic(path) as temporary:
        temporary.write_text(json.dumps(asdict(result)), encoding="utf-8")


def measure(folder: Path, cell: Cell, grid: Path | None) -> Result:
    """Train a cell, and read what is held back."""
    takes = make_takes(folder, SETS[cell.takes].folders[cell.seed - 1], grid)
    start = make_start(folder, cell.start, grid)
    chosen = pick_takes(collect(takes), cell.count)
    clips = len(chosen.splits["train"])
    epochs = choose_epochs(clips, CLIPS)
    before = time.process_time()
    with TemporaryDirectory() as scratch:
        weights = train(chosen, start, epochs, seed=cell.seed, work=Path(scratch))
        own = read_held_back(weights, chosen)
    right_N, word_N = own.truth_N == own.read_N, own.names_N != BACKGROUND
    return Result(
        units=[f"{takes.name}/{unit}" for unit in own.units_N[word_N].tolist()],
        right=right_N[word_N].tolist(),
        pauses=(int(right_N[~word_N].sum()), int((~word_N).sum())),
        epochs=epochs,
        clips=clips,
        cpu_seconds=time.process_time() - before,
        start=start.stem if start else "",
    )


def make_takes(folder: Path, name: str, grid: Path | None) -> Path:
    """The folder of takes of that name, written if it is not there."""
    path = folder / "takes" / name
    kind, _, speaker = name.partition("-")
    if kind == "speaker":
        render_takes(path, "test", [int(speaker)], TAKES)
    elif kind == "rendered":
        render_takes(path, "train", range(TRAIN_SPEAKERS), TRAIN_TAKES)
    elif not path.is_dir():
        if grid is None:
            raise InputError("the takes of s1 are cut from GRID: name its folder by --grid")
        (cut_digits if speaker == "digits" else cut_other_words)(grid, path)
    return path


def make_start(folder: Path, name: str, grid: Path | None) -> Path | None:
    """The weights of that name, trained if they are not there; none for SCRATCH."""
    if name == SCRATCH:
        return None
    if name == RELEASED:
        return MODEL
    path = folder / "weights" / f"{name}-{START_CLIPS}.safetensors"
    if not path.is_file():
        found = collect(make_takes(folder, name, grid))
        epochs = choose_epochs(len(found.splits["train"]), START_CLIPS)
        with TemporaryDirectory() as scratch, write_atomic(path) as temporary:
            trained = train(found, None, epochs, seed=1, work=Path(scratch))
            temporary.write_bytes(trained.read_bytes())
    return path


def choose_epochs(clips: int, in_all: int) -> int:
    """Epochs in which a training sees about `in_all` clips."""
    low, high = EPOCHS
    return min(high, max(low, round(in_all / clips)))


@lru_cache(maxsize=2)
def collect(takes: Path) -> Collected:
    """The windows of a folder of takes; crops are kept there."""
    return collect_clips(takes, crop_options())


@lru_cache(maxsize=1)
def read_card() -> ModelCard:
    """The released model's card: its spec and input are those of every training."""
    return load_card(MODEL)


def crop_options() -> CropOptions:
    """How takes are cropped."""
    return check_start(read_card(), MODEL)


def train(found: Collected, start: Path | None, epochs: int, *, seed: int, work: Path) -> Path:
    """Train as `lipnet teach` does; the path of the weights, in `work`."""
    card = read_card()
    recipe = replace(make_recipe(card, len(found.splits["train"]), epochs), seed=seed)
    plan = LineagePlan("takes", ModelSpec.parse(card.spec), recipe, generations=0, start=start)
    return train_clips(plan, found, crop_options(), work=work, listener=SilentLineage())


def pick_takes(found: Collected, count: int) -> Collected:
    """The same, with `count` training takes of each word, CHOOSING takes of each to choose the
    epoch by, and the pauses of those takes; more takes include the fewer. InputError if a word has
    fewer training takes."""
    own = Counter(cut.clip.label for cut in found.splits["train"])
    few = sorted(word for word, have in own.items() if word != BACKGROUND and have < count)
    if few:
        raise InputError(f"{few[0]} has {own[few[0]]} takes to train on, not {count}")
    train, val = (
        _keep(found.splits[name], kept) for name, kept in (("train", count), ("val", CHOOSING))
    )
    return replace(found, splits={**found.splits, "train": train, "val": val})


def _keep(cuts: Sequence[Cut], count: int) -> list[Cut]:
    """The first `count` takes of each word in an order by their names' digests."""
    by_word: dict[str, list[Cut]] = defaultdict(list)
    for cut in sorted(cuts, key=lambda cut: hash_name(cut.clip.clip_id, 1)):
        if cut.clip.label != BACKGROUND:
            by_word[cut.clip.label].append(cut)
    kept = {cut.clip.unit for own in by_word.values() for cut in own[:count]}
    return balance([cut for cut in cuts if cut.clip.unit in kept])


if __name__ == "__main__":
    main()
