"""The stage `raw`: renders the synthetic corpus, or takes the inventory of one that is there."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import cv2

from cluster.pool import map_shards
from lipnet.code import code_digest
from lipnet.errors import InputError
from lipnet.files import digest_of, write_folder_atomic
from lipnet.sources.inventory import scan_inventory, write_inventory
from lipnet.sources.synthetic.corpus import is_written, plan_corpus, write_clip
from lipnet.sources.synthetic.options import SyntheticOptions
from lipnet.sources.synthetic.render import ClipPlan
from pipeline.command import run_stage
from pipeline.meter import Meter
from pipeline.params import load_params
from pipeline.paths import Paths, source_root
from pipeline.units import move_into_place

# What a clip's bytes depend on besides the options.
CODE = "sources.synthetic.corpus"
CLIPS_A_UNIT = 16


def main() -> None:
    """Fill data/<profile>/raw/: the inventory, and the videos where they are rendered."""
    params = load_params()
    paths = Paths(params.profile)
    if params.source.root or params.synthetic is None:
        count = list_corpus(source_root(params), paths)
    else:
        count = render_corpus(params.synthetic, paths, actors=params.workers.actors)
    print(f"raw: {count} files (or folders of images), listed in {paths.inventory}")


def list_corpus(root: Path, paths: Paths) -> int:
    """Write the inventory of the corpus at `root`; returns how many entries it has."""
    sizes = scan_inventory(root)
    if not sizes:
        raise InputError(
            f"source.root {root} has no folder with files in it; set source.root to the folder "
            "that holds the corpus"
        )
    with write_folder_atomic(paths.raw) as beside:
        write_inventory(beside / paths.inventory.name, sizes)
    return len(sizes)


def render_corpus(options: SyntheticOptions, paths: Paths, *, actors: int = 0) -> int:
    """Render every clip that an interrupted run with the same options did not, then move all into
    place; returns how many files there are."""
    plans = plan_corpus(options)
    state = open_state(options, paths.tmp / "raw")
    videos = state / paths.rendered.name
    waiting = [plan for plan in plans if not is_written(plan, videos)]
    units = [waiting[i : i + CLIPS_A_UNIT] for i in range(0, len(waiting), CLIPS_A_UNIT)]
    make_worker = partial(make_renderer, options, videos.resolve())
    with Meter(len(plans), "raw: clips rendered") as meter:
        meter.advance(len(plans) - len(waiting))
        map_shards(make_worker, units, name="raw", actors=actors, on_result=meter.advance)
    files = [f"{plan.stem}.{kind}" for plan in plans for kind in ("mp4", "txt")]
    write_inventory(
        state / paths.inventory.name, {name: (videos / name).stat().st_size for name in files}
    )
    kept = [f"{paths.rendered.name}/{name}" for name in files]
    move_into_place(state, paths.raw, [*kept, paths.inventory.name])
    return len(files)


def open_state(options: SyntheticOptions, folder: Path) -> Path:
    """Where clips of these options and this code wait until all are there; others' are removed."""
    state = folder / digest_of({"options": asdict(options), "code": code_digest(CODE)})
    for other in folder.iterdir() if folder.is_dir() else ():
        if other != state:
            shutil.rmtree(other)
    state.mkdir(parents=True, exist_ok=True)
    return state


def make_renderer(options: SyntheticOptions, videos: Path) -> Callable[[Sequence[ClipPlan]], int]:
    """A worker that renders a unit of clips and returns how many it did."""
    cv2.setNumThreads(0)  # one core an actor

    def render(plans: Sequence[ClipPlan]) -> int:
        for plan in plans:
            write_clip(plan, options, videos)
        return len(plans)

    return render


if __name__ == "__main__":
    run_stage(main)
