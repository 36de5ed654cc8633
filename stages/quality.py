"""Stage `quality`: what became of every clip, how good faces and crops are, pictures of them."""

from pathlib import Path

from lipnet.files import write_folder_atomic, write_json
from lipnet.quality.facts import Quality, QualityFolders, gather, judge, tell_numbers
from lipnet.quality.figure import draw_distributions
from lipnet.quality.page import write_page
from lipnet.quality.sheets import draw_random, draw_worst
from lipnet.report.figures.style import house_style, save_figure
from pipeline.command import run_stage
from pipeline.params import load_params
from pipeline.paths import Paths


def main() -> None:
    """Write data/<profile>/quality/ and say what looks off."""
    params = load_params()
    paths = Paths(params.profile)
    folders = QualityFolders(paths.manifest, paths.landmarks, paths.shards)
    quality = gather(params.profile, folders, params.crops, params.recipe)
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
