"""Stage `quality`: what became of every clip, how good faces and crops are, pictures of them."""

from pathlib import Path

from lipnet.files import write_folder_atomic, write_json
from lipnet.report.figure_style import house_style, save_figure
from stages.main import run_stage
from stages.params import load_params
from stages.paths import Paths
from stages.quality_facts import Quality, gather, judge, tell_numbers
from stages.quality_figure import draw_distributions
from stages.quality_page import write_page
from stages.quality_sheets import draw_random, draw_worst


def main() -> None:
    """Write data/<profile>/quality/ and say what looks off."""
    params = load_params()
    paths = Paths(params.profile)
    quality = gather(paths, params)
    write_report(paths.quality, quality)
    signs = judge(quality)
    off = [f"{sign.what}: {sign.value} (usual: {sign.usual})" for sign in signs if not sign.fine]
    print(f"quality: {len(signs) - len(off)} of {len(signs)} checks look fine", *off, sep="\n  ")
    print(f"quality: see {paths.quality / 'preprocessing.md'} and the pictures beside it")


def write_report(folder: Path, quality: Quality) -> None:
    """The page, its numbers and its pictures, all or none."""
    with write_folder_atomic(folder) as beside:
        with house_style():
            save_figure(draw_distributions(quality), beside / "distributions", kinds=("png",))
            save_figure(draw_random(quality), beside / "contact_sheet", kinds=("png",))
            save_figure(draw_worst(quality), beside / "worst", kinds=("png",))
        write_json(beside / "quality.json", tell_numbers(quality))
        write_page(beside, quality)


if __name__ == "__main__":
    run_stage(main)
