"""The stage `report`: results, metrics, plots, tables and figures, all tracked.

The page and the leaderboard hold latencies of one machine; `pipeline.leaderboard` writes them.
"""

from lipnet.report.write import write_report
from lipnet.sources.synthetic.words import accuracy_ceiling
from pipeline.params import Params, load_params
from pipeline.paths import Paths
from pipeline.program import run_stage


def main() -> None:
    """Write the report of the profile in params.yaml."""
    params = load_params()
    write_report(Paths(params.profile).study, describe_corpus(params))


def describe_corpus(params: Params) -> dict[str, object]:
    """The corpus's name and, if it is rendered, the highest top-1 that any model can reach."""
    corpus: dict[str, object] = {"source": params.source.name}
    if not params.source.root and params.synthetic is not None:
        words = params.synthetic.words
        tests = params.synthetic.clips_per_word["test"]
        corpus["ceiling_top1"] = accuracy_ceiling(words, dict.fromkeys(words, tests))
    return corpus


if __name__ == "__main__":
    run_stage(main)
