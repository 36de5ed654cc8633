"""Stage `raw`: renders the synthetic corpus, or makes the inventory of an existing one."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import cv2

from cluster.pool import map_jobs
from lipnet.code import code_digest
from lipnet.errors import InputError
from lipnet.files import digest_of, write_folder_atomic
from lipnet.sources.inventory import Entry, scan_inventory, write_inventory
from lipnet.sources.synthetic.corpus import is_written, plan_corpus, write_clip
from lipnet.sources.synthetic.options import SyntheticOptions
from lipnet.sources.synthetic.render import ClipPlan
from pipeline.meter import Meter
from pipeline.outputs import move_into_place
from pipeline.params import load_params
from pipeline.paths import Paths, source_root
from pipeline.program import run_stage

# The module that decides a clip's bytes, besides the options.
CODE = "sources.synthetic.corpus"
CLIPS_PER_JOB = 16


def main() -> None:
    """Fill data/<profile>/raw/: the inventory, and the videos if they are rendered."""
    params = load_params()
    paths = Paths(params.profile)
    if params.source.root or params.synthetic is None:
        count = list_corpus(source_root(params), paths)
    else:
        count = render_corpus(params.synthetic, paths, actors=params.workers.actors)
    print(f"raw: {count} files (or folders of images), listed in {paths.inventory}")


def list_corpus(root: Path, paths: Paths) -> int:
    """Write the inventory of the corpus at `root`; returns its number of entries."""
    entries = scan_inventory(root)
    if not entries:
        raise InputError(
            f"source.root {root} has no folder with files in it; set source.root to the folder "
            "that holds the corpus"
        )
    with write_folder_atomic(paths.raw) as temporary:
        write_inventory(temporary / paths.inventory.name, entries)
    return len(entries)


def render_corpus(options: SyntheticOptions, paths: Paths, *, actors: int = 0) -> int:
    """Render the clips that no earlier, interrupted run with the same options rendered, and move
    all into place; returns the number of files."""
    plans = plan_corpus(options)
    state = open_state(options, paths.tmp / "raw")
    videos = state / paths.rendered.name
    waiting = [plan for plan in plans if not is_written(plan, videos)]
    jobs = [waiting[i : i + CLIPS_PER_JOB] for i in range(0, len(waiting), CLIPS_PER_JOB)]
    make_worker = partial(make_renderer, options, videos.absolute())
    with Meter(len(plans), "raw: clips rendered") as meter:
        meter.skip(len(plans) - len(waiting))
        map_jobs(make_worker, jobs, name="raw", actors=actors, on_result=meter.advance)
    files = [f"{plan.stem}.{kind}" for plan in plans for kind in ("mp4", "txt")]
    write_inventory(
        state / paths.inventory.name,
        {name: Entry((videos / name).stat().st_size) for name in files},
    )
    kept = [f"{paths.rendered.name}/{name}" for name in files]
    move_into_place(state, paths.raw, [*kept, paths.inventory.name])
    return len(files)


def open_state(options: SyntheticOptions, folder: Path) -> Path:
    """Where clips of these options and this code wait until all are made; others are removed."""
    state = folder / digest_of({"options": asdict(options), "code": code_digest(CODE)})
    for other in folder.iterdir() if folder.is_dir() else ():
        if other != state:
            shutil.rmtree(other)
    state.mkdir(parents=True, exist_ok=True)
    return state


def make_renderer(options: SyntheticOptions, videos: Path) -> Callable[[Sequence[ClipPlan]], int]:
    """A worker that renders the clips of a job and returns their number."""
    cv2.setNumThreads(0)  # one core per actor

    def render(plans: Sequence[ClipPlan]) -> int:
        for plan in plans:
            write_clip(plan, options, videos)
        return len(plans)

    return render


if __name__ == "__main__":
    run_stage(main)
