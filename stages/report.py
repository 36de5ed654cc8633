"""The stage `report`: results, metrics, plots, tables and figures; then the page beside."""

from lipnet.report.leaderboard import write_leaderboard
from lipnet.report.write import write_report
from lipnet.sources.synthetic.words import accuracy_ceiling
from pipeline.params import Params, load_params
from pipeline.paths import Paths
from pipeline.program import run_program


def main() -> None:
    """Report on the profile that params.yaml names."""
    params = load_params()
    study = Paths(params.profile).study
    write_report(study, describe_corpus(params))
    write_leaderboard(study)


def describe_corpus(params: Params) -> dict[str, object]:
    """The corpus's name and, where it is rendered, the highest top-1 to expect of any reader."""
    corpus: dict[str, object] = {"source": params.source.name}
    if not params.source.root and params.synthetic is not None:
        words = params.synthetic.words
        tests = params.synthetic.clips_per_word["test"]
        corpus["ceiling_top1"] = accuracy_ceiling(words, dict.fromkeys(words, tests))
    return corpus


if __name__ == "__main__":
    run_program(main)
