"""The stage `report`: results, metrics, plots, tables and figures; then the leaderboard beside."""

from collections.abc import Collection

from lipnet.files import write_folder_atomic
from lipnet.sources.synthetic.words import accuracy_ceiling
from stages.comparisons import compare_all
from stages.figures import write_figures
from stages.leaderboard import write_leaderboard
from stages.main import run_stage
from stages.params import Params, load_params
from stages.paths import Paths
from stages.results import read_results
from stages.tables import result_rows, write_metrics, write_plots, write_rows, write_tables


def main() -> None:
    """Report on the profile that params.yaml names."""
    params = load_params()
    paths = Paths(params.profile)
    lineages = [*params.scratch, *params.taught]
    ceiling = known_ceiling(params)
    write_report(paths, source=params.source.name, ceiling=ceiling, lineages=lineages)
    write_leaderboard(paths)


def known_ceiling(params: Params) -> float | None:
    """The highest top-1 to expect of any reader where the clips are rendered, else None."""
    if params.source.root or params.synthetic is None:
        return None
    words = params.synthetic.words
    return accuracy_ceiling(words, dict.fromkeys(words, params.synthetic.clips_per_word["test"]))


def write_report(
    paths: Paths,
    *,
    source: str,
    ceiling: float | None = None,
    lineages: Collection[str] | None = None,
) -> None:
    """Write the tracked part of data/<profile>/report: no timings, equal work gives equal bytes.

    `ceiling` is the top-1 that the clips allow at best, where that is known.
    """
    results = read_results(paths, lineages)
    corpus: dict[str, object] = {"source": source}
    if ceiling is not None:
        corpus["ceiling_top1"] = ceiling
    write_rows(paths.report / "results.csv", result_rows(results))
    with write_folder_atomic(paths.report / "plots") as folder:
        write_plots(folder, results)
    with write_folder_atomic(paths.report / "tables") as folder:
        write_tables(folder, results, compare_all(results))
    with write_folder_atomic(paths.report / "figures") as folder:
        write_figures(folder, results, ceiling=ceiling)
    write_metrics(paths.report / "metrics.json", results, corpus=corpus)


if __name__ == "__main__":
    run_stage(main)
