"""The preflight check: estimates the disk space and time of a run, before any long work."""

import configparser
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lipnet.clip import CLIP_FRAMES
from lipnet.errors import InputError
from lipnet.files import digest_of, write_json
from lipnet.sources.discover import discover_clips, find_source
from lipnet.sources.inventory import compare_inventories, read_inventory, scan_inventory
from lipnet.sources.manifest import count_splits, read_summary
from lipnet.spec import ModelSpec
from pipeline.estimate import (
    BYTES_PER_PIXEL,
    RECORDED,
    Corpus,
    Estimate,
    LineageWork,
    Machine,
    estimate,
    format_bytes,
    format_seconds,
    weigh_gmacs,
)
from pipeline.params import Params, load_params
from pipeline.paths import Paths, source_root
from pipeline.program import run_program

WARN_HOURS = 6.0
CALIBRATION_SECONDS = 1.0
REFRESH = "dvc repro --force --single-item raw"


def main() -> None:
    """Print what the profile needs; exit 1 if the disk is too small.

    With `--json PATH`, write the table there and print only its total.
    """
    place = Path(sys.argv[2]) if sys.argv[1:2] == ["--json"] and len(sys.argv) == 3 else None
    params, console = load_params(), Console()
    paths = Paths(params.profile)
    check_corpus(params, paths)
    if params.source.root:
        for line in describe_changes(source_root(params), paths.inventory):
            console.print(line, style="yellow", soft_wrap=True, markup=False)
    corpus = replace(count_corpus(params, paths), bytes_per_pixel=weigh_pixel(params))
    work = list_work(params, corpus.labels, frames=corpus.frames_per_clip)
    recorded = weigh_recordings(params, corpus)
    rows = estimate(corpus, work, measure_machine(), recorded=recorded)
    cells = list_cells(rows)
    if place is None:
        console.print(make_table(cells, params.profile))
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_json(place, cells)
        console.print("all steps: {disk}, {time}".format_map(cells[-1]), markup=False)
    for warning in warn_of_time(rows, on_gpu=has_gpu()):
        console.print(warning, style="yellow", soft_wrap=True, markup=False)
    for warning in warn_of_upload(params):
        console.print(warning, style="yellow", soft_wrap=True, markup=False)
    check_disk(rows, paths, repository=Path())


def check_corpus(params: Params, paths: Paths) -> None:
    """InputError if results were pulled to a machine without the corpus; it names the way on."""
    root = source_root(params)
    if find_source(params.source.name).rendered or root.is_dir() or not paths.results.is_file():
        return
    raise InputError(
        f"the results of {params.profile} are here, but its videos are not (no folder {root}): "
        "for the report and the leaderboard, run `python -m pipeline.leaderboard`; to train, set "
        "source.root to the videos"
    )


def describe_changes(root: Path, inventory: Path) -> list[str]:
    """A warning, as lines, if the corpus differs from its inventory; [] without an inventory."""
    if not inventory.is_file():
        return []
    changes = compare_inventories(read_inventory(inventory), scan_inventory(root))
    if not changes:
        return []
    kinds = {"added": changes.added, "removed": changes.removed, "resized": changes.resized}
    counts = ", ".join(f"{len(v)} {k} (such as {v[0]})" for k, v in kinds.items() if v)
    return [
        f"source.root {root} has changed since {inventory} was made: {counts}",
        f"this run uses the old list of files; to use the new one, first run: {REFRESH}",
        "and then again: make reproduce",
    ]


def count_corpus(params: Params, paths: Paths) -> Corpus:
    """The size of the corpus: from the parameters if it is rendered, else from a manifest of the
    same source, else from the files of the corpus."""
    source = params.source
    adapter = find_source(source.name)
    clip_frames = adapter.frames_per_clip(source.options)
    frames = max(adapter.frames_per_video, clip_frames)
    if not source.root and params.synthetic is not None:
        words = len(params.synthetic.words)
        clips = {split: words * n for split, n in params.synthetic.clips_per_word.items()}
        videos, size = sum(clips.values()), params.crops.size
        return Corpus(videos, frames, clips, words, rendered=True, crop_size=size)
    known = read_counts(paths.manifest, source.name, source.options)
    if known is None:
        found, _ = discover_clips(source.name, source_root(params), source.options)
        known = len({c.video for c in found}), len({c.label for c in found}), count_splits(found)
    videos, labels, clips = known
    return Corpus(
        videos,
        frames,
        clips,
        labels,
        rendered=False,
        ready=adapter.cropped,
        frames_per_clip=clip_frames,
        crop_size=params.crops.size,
    )


def weigh_pixel(params: Params) -> float:
    """Bytes on this disk per stored pixel: 0 if the shards are stored at a URL."""
    kind = params.shards.codec.rstrip("0123456789")
    return 0.0 if params.shards.url else BYTES_PER_PIXEL[kind]


def read_counts(
    folder: Path, source: str, options: Mapping[str, object]
) -> tuple[int, int, dict[str, int]] | None:
    """Videos, labels and clips by split of a manifest; None if there is none of this source."""
    if not (folder / "summary.json").is_file():
        return None
    summary = read_summary(folder)
    if (summary.source, summary.options) != (source, digest_of(dict(options))):
        return None
    clips = {split: size.clips for split, size in summary.splits.items()}
    return summary.videos, summary.labels, clips


def list_work(params: Params, labels: int, *, frames: int = CLIP_FRAMES) -> list[LineageWork]:
    """The lineages of the profile, with the cost of their models on clips of `frames` frames.

    A scratch lineage has one model more than it has born-again generations: g0.
    """

    def weigh(lineage: str, size: int) -> tuple[float, int]:
        return weigh_model(params.spec_of(lineage), labels, frames=frames, size=size)

    works = []
    for lineage, entry in (params.scratch | params.taught).items():
        recipe = params.recipe_of(lineage)
        epochs = max(recipe.epochs, params.initial_recipe_of(lineage).epochs)
        gmacs, parameters = weigh(lineage, recipe.input_size)
        # A teacher sees the same frames as its student.
        taught = lineage in params.taught
        teaching = weigh(params.taught[lineage].teacher, recipe.input_size)[0] if taught else 0.0
        models = entry.generations + (not taught)
        works.append(LineageWork(lineage, gmacs, parameters, models, epochs, teaching))
    return works


def weigh_recordings(params: Params, corpus: Corpus) -> int:
    """Bytes of the teachers' logits that will be recorded for further students."""
    from lipnet.distill.recording import recording_bytes  # imports torch, see weigh_model

    clips = corpus.clips.get("train", 0)
    budget = round(params.compute.record_gib * 2**30)
    needs = [
        recording_bytes(params.recipe_of(group[0]).epochs, clips, corpus.labels)
        for group in params.group_by_teacher_logits()
    ]
    return min(budget, sum(need for need in needs if need <= budget))


def weigh_model(spec: ModelSpec, labels: int, *, frames: int, size: int) -> tuple[float, int]:
    """Weighted gmacs per clip, and the number of parameters, of a spec's model."""
    # Imports torch, which is slow: only after errors in the corpus have been reported.
    from lipnet.measure.cost import cost_of

    cost = cost_of(spec, labels, frames=frames, size=size)
    return weigh_gmacs(cost.gmacs, spec.backbone), cost.params


def has_gpu() -> bool:
    """Whether training will use a CUDA device."""
    import torch

    return torch.cuda.is_available()


def measure_machine() -> Machine:
    """The cores that this process may use, and the measured speed of a 3x3 convolution."""
    import torch

    device = torch.device("cuda" if has_gpu() else "cpu")
    batch, channels, side = 1024 if device.type == "cuda" else 32, 64, 22
    conv = torch.nn.Conv2d(channels, channels, 3, padding=1, device=device)
    maps_NCHW = torch.zeros(batch, channels, side, side, device=device)
    gmacs = batch * channels * channels * 9 * side * side / 1e9
    durations: list[float] = []  # the fastest one counts: others were slowed by other processes
    with torch.inference_mode():
        end = time.perf_counter() + CALIBRATION_SECONDS
        while not durations or time.perf_counter() < end:
            start = time.perf_counter()
            conv(maps_NCHW).sum().item()  # .item() waits for a GPU to finish
            durations.append(time.perf_counter() - start)
    return Machine(count_cores(), gmacs / min(durations), device.type)


def count_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def list_cells(rows: Sequence[Estimate]) -> list[dict[str, str]]:
    """The estimate of each step as text, and their total."""
    disk, seconds = sum(row.disk_bytes for row in rows), sum(row.seconds for row in rows)
    figures = [(row.step, row.disk_bytes, row.seconds) for row in rows] + [("total", disk, seconds)]
    return [
        {"step": step, "disk": format_bytes(size), "time": format_seconds(duration)}
        for step, size, duration in figures
    ]


def make_table(cells: Sequence[Mapping[str, str]], profile: str) -> Table:
    """The estimate as a table to print, the total under a line."""
    table = Table("step", "disk", "time", title=f"Preflight: {profile}, all steps")
    for number, row in enumerate(cells, start=1):
        table.add_row(*row.values(), end_section=number == len(cells) - 1)
    return table


def warn_of_time(rows: Sequence[Estimate], *, on_gpu: bool) -> list[str]:
    """A warning if the run would take more than WARN_HOURS on a CPU."""
    seconds = sum(row.seconds for row in rows)
    if on_gpu or seconds < WARN_HOURS * 3600:
        return []
    return [
        f"this will take up to {format_seconds(seconds)} on this machine's CPU; use a CUDA device, "
        "or reduce the number of epochs, lineages or words"
    ]


def warn_of_upload(params: Params) -> list[str]:
    """A warning if shards.url would receive clips that the corpus's licence may not let leave."""
    if not params.shards.url or find_source(params.source.name).shareable:
        return []
    return [
        f"shards.url: clips of {params.source.name} will be uploaded; the licence of this corpus "
        "is not known to allow that, so make sure that it does, or leave shards.url empty"
    ]


def check_disk(rows: Sequence[Estimate], paths: Paths, *, repository: Path) -> None:
    """InputError if a disk is too small for the outputs that are missing and DVC's copies of them.

    Existing outputs and unfinished ones in the untracked folder count as done.
    """
    folders = {"raw": paths.raw, "landmarks": paths.landmarks, "shards": paths.shards}
    folders |= {"models": paths.models, "logits": paths.logits_val.parent}
    recorded = sum(row.disk_bytes for row in rows if row.step == RECORDED)
    kept = measure_folder(paths.recorded)
    missing = sum(
        max(0, row.disk_bytes - measure_folder(folders[row.step]))
        for row in rows
        if row.step != RECORDED
    )
    missing = max(0, missing - measure_folder(paths.tmp) + kept)
    cache, copies = read_cache(repository)
    needs = [(repository, missing + max(0, recorded - kept))]
    needs += [(cache, missing)] if copies else []  # recordings are not outputs: no copy
    by_disk: dict[int, list[tuple[Path, int]]] = {}
    for place, need in needs:
        place = find_existing(place)
        by_disk.setdefault(place.stat().st_dev, []).append((place, need))
    for shared in by_disk.values():
        check_room(shared[0][0], sum(need for _, need in shared), copies=copies)


def check_room(place: Path, need: int, *, copies: bool) -> None:
    """InputError if the disk that holds `place` has fewer than `need` bytes free."""
    free = shutil.disk_usage(place).free
    if need <= free:
        return
    links = "dvc config cache.type hardlink,symlink"
    advice = f", or let DVC use links instead of copies: {links}" if copies else ""
    raise InputError(
        f"the disk of {place.resolve()} has {format_bytes(free)} free, but about "
        f"{format_bytes(need)} are needed: free some space or use a smaller profile{advice}"
    )


def read_cache(repository: Path) -> tuple[Path, bool]:
    """DVC's cache folder, and whether outputs are copied to it (they are unless it uses links)."""
    settings = configparser.ConfigParser(interpolation=None)
    try:
        settings.read([repository / ".dvc" / "config", repository / ".dvc" / "config.local"])
    except configparser.Error as error:
        raise InputError(f".dvc/config cannot be read: {error}") from error
    kind = settings.get("cache", "type", fallback="reflink,copy").split(",")[0].strip()
    folder = settings.get("cache", "dir", fallback="cache")
    return repository / ".dvc" / folder, kind not in ("hardlink", "symlink")


def measure_folder(folder: Path) -> int:
    """Bytes of all files below a folder; 0 if it does not exist."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def find_existing(place: Path) -> Path:
    """`place` itself, or its nearest ancestor that exists."""
    place = place.absolute()
    return next(parent for parent in (place, *place.parents) if parent.exists())


if __name__ == "__main__":
    run_program(main)
