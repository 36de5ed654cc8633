"""The page, for a reader: what was done, what came out and how far it can be trusted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lipnet.files import write_atomic
from lipnet.measure.paper import LRW, LRW1000, PAPER_ROWS
from lipnet.report.html import write_html
from lipnet.report.markdown import Row, interval, join, percent, read_rows, verbatim
from lipnet.report.paper_page import tell_generations, tell_strategies, tell_students
from lipnet.report.results import read_mapping
from lipnet.report.seeds import MIN_SEEDS
from lipnet.report.spec_names import name_spec
from lipnet.report.study import Study
from lipnet.sources.discover import find_source

PRINTED = {
    LRW: "Table 3: 500 words of LRW, 88 x 88 pixels",
    LRW1000: "Table 4: 1000 words of LRW-1000, 112 x 112 pixels",
}
LOOKALIKES, HARDEST = 8, 10  # pairs and labels that the page names
FIGURES = (
    ("accuracy_params", "Accuracy against parameters"),
    ("accuracy_gflops", "Accuracy against FLOPs"),
    ("generations", "Top-1 by generation"),
    ("learning_curves", "Learning curves"),
    ("confusion", "Confusion, the most confused side by side"),
    ("confusion_visemes", "Confusion, labels that lips show alike side by side"),
)


def write_page(study: Study, rows: list[Row]) -> None:
    """Write report.md and report.html beside the tables and figures that they are made of."""
    metrics = read_mapping(study.report / "metrics.json")
    corpus, best = metrics["corpus"], str(metrics["best_on_validation"]["model"])
    tables = study.report / "tables"
    comparisons = read_rows(tables / "comparisons.csv")
    parts = [
        [f"# Report of profile `{study.name}`", ""],
        describe_corpus(corpus, read_mapping(study.summary_file), rows),
        ["## Leaderboard", "", *tell_table(rows), "", *explain_table(rows), ""],
        [
            "## What can be said",
            "",
            *tell_findings(rows, comparisons, corpus),
        ],
        tell_generations(rows),
        tell_students(rows, comparisons),
        tell_strategies(tables),
        tell_seeds(tables),
        ["## Figures", "", *show_figures()],
        tell_lookalikes(read_rows(tables / "lookalikes.csv"), rows),
        tell_homophenes(tables, best),
        tell_slots(tables / "per_slot.csv", best),
        tell_labels(read_rows(tables / "per_label.csv"), best),
        tell_paper(rows, find_source(corpus["source"]).paper_name or LRW),
    ]
    text = "\n".join(line for part in parts for line in part).rstrip() + "\n"
    with write_atomic(study.report / "report.md") as beside:
        beside.write_text(text, encoding="utf-8")
    write_html(study.report / "report.md")


def describe_corpus(corpus: dict[str, Any], summary: dict[str, Any], rows: list[Row]) -> list[str]:
    """Source, clips by split with what failed, seed and recipe."""
    lines = [
        f"Source: **{corpus['source']}**, {corpus['labels']} labels "
        f"(chance {100 / corpus['labels']:.1f} %).",
        "",
        "| split | clips | failed in preprocessing |",
        "|---|---:|---|",
    ]
    for split, counts in summary.get("splits", {}).items():
        failed = ", ".join(f"{count} {reason}" for reason, count in counts["failed"].items())
        lines.append(f"| {split} | {counts['clips']} | {failed or 'none'} |")
    models = [row for row in rows if not row["members"]]
    return [
        *lines,
        "",
        f"{len(models)} models. Epochs: {_list_values(models, 'epochs')}; "
        f"input: {_list_values(models, 'input_size')} pixels; "
        f"training seed: {_list_values(models, 'seed')}.",
        "Validation chose epochs, generations, teachers and ensembles; "
        "the test split was read once, for this page.",
        "",
    ]


def tell_table(rows: list[Row]) -> list[str]:
    """The leaderboard in markdown, dearest spec first, ensembles last."""
    has_unseen = "unseen_top1" in rows[0]
    heads = ["model", "spec", "training", "teacher or members", "params M", "GFLOPs", "val top-1"]
    heads += ["test top-1 [95 %]", "test top-5 [95 %]"]
    heads += ["unseen speakers top-1 [95 %]"] * has_unseen + ["ms a clip, p50 / p95"]
    lines = [join(heads), join(["---"] * 4 + ["---:"] * (len(heads) - 4))]
    for row in rows:
        cells = [f"**{row['model']}**" if row["chosen"] == "1" else row["model"]]
        spec = name_spec(row["spec"]).replace("\n", " + ") if row["spec"] else "several"
        teacher = row["members"].replace(" ", ", ") or row["teacher"] or "-"
        cells += [spec, row["training"], teacher]
        cells += [f"{float(row['params_m']):.2f}", f"{float(row['gflops']):.3f}"]
        cells += [percent(row["val_top1"]), interval(row, "test_top1")]
        cells += [interval(row, "test_top5")]
        cells += [interval(row, "unseen_top1")] if has_unseen else []
        lines.append(join([*cells, _latency(row)]))
    return lines


def explain_table(rows: list[Row]) -> list[str]:
    """How the columns were made."""
    clips, units = rows[0]["test_clips"], rows[0]["test_units"]
    how = f"Wilson's, over {clips} independent test clips"
    if clips != units:
        how = f"by bootstrap over the {units} independent units that hold the {clips} test clips"
    threads = next((row["latency_threads"] for row in rows if row["latency_threads"]), "")
    where = f"{threads} thread of {name_machines(rows)}"
    timing = f"Latency: one clip on {where}; an ensemble's is its members' sum."
    return [
        "Bold: the best of its lineage on validation. Accuracies in %, intervals "
        f"{how}. FLOPs are multiply-adds plus 2 for each BatchNorm output, as the paper counts.",
        *([timing] if threads else []),
    ]


def name_machines(rows: list[Row]) -> str:
    """What the latencies were measured on."""
    found = dict.fromkeys(row["latency_machine"] for row in rows if row["latency_machine"])
    return " or ".join(found) or "no machine"


def tell_findings(rows: list[Row], comparisons: list[Row], corpus: dict[str, Any]) -> list[str]:
    """Statements that the numbers support, and what they do not."""
    names = {row["model"]: row for row in rows}
    lines = [f"- {_tell_comparison(row, names)}" for row in comparisons]
    lines += [f"- {line}" for line in _tell_limits(rows, comparisons, corpus)]
    return [*lines, ""]


def _tell_comparison(row: Row, names: dict[str, Row]) -> str:
    second, first = row["second"], row["first"]
    return (
        f"{row['question'].capitalize()}: `{second}` ({percent(names[second]['test_top1'])} %) "
        f"against `{first}` ({percent(names[first]['test_top1'])} %): {_tell_difference(row)}"
    )


def _tell_difference(row: Row) -> str:
    low, high = float(row["low"]), float(row["high"])
    seeds = len(row["seeds"].split()) if "seeds" in row else MIN_SEEDS
    verdict = "no difference shown: the interval contains zero"
    if seeds < MIN_SEEDS:
        verdict = f"no verdict from fewer than {MIN_SEEDS} seeds"
    elif low > 0:
        verdict = "better on these clips"
    elif high < 0:
        verdict = "worse on these clips"
    return (
        f"{100 * float(row['difference']):+.1f} points, 95 % paired interval "
        f"[{100 * low:+.1f}, {100 * high:+.1f}] - {verdict}."
    )


def _tell_limits(rows: list[Row], comparisons: list[Row], corpus: dict[str, Any]) -> Iterator[str]:
    chance = 1 / corpus["labels"]
    ceiling = corpus.get("ceiling_top1")
    if ceiling is not None:
        yield (
            f"Labels that look exactly alike cap top-1 at about {100 * ceiling:.1f} % here, "
            "whatever the model; a model above it was lucky on these clips."
        )
    for row in rows:
        if float(row["test_top1_low"]) <= chance:
            yield f"`{row['model']}` is not shown to be above chance ({100 * chance:.1f} %)."
    if comparisons:
        yield (
            f"{len(comparisons)} comparisons, each at 95 %: by chance alone about one in twenty "
            "would leave zero out."
        )
    yield (
        "Intervals cover the choice of test clips. They do not cover the training seed: "
        "another seed moves every figure too."
    )
    if find_source(corpus["source"]).rendered:
        yield "The clips are rendered faces: these figures say nothing of accuracy on real video."


def tell_seeds(tables: Path) -> list[str]:
    """Models that were trained with several seeds: their means, and what teaching gave them."""
    if not (tables / "seeds.csv").exists():
        return []
    lines = [
        "## Over seeds",
        "",
        "Lineages that differ in the seed alone. Deviation: of one training, over the seeds.",
        "",
        "| model | training | seeds | test top-1, mean | deviation | lowest to highest |",
        "|---|---|---|---:|---:|---:|",
    ]
    for row in read_rows(tables / "seeds.csv"):
        spread = f"{percent(row['lowest'])} to {percent(row['highest'])}"
        cells = [row["family"], row["kind"], row["seeds"].replace(" ", ", ")]
        lines.append(join([*cells, percent(row["mean_top1"]), percent(row["deviation"]), spread]))
    lines.append("")
    for row in read_rows(tables / "seed_pairs.csv"):
        values = ", ".join(f"{100 * float(value):+.1f}" for value in row["by_seed"].split())
        lines.append(
            f"- Taught over scratch, seeds {row['seeds'].replace(' ', ', ')}: `{row['second']}` "
            f"against `{row['first']}`: {_tell_difference(row)} By seed: {values}. The interval "
            f"resamples seeds and units together; {_count_runs(row)}."
        )
    return [*lines, ""]


def _count_runs(row: Row) -> str:
    seeds, teachers = len(row["seeds"].split()), int(row["teachers"])
    shared = "one teacher run taught all seeds" if teachers == 1 else f"{teachers} teacher runs"
    return f"{seeds} seeds, {shared}"


def tell_lookalikes(pairs: list[Row], rows: list[Row]) -> list[str]:
    """The labels most mistaken for each other, and their part in all mistakes."""
    if not pairs:
        return []
    best = next(row for row in rows if row["model"] == pairs[0]["model"])
    wrong = round(int(best["test_clips"]) * (1 - float(best["test_top1"])))
    shown = pairs[:LOOKALIKES]
    covered = sum(int(pair["mistaken"]) for pair in shown)
    lines = [
        "## Look-alikes",
        "",
        f"Most mistaken for each other by `{best['model']}`, the best single model on validation. "
        f"These {len(shown)} pairs hold {covered} of its {wrong} mistakes on test.",
        "",
        "| labels | mistaken | of clips | share |",
        "|---|---:|---:|---:|",
    ]
    for pair in shown:
        cells = [
            f"{verbatim(pair['first'])} / {verbatim(pair['second'])}",
            pair["mistaken"],
            pair["clips"],
        ]
        lines.append(join([*cells, f"{percent(pair['share'])} %"]))
    return [*lines, ""]


def tell_homophenes(tables: Path, best: str) -> list[str]:
    """What lips cannot tell, by the dictionary, and what is left when it is forgiven."""
    if not (tables / "homophene_accuracy.csv").exists():
        return []
    groups = read_rows(tables / "homophenes.csv")
    named = "; ".join(verbatim(group["labels"].replace(" ", ", ")) for group in groups)
    lines = [
        "## What lips cannot tell",
        "",
        "Labels of one viseme sequence, by the CMU Pronouncing Dictionary (American) and "
        f"Lee and Yook's visemes: {named or 'none here'}. Top-1 with those counted as one label, "
        "on test; every model and split is in "
        "[tables/homophene_accuracy.csv](tables/homophene_accuracy.csv).",
        "",
        "| model | top-1 | look-alikes as one [95 %] | mistakes | of them between look-alikes |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in read_rows(tables / "homophene_accuracy.csv"):
        if row["split"] == "test":
            name = f"**{row['model']}**" if row["model"] == best else row["model"]
            cells = [name, percent(row["top1"]), interval(row, "merged_top1")]
            lines.append(join([*cells, row["mistakes"], row["between_alike"]]))
    return [*lines, ""]


def tell_slots(path: Path, best: str) -> list[str]:
    """Top-1 by slot of the sentence for the best single model."""
    if not path.exists():
        return []
    lines = [
        "## By slot of the sentence",
        "",
        "The position in the sentence alone narrows the labels: `slot alone` answers each slot's "
        f"commonest validation label without seeing a face. Here `{best}`; every model is in "
        "[tables/per_slot.csv](tables/per_slot.csv).",
        "",
        "| split | slot | clips | top-1 [95 %] | chance in slot | slot alone |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for row in read_rows(path):
        if row["model"] == best:
            cells = [row["split"], row["slot"], row["clips"], interval(row, "top1")]
            lines.append(join([*cells, percent(row["chance"]), percent(row["slot_alone"])]))
    return [*lines, ""]


def tell_labels(rows: list[Row], best: str) -> list[str]:
    """The labels that the best single model reads worst on test."""
    own = [row for row in rows if (row["model"], row["split"]) == (best, "test") and row["top1"]]
    worst = sorted(own, key=lambda row: (float(row["top1"]), row["label"]))[:HARDEST]
    lines = [
        "## By label",
        "",
        f"The {len(worst)} of {len(own)} labels that `{best}` reads worst on test; every label of "
        "every model is in [tables/per_label.csv](tables/per_label.csv).",
        "",
        "| label | clips | top-1 |",
        "|---|---:|---:|",
        *(join([verbatim(row["label"]), row["clips"], percent(row["top1"])]) for row in worst),
    ]
    return [*lines, ""]


def show_figures() -> list[str]:
    """Each figure under its name."""
    return [
        line
        for name, title in FIGURES
        for line in (f"### {title}", "", f"![{title}](figures/{name}.png)", "")
    ]


def tell_paper(rows: list[Row], corpus: str = LRW) -> list[str]:
    """The paper's figures for the specs that are here too: another corpus, a table of its own."""
    specs = {row["spec"] for row in rows}
    known = [row for row in PAPER_ROWS if row.corpus == corpus and row.spec in specs]
    if not known:
        return []
    lines = [
        f"## The paper's {corpus} figures, for the same specs",
        "",
        f"Ma et al., ICASSP 2021, {PRINTED[corpus]}. Not the clips of the "
        "leaderboard above, so not comparable with it.",
        "",
        f"| spec | params M | GFLOPs | {corpus} top-1, scratch | {corpus} top-1, distilled |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in known:
        top1 = ["-" if own is None else f"{own}" for own in (row.top1_scratch, row.top1_distilled)]
        spec = name_spec(row.spec).replace("\n", " + ")
        lines.append(join([spec, row.params_m, row.gflops, *top1]))
    return [*lines, ""]


def _latency(row: Row) -> str:
    cells = [row["latency_ms_p50"], row["latency_ms_p95"]]
    return " / ".join(f"{float(cell):.1f}" for cell in cells if cell) or "-"


def _list_values(rows: list[Row], name: str) -> str:
    return ", ".join(sorted({row[name] for row in rows}, key=lambda value: (len(value), value)))
