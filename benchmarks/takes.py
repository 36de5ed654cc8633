"""How many takes of each word does `lipnet teach` need? Accuracy against takes per word.

On the takes of a folder, or (`--render`) of a rendered speaker: the held-back takes stay the same
while more and more of the others are trained on, from each of the given weights and from scratch,
with several seeds. Intervals resample takes.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.compare import describe_machine
from lipnet.cli.demo import MODEL
from lipnet.cli.evaluate import format_estimate
from lipnet.errors import InputError
from lipnet.labels import BACKGROUND
from lipnet.lineage.generation_run import SilentLineage
from lipnet.lineage.plan import LineagePlan
from lipnet.measure.accuracy import Estimate, accuracy
from lipnet.models.weights import load_card
from lipnet.sources.names import hash_name
from lipnet.sources.synthetic.corpus import encode_movie
from lipnet.sources.synthetic.options import SyntheticOptions
from lipnet.sources.synthetic.render import ClipPlan, render_clip
from lipnet.sources.synthetic.words import DEFAULT_WORDS
from lipnet.spec import ModelSpec
from lipnet.teach.clips import Collected, Cut, balance, collect_clips
from lipnet.teach.training import check_start, make_recipe, read_held_back, train_clips

TAKES = (3, 5, 10, 20, 40)
SCRATCH = "scratch"
RENDERED_WORDS = 10
STILL = 23  # frames before and after the rendered word: a take of three seconds


@dataclass(frozen=True)
class Row:
    """One line of the table: the weights, takes per word that were trained on, and accuracies."""

    start: str
    takes: int
    words: Estimate


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="takes in the layout of `lipnet teach`")
    parser.add_argument("--render", type=int, default=0, metavar="N", help="render N takes first")
    parser.add_argument("--speaker", type=int, default=0, help="of the rendered test speakers")
    parser.add_argument("--takes", default=",".join(map(str, TAKES)), metavar="N,...")
    parser.add_argument("--from", dest="starts", type=Path, nargs="*", default=[MODEL])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=0, help="by default chosen by the clips")
    asked = parser.parse_args()
    print(describe_machine(1))
    if asked.render:
        render_takes(asked.root, asked.render, asked.speaker)
    counts = [int(text) for text in asked.takes.split(",")]
    for row in compare(asked.root, asked.starts, counts, seeds=asked.seeds, epochs=asked.epochs):
        print(f"{row.start:<40} {row.takes:3} takes  {format_estimate(row.words)}", flush=True)


def render_takes(root: Path, takes: int, speaker: int) -> None:
    """Takes of RENDERED_WORDS words by one of the speakers whom no training split has."""
    words = DEFAULT_WORDS[:RENDERED_WORDS]
    options = SyntheticOptions(words=words, pauses=1.0)
    for word in words:
        folder = root / word.lower()
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, takes + 1):
            frames_THWC, _ = render_clip(ClipPlan(word, "test", number, speaker), options)
            before, after = (np.repeat(frames_THWC[at][None], STILL, axis=0) for at in (0, -1))
            movie = np.concatenate([before, frames_THWC, after])
            encode_movie(folder / f"take-{number:03d}.mp4", movie)


def compare(
    root: Path, starts: Sequence[Path], counts: Sequence[int], *, seeds: int, epochs: int
) -> Iterator[Row]:
    """A row for each of the weights, and for none, and for each number of takes."""
    if not starts:
        raise InputError(
            "--from needs a weights file: its spec and input are also those of scratch"
        )
    for start in (*starts, None):
        known = start or starts[0]
        card = load_card(known)
        options = check_start(card, known)
        found = collect_clips(root, options)
        for count in counts:
            chosen = pick_takes(found, count)
            answers: list[NDArray[np.bool_]] = []
            units: list[str] = []
            for seed in range(1, seeds + 1):
                recipe = replace(make_recipe(card, len(chosen.splits["train"]), epochs), seed=seed)
                spec = ModelSpec.parse(card.spec)
                plan = LineagePlan("takes", spec, recipe, generations=0, start=start)
                with TemporaryDirectory() as scratch:
                    silent = SilentLineage()
                    work = Path(scratch)
                    weights = train_clips(plan, chosen, options, work=work, listener=silent)
                    own = read_held_back(weights, chosen)
                word_N = own.names_N != BACKGROUND
                answers.append((own.truth_N == own.read_N)[word_N])
                units += own.units_N[word_N].tolist()
            name = start.stem if start is not None else SCRATCH
            yield Row(name, count, accuracy(np.concatenate(answers), units))


def pick_takes(found: Collected, count: int) -> Collected:
    """The same, with `count` training takes of each word and the pauses of those takes; more takes
    include the fewer. InputError if a word has fewer."""
    by_word: dict[str, list[Cut]] = {}
    for cut in found.splits["train"]:
        if cut.clip.label != BACKGROUND:
            by_word.setdefault(cut.clip.label, []).append(cut)
    few = sorted(word for word, own in by_word.items() if len(own) < count)
    if few:
        have = len(by_word[few[0]])
        raise InputError(
            f"{few[0]} has {have} takes to train on, not {count}: record or render more"
        )
    kept = {
        cut.clip.unit
        for own in by_word.values()
        for cut in sorted(own, key=lambda cut: hash_name(cut.clip.clip_id, 1))[:count]
    }
    train = balance([cut for cut in found.splits["train"] if cut.clip.unit in kept])
    return replace(found, splits={**found.splits, "train": train})


if __name__ == "__main__":
    main()
