"""The stage `select`: ensembles and best models, chosen on validation logits and nothing else."""

from lipnet.report.selection import write_selection
from stages.main import run_stage
from stages.params import load_params
from stages.paths import Paths


def main() -> None:
    """Choose for the profile that params.yaml names."""
    params = load_params()
    study = Paths(params.profile).study
    write_selection(study.logits_val, study.selection, [*params.scratch, *params.taught])


if __name__ == "__main__":
    run_stage(main)
