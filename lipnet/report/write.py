"""Write a study's report: results, metrics, plots, tables and figures, then the page beside."""

from collections.abc import Mapping

from lipnet.files import read_json, write_folder_atomic, write_json
from lipnet.report.comparisons import compare_all
from lipnet.report.figures.write import write_figures
from lipnet.report.results import read_mapping, read_results
from lipnet.report.study import Study
from lipnet.report.tables import result_rows, write_metrics, write_plots, write_rows, write_tables


def write_report(study: Study, corpus: Mapping[str, object]) -> None:
    """Write what a report holds but its page: no timings, equal work gives equal bytes.

    `corpus` says what the clips are: `source`, and `ceiling_top1` where the clips cap top-1.
    """
    results = read_results(study)
    ceiling = corpus.get("ceiling_top1")
    write_rows(study.report / "results.csv", result_rows(results))
    with write_folder_atomic(study.report / "plots") as folder:
        write_plots(folder, results)
    with write_folder_atomic(study.report / "tables") as folder:
        write_tables(folder, results, compare_all(results))
    with write_folder_atomic(study.report / "figures") as folder:
        write_figures(folder, results, ceiling=ceiling if isinstance(ceiling, float) else None)
    write_metrics(study.report / "metrics.json", results, corpus=corpus)
    for file in (study.labels_file, study.summary_file):
        write_json(study.report / file.name, read_json(file))


def read_corpus(study: Study) -> Mapping[str, object]:
    """What an earlier report of the study said of its clips; InputError where there is none."""
    corpus = read_mapping(study.root / "report" / "metrics.json")["corpus"]
    return {name: corpus[name] for name in ("source", "ceiling_top1") if name in corpus}
