"""The report's tables in the shape of the paper's: generations (Table 1) and students (Table 3)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lipnet.report.markdown import Row, gain, interval, join, percent, read_rows
from lipnet.report.spec_names import name_spec

HEADS = (
    *("spec", "params M", "GFLOPs", "without distillation", "with distillation"),
    *("chosen of", "gain [95 %]"),
)
WAYS = (
    *("student", "seed", "chain of teachers", "shares", "recipe", "val top-1", "test top-1"),
    "over scratch [95 %]",
)
KINDS = ("born-again", "scratch")


def tell_generations(rows: Sequence[Row]) -> list[str]:
    """Each lineage that was born again: initial model, students, ensemble."""
    lineages = dict.fromkeys(row["lineage"] for row in rows if row["training"] == "born-again")
    if not lineages:
        return []
    lines = [
        "## Generations",
        "",
        "As the paper's Table 1: each student is trained with the model of the line above as its "
        "teacher. Bold: the best of its lineage on validation. Other initial models of the spec, "
        "trained otherwise or with another seed, stand first.",
        "",
        "| model | trained with | test top-1 [95 %] |",
        "|---|---|---:|",
    ]
    for lineage in lineages:
        own = [row for row in rows if row["lineage"] == lineage]
        others = [row for row in rows if _begins_likewise(row, own[0], lineages)]
        for row in [*others, *(row for row in own if row["training"] in KINDS)]:
            student = f"student {row['generation'][1:]}"
            what = "initial model" if row["training"] == "scratch" else student
            name = f"{_spec(row)}, {what} (`{row['model']}`)"
            name = f"**{name}**" if row["chosen"] == "1" else name
            lines.append(join([name, row["optimiser"], interval(row, "test_top1")]))
        for row in [row for row in own if row["rule"] == "generations"]:
            name = f"{_spec(row)}, ensemble (`{row['model']}`)"
            lines.append(join([name, "-", interval(row, "test_top1")]))
    return [*lines, ""]


def _begins_likewise(row: Row, first: Row, lineages: Mapping[str, None]) -> bool:
    """Whether a row is an initial model of the same spec that was not born again itself."""
    likewise = row["training"] == "scratch" and row["spec"] == first["spec"]
    return likewise and row["lineage"] not in lineages


def tell_students(rows: Sequence[Row], comparisons: Sequence[Row]) -> list[str]:
    """Each spec with and without distillation at its first seed; of several taught lineages of it
    the best on validation stands for it."""
    taught = [row for row in rows if row["training"] == "taught"]
    specs = dict.fromkeys(row["spec"] for row in taught)
    if not specs:
        return []
    lines = [
        "## Students",
        "",
        "As the paper's Table 3. Where a spec was taught in several ways, validation chose the one "
        "shown; it is set against the scratch model of its seed, the first of several.",
        "",
        join(HEADS),
        join(["---", *["---:"] * (len(HEADS) - 1)]),
    ]
    for spec in specs:
        candidates = [row for row in taught if row["spec"] == spec and row["chosen"] == "1"]
        seed = min(int(row["seed"]) for row in candidates)
        candidates = [row for row in candidates if int(row["seed"]) == seed]
        best = max(candidates, key=lambda row: (float(row["val_top1"]), -float(row["val_loss"])))
        pair = next((one for one in comparisons if one["second"] == best["model"]), None)
        first = next((row for row in rows if pair and row["model"] == pair["first"]), None)
        cells = [_spec(best), f"{float(best['params_m']):.2f}", f"{float(best['gflops']):.3f}"]
        cells.append(interval(first, "test_top1") if first else "-")
        cells.append(f"{interval(best, 'test_top1')} (by `{best['teacher']}`)")
        cells.append(str(len(candidates)))
        cells.append(gain(pair) if pair else "-")
        lines.append(join(cells))
    return [*lines, ""]


def tell_strategies(tables: Path) -> list[str]:
    """Students that were taught in several ways."""
    if not (tables / "strategies.csv").exists():
        return []
    lines = [
        "## Ways of teaching",
        "",
        "One student, several teachers (paper, section 5.2). The chain begins with the model that "
        "nobody taught; `shares` is what the student's architecture has in common with the last "
        "teacher's, `recipe` in what the students' own training differs. Bold: validation's "
        "choice.",
        "",
        join(WAYS),
        join(["---", "---:", "---", "---", "---", "---:", "---:", "---:"]),
    ]
    for row in read_rows(tables / "strategies.csv"):
        chain = " → ".join(f"`{name}`" for name in row["chain"].split())
        name = f"{_spec(row)} (`{row['model']}`)"
        name = f"**{name}**" if row["chosen"] == "1" else name
        cells = [name, row["seed"], chain, row["shares"], row["recipe"] or "the same"]
        lines.append(join([*cells, percent(row["val_top1"]), percent(row["test_top1"]), gain(row)]))
    return [*lines, ""]


def _spec(row: Row) -> str:
    return name_spec(row["spec"]).replace("\n", " + ")
