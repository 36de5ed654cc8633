"""Write what a report tracks: results, metrics, plots, tables and figures."""

from collections.abc import Mapping

from lipnet.files import read_json, write_folder_atomic, write_json
from lipnet.report.comparisons import compare_all
from lipnet.report.csv_rows import write_rows
from lipnet.report.figures.write import write_figures
from lipnet.report.json_files import read_mapping
from lipnet.report.metrics import write_metrics
from lipnet.report.plots import write_plots
from lipnet.report.results import read_results
from lipnet.report.rows import LeaderboardRow
from lipnet.report.study import CORPUS, Study
from lipnet.report.tables import leaderboard_rows, write_tables


def write_report(study: Study, corpus: Mapping[str, object]) -> None:
    """Write the report without its page: no timings, equal work gives equal bytes.

    `corpus` describes the clips: `source`, and `ceiling_top1` if the clips limit top-1.
    """
    results = read_results(study)
    comparisons = compare_all(results)
    ceiling = corpus.get("ceiling_top1")
    write_rows(study.report / "results.csv", LeaderboardRow, leaderboard_rows(results))
    with write_folder_atomic(study.report / "plots") as folder:
        write_plots(folder, results)
    with write_folder_atomic(study.report / "tables") as folder:
        write_tables(folder, results, comparisons)
    with write_folder_atomic(study.report / "figures") as folder:
        write_figures(folder, results, ceiling=ceiling if isinstance(ceiling, float) else None)
    write_metrics(study.report / "metrics.json", results, comparisons)
    write_json(study.report / CORPUS, {"labels": len(results.labels), **corpus})
    for file in (study.labels_file, study.summary_file):
        write_json(study.report / file.name, read_json(file))


def read_corpus(study: Study) -> Mapping[str, object]:
    """How an earlier report of the study described its clips; InputError if there is none."""
    corpus = read_mapping(study.root / "report" / CORPUS)
    return {name: corpus[name] for name in ("source", "ceiling_top1") if name in corpus}
