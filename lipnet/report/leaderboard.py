"""The leaderboard: tracked results joined with latency on this machine, as CSV and on screen."""

import platform
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lipnet.clip import CLIP_FRAMES
from lipnet.files import digest_of, read_json, write_json
from lipnet.report.markdown import Row, percent, read_rows
from lipnet.report.page import name_machines, write_page
from lipnet.report.spec_names import name_spec
from lipnet.report.study import Study
from lipnet.report.tables import write_rows

if TYPE_CHECKING:
    from lipnet.measure.latency import Latency

WIDTH = 120
MODEL_WIDTH, TEACHER_WIDTH, TEACHER_WIDTH_WITH_UNSEEN = 32, 25, 17
THREADS = 1  # of the CPU: what a phone's one core would do, and steadier than many
REPEATS = 20
Latencies = dict[str, dict[str, Any]]


def write_leaderboard(study: Study) -> None:
    """leaderboard.csv, latency.json and the page, from the report's tracked files."""
    rows = read_rows(study.report / "results.csv")
    latencies = measure_all(rows, study)
    joined: list[Row] = []
    for row in rows:
        members = row["members"].split() or [row["model"]]
        known = all(name in latencies for name in members)
        own = [latencies[name] for name in members] if known else []
        joined.append({**row, **_latency_cells(own)})
    write_rows(study.report / "leaderboard.csv", joined)
    write_page(study, joined)


def measure_all(
    rows: list[Row], study: Study, *, measure: Callable[[Path, int], "Latency"] | None = None
) -> Latencies:
    """Latency by model id, measured once for a spec and size on a machine, kept in latency.json.

    Models of one spec do the same arithmetic: timing each would only print noise. A spec of which
    no weights are here has what another machine measured, if that was kept, else none.
    """
    store = study.report / "latency.json"
    kept: Latencies = {}
    if store.exists():
        found = read_json(store)
        kept = found if isinstance(found, dict) else {}
    models = [row for row in rows if not row["members"]]
    for row in models:
        weights = study.lineage(row["lineage"]) / row["generation"] / "weights.safetensors"
        facts = _facts_of(row, describe_machine())
        if weights.exists() and digest_of(facts) not in kept:
            timed = (measure or _measure)(weights, int(row["input_size"]))
            kept[digest_of(facts)] = {**facts, "p50_ms": timed.p50_ms, "p95_ms": timed.p95_ms}
            write_json(store, kept)
    latencies: Latencies = {}
    for row in models:
        for machine in (describe_machine(), *(own["machine"] for own in kept.values())):
            key = digest_of(_facts_of(row, machine))
            if key in kept:
                latencies[row["model"]] = kept[key]
                break
    return latencies


def _facts_of(row: Row, machine: str) -> dict[str, Any]:
    """All that a latency depends on."""
    size = {"spec": row["spec"], "size": int(row["input_size"]), "frames": CLIP_FRAMES}
    return {**size, "threads": THREADS, "machine": machine}


def describe_machine() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _measure(weights: Path, size: int) -> "Latency":
    # Torch takes seconds to import, and is not wanted where every latency is known.
    from lipnet.measure.latency import measure_latency
    from lipnet.models.weights import load_model

    model, _ = load_model(weights)
    return measure_latency(model, frames=CLIP_FRAMES, size=size, threads=THREADS, repeats=REPEATS)


def _latency_cells(members: Sequence[Mapping[str, Any]]) -> Row:
    """An ensemble takes its members' medians together; their 95th percentiles do not add up."""
    names = ("latency_ms_p50", "latency_ms_p95", "latency_threads", "latency_machine")
    cells = dict.fromkeys(names, "")
    if members:
        machines = dict.fromkeys(str(member["machine"]) for member in members)
        cells["latency_machine"] = " and ".join(machines)
        total = sum(float(member["p50_ms"]) for member in members)
        cells["latency_ms_p50"] = f"{total:.2f}"
        cells["latency_threads"] = str(members[0]["threads"])
    if len(members) == 1:
        cells["latency_ms_p95"] = f"{float(members[0]['p95_ms']):.2f}"
    return cells


def print_leaderboard(study: Study, console: Console | None = None) -> None:
    """Print the leaderboard, at most 120 columns wide, and where to look next."""
    rows = read_rows(study.report / "leaderboard.csv")
    console = console or Console()
    if not console.is_terminal or console.width > WIDTH:
        console = Console(file=console.file, width=WIDTH, force_terminal=console.is_terminal)
    console.print()
    console.print(_draw_table(rows, study), soft_wrap=False)
    console.print(_explain(rows), style="dim")
    console.print()
    for what, place in _where_next(study):
        console.print(f"  {what:<28}{place}", highlight=False, markup=False)
    console.print()


def _draw_table(rows: list[Row], study: Study) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, title_justify="left")
    table.title = Text(f"Leaderboard of profile {study.name}", style="bold")
    table.add_column("model", no_wrap=True)
    table.add_column("taught by", no_wrap=True)
    has_unseen = "unseen_top1" in rows[0]
    heads = ["params\nM", "GFLOPs", "val\ntop-1", "test\ntop-1", "95 %\ninterval", "test\ntop-5"]
    for head in heads + ["unseen\ntop-1"] * has_unseen + ["ms\np50"]:
        table.add_column(head, justify="right", no_wrap=True)
    for spec, group in groupby(rows, key=lambda row: "" if row["members"] else row["spec"]):
        title = name_spec(spec).replace("\n", " + ").replace("×", "x") if spec else "Ensembles"
        table.add_row(Text(title, style="bold cyan"))
        for row in group:
            table.add_row(*_cells(row, has_unseen))
        table.add_section()
    return table


def _cells(row: Row, has_unseen: bool) -> list[str]:
    low, high = percent(row["test_top1_low"]), percent(row["test_top1_high"])
    teacher = row["teacher"]
    if row["members"]:
        members = len(row["members"].split())
        known = {"generations": f"all {members} generations", "greedy": f"{members} models, greedy"}
        teacher = known.get(row["rule"], f"{members} models")
    elif teacher.rpartition("-")[0] == row["lineage"]:
        teacher = teacher.rpartition("-")[2]
    unseen = [percent(row["unseen_top1"])] if has_unseen else []
    mark = " *" if row["chosen"] == "1" else ""
    return [
        f"  {shorten(row['model'], MODEL_WIDTH)}{mark}",
        shorten(teacher, TEACHER_WIDTH_WITH_UNSEEN if has_unseen else TEACHER_WIDTH) or "-",
        f"{float(row['params_m']):.2f}",
        f"{float(row['gflops']):.3f}",
        percent(row["val_top1"]),
        percent(row["test_top1"]),
        f"{low}-{high}",
        percent(row["test_top5"]),
        *unseen,
        f"{float(row['latency_ms_p50']):.1f}" if row["latency_ms_p50"] else "-",
    ]


def shorten(name: str, width: int) -> str:
    """The name in `width` characters: its middle goes, its generation stays."""
    return name if len(name) <= width else f"{name[: width - 5]}..{name[-3:]}"


def _explain(rows: list[Row]) -> str:
    clips, units = rows[0]["test_clips"], rows[0]["test_units"]
    how = f"{clips} test clips" if clips == units else f"{clips} test clips in {units} units"
    return (
        f"* best of its lineage on validation, which alone selects. Intervals over {how}.\n"
        f"ms: the median for one clip on {THREADS} thread of {name_machines(rows)}."
    )


def _where_next(study: Study) -> list[tuple[str, str]]:
    report = study.report
    return [
        ("The report with figures", str(report / "report.html")),
        ("The figures", str(report / "figures")),
        ("The numbers", f"{report / 'leaderboard.csv'}, {report / 'tables'}"),
        ("Models and learning curves", "make ui  (MLflow and Prefect on 127.0.0.1)"),
        ("Plots between commits", "dvc plots diff, dvc metrics diff"),
    ]
