"""The stage `select`: ensembles and best models, chosen on validation logits only."""

from lipnet.selection.selection import write_selection
from pipeline.params import load_params
from pipeline.paths import Paths
from pipeline.program import run_stage


def main() -> None:
    """Choose for the profile of params.yaml."""
    params = load_params()
    study = Paths(params.profile).study
    trained = [*params.scratch, *params.taught]
    write_selection(
        study.logits_val,
        study.selection,
        trained,
        compressed=list(params.compressed),
        cascades={name: (pair.small, pair.large) for name, pair in params.cascades.items()},
    )


if __name__ == "__main__":
    run_stage(main)
