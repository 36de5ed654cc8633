"""The preflight check: estimates the disk space and time of a run, before any long work.

Without options: of the profile in params.yaml, on this machine; exits 1 if the disk is too small.
For a corpus that is not here yet: --clips TRAIN/VAL/TEST and --labels N give its size; --profile
NAME with KEY=VALUE changes plans another profile than that of params.yaml, which stays as it is.
--gpu NAME estimates a machine with such a GPU, --rate GMACS one whose rate this command printed
there, --doctor REPORT one that `lipnet doctor` measured; --cores N of it, if it has a GPU; --gpus N
adds the time on N GPUs, by `make flow`. --json PATH writes the table there and prints only its
total.
pipeline.projection has the hours of all profiles.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from lipnet.doctor.rates import read_rates
from lipnet.errors import InputError
from lipnet.files import write_json
from lipnet.how import How
from lipnet.sources.discover import find_source
from lipnet.sources.inventory import compare_inventories, read_inventory, scan_inventory
from pipeline.disk import check_disk
from pipeline.estimate import (
    DECODED,
    RECORDED,
    STORED,
    Corpus,
    Machine,
    estimate,
    format_seconds,
)
from pipeline.machine import (
    GPU_CORES,
    Rated,
    count_gpus,
    rate_given,
    rate_gpu,
    rate_this_machine,
)
from pipeline.named_files import describe_files, is_recorded, read_recorded
from pipeline.params import Params, load_params
from pipeline.paths import Paths, source_root
from pipeline.plan_table import Plan, list_cells, make_table, time_on, time_remaining
from pipeline.program import run_program
from pipeline.reported import rate_reported
from pipeline.sections import Source, find_start
from pipeline.work import (
    add_operations,
    check_cascades,
    count_corpus,
    find_stored,
    list_work,
    plan_corpus,
    weigh_decoded,
    weigh_pixel,
    weigh_recordings,
    weigh_stored,
)

USAGE = (
    "usage: python -m pipeline.preflight [--json PATH] [--profile NAME [KEY=VALUE ...]] "
    "[--clips TRAIN/VAL/TEST --labels N] [--gpu NAME | --rate GMACS | --doctor REPORT] [--cores N] "
    "[--gpus N]"
)
WARN_HOURS = 6.0
EXPORT = ("onnx", "onnxruntime", "onnxscript")  # the extra of this name
REFRESH = "dvc repro --force --single-item raw"


def main() -> None:
    """Print what the profile needs, and check that there is room for it."""
    asked, console = read_arguments(sys.argv[1:]), Console()
    params = find_params(asked)
    paths = Paths(params.profile)
    is_planned = asked.clips is not None
    check_extras(params)
    if not is_planned:
        check_corpus(params, paths)
        if asked.profile is None:
            check_starts(params, paths)
        if params.source.root:
            recorded = read_recorded("raw", paths.raw).get("source")
            if recorded is None or is_recorded(Source, recorded, params.source):
                root = source_root(params)
                warn(console, describe_changes(root, paths.inventory, recorded=bool(recorded)))
        warn(console, describe_files(params, paths))
    rated = rate_machine(asked)
    if is_planned:
        corpus = plan_corpus(params, asked.clips, asked.labels)
    else:
        corpus = count_corpus(params, paths)
    plan = make_plan(params, corpus, rated.machine, None if is_planned else paths)
    cells = list_cells(plan)
    if asked.json is None:
        console.print(make_table(cells, params.profile))
        for line in (f"rate: {rated.origin}", *describe_gpus(plan, asked, params.compute.workers)):
            console.print(line, soft_wrap=True, markup=False, highlight=False)
    else:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        write_json(asked.json, cells)
        console.print("all steps: {disk}, {time}".format_map(cells[-1]), markup=False)
    warn(console, warn_of_time(sum(plan.left), on_gpu=rated.machine.device == "cuda"))
    warn(console, warn_of_upload(params))
    if asked.is_here and not is_planned:
        kept = {DECODED: params.workers.cache_folder, STORED: find_stored(params)}
        check_disk(plan.rows, paths, repository=Path(), kept=kept)


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; `is_here` is whether the estimate is for this machine."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.preflight", usage=USAGE)
    parser.add_argument("changes", nargs="*")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--profile")
    parser.add_argument("--clips")
    parser.add_argument("--labels", type=int)
    parser.add_argument("--gpu")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--doctor", type=Path)
    parser.add_argument("--cores", type=int)
    parser.add_argument("--gpus", type=int)
    asked = parser.parse_args(arguments)
    if asked.changes and asked.profile is None:
        raise InputError(f"{' '.join(asked.changes)}: changes need --profile")
    if (asked.clips is None) != (asked.labels is None):
        raise InputError("--clips and --labels go together: the size of a corpus that is not here")
    machines = [own for own in (asked.gpu, asked.rate, asked.doctor) if own is not None]
    if len(machines) > 1:
        raise InputError("give one of --gpu, --rate and --doctor")
    if min(count for count in (asked.cores, asked.gpus, 1) if count is not None) < 1:
        raise InputError("--cores and --gpus are 1 or more")
    asked.is_here = not machines
    return asked


def find_params(asked: argparse.Namespace) -> Params:
    """The params of params.yaml, or of the profile that the options name."""
    if asked.profile is None:
        return load_params()
    from pipeline.profile import compose_profile  # imports DVC, which takes a second

    with TemporaryDirectory() as folder:
        place = Path(folder) / "params.yaml"
        any_root = asked.clips is not None  # of a corpus that is not here yet
        return compose_profile(asked.profile, asked.changes, place, any_root=any_root)


def rate_machine(asked: argparse.Namespace) -> Rated:
    """The machine of the options, or this one."""
    if asked.cores is not None and asked.gpu is asked.rate is asked.doctor is None:
        raise InputError("--cores goes with --gpu, --rate or --doctor: this machine is measured")
    if asked.gpu is not None:
        return rate_gpu(asked.gpu, asked.cores or GPU_CORES)
    if asked.rate is not None:
        return rate_given(asked.rate, asked.cores or GPU_CORES)
    if asked.doctor is not None:
        return rate_reported(read_rates(asked.doctor), asked.cores)
    return rate_this_machine()


def make_plan(params: Params, corpus: Corpus, machine: Machine, paths: Paths | None) -> Plan:
    """The estimate of each step; nothing of it is done if `paths` is None."""
    corpus = replace(corpus, bytes_per_pixel=weigh_pixel(params), landmarks=params.landmarks.model)
    check_cascades(params, corpus.labels)
    works = list_work(params, corpus.labels, frames=corpus.frames_per_clip, paths=paths)
    if machine.seconds_per_operation:
        works = add_operations(params, works)
    kept = {RECORDED: weigh_recordings(params, corpus), DECODED: weigh_decoded(params, corpus)}
    kept[STORED] = weigh_stored(params, corpus)
    rows = estimate(corpus, works, machine, kept=kept)
    return Plan(corpus, works, machine, rows, time_remaining(rows, works, corpus, machine, paths))


def describe_gpus(plan: Plan, asked: argparse.Namespace, workers: int) -> list[str]:
    """What several GPUs change: the time of `make flow`, and that `make reproduce` uses no more
    than the `workers` of one lineage."""
    lines = []
    if asked.gpus is not None:
        trained = time_on(plan, asked.gpus)
        lines.append(
            f"training what is left takes {format_seconds(time_on(plan, 1))} on one GPU and "
            f"{format_seconds(trained)} on {asked.gpus}, by `make flow`: one lineage per GPU, each "
            "after its teacher"
        )
    found = count_gpus() if asked.is_here else 0
    if found > workers:
        lines.append(
            f"this machine has {found} GPUs: `make reproduce` trains one lineage after the other "
            f"and uses {workers} of them, `make flow` uses all {found}"
        )
    return lines


def warn(console: Console, lines: Sequence[str]) -> None:
    """Print warnings."""
    for line in lines:
        console.print(line, style="yellow", soft_wrap=True, markup=False)


def check_extras(params: Params) -> None:
    """InputError if a package is missing without which a stage would fail after the training."""
    graphs = [name for name, own in params.compressed.items() if How.parse(own.how).is_graph]
    missing = [name for name in EXPORT if find_spec(name) is None]
    if graphs and missing:
        raise InputError(
            f"compressed.{graphs[0]} needs {missing[0]}: install the extra `export` "
            "(pip install '.[export]' in the repository), or leave the compressed models out with "
            'SET="compressed={}"'
        )


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


def check_starts(params: Params, paths: Paths) -> None:
    """InputError if the weights that a lineage starts from are missing before it is trained."""
    for section in (params.scratch, params.taught):
        for lineage, entry in section.items():
            if not paths.lineage(lineage).is_dir():
                find_start(lineage, entry.init)


def describe_changes(root: Path, inventory: Path, *, recorded: bool) -> list[str]:
    """A warning, as lines, if the corpus differs from its inventory, or if DVC, which has
    `recorded` that inventory, may restore it; [] without either."""
    if not inventory.is_file():
        restored = (
            f"{inventory} was deleted: DVC restores it from its cache if it can, and does not look "
            f"for new files; if source.root {root} has changed since, first run: {REFRESH}"
        )
        return [restored] if recorded else []
    changes = compare_inventories(read_inventory(inventory), scan_inventory(root))
    if not changes:
        return []
    kinds = {"added": changes.added, "removed": changes.removed, "resized": changes.resized}
    kinds["edited"] = changes.edited
    counts = ", ".join(f"{len(v)} {k} (such as {v[0]})" for k, v in kinds.items() if v)
    return [
        f"source.root {root} has changed since {inventory} was made: {counts}",
        f"this run uses the old list of files; to use the new one, first run: {REFRESH}",
        "and then again: make reproduce",
    ]


def warn_of_time(seconds: float, *, on_gpu: bool) -> list[str]:
    """A warning if what is left of the run would take more than WARN_HOURS on a CPU."""
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


if __name__ == "__main__":
    run_program(main)
