"""Stage `quality`: the outcome of every clip, measures of faces and crops, and pictures of them."""

from pathlib import Path

from lipnet.files import write_folder_atomic, write_json
from lipnet.quality.facts import Quality, QualityFolders, check_quality, gather, list_numbers
from lipnet.quality.figure import draw_distributions
from lipnet.quality.page import write_page
from lipnet.quality.sheets import draw_random, draw_worst
from lipnet.report.figures.style import house_style, save_figure
from lipnet.report.html import write_html
from pipeline.params import load_params
from pipeline.paths import Paths
from pipeline.program import run_stage


def main() -> None:
    """Write data/<profile>/quality/ and print the checks that look off."""
    params = load_params()
    paths = Paths(params.profile)
    folders = QualityFolders(paths.manifest, paths.landmarks, paths.shards)
    quality = gather(params.profile, folders, params.crops, params.recipe)
    write_report(paths.quality, quality)
    checks = check_quality(quality)
    off = [
        f"{check.what}: {check.value} (usual: {check.usual})" for check in checks if not check.fine
    ]
    print(f"quality: {len(checks) - len(off)} of {len(checks)} checks look fine", *off, sep="\n  ")
    if quality.advice:
        print(f"quality: {quality.advice}")
    print(f"quality: see {paths.quality / 'quality.html'}")


def write_report(folder: Path, quality: Quality) -> None:
    """The page as markdown and HTML, its numbers and its pictures, all or nothing."""
    with write_folder_atomic(folder) as temporary:
        with house_style():
            save_figure(draw_distributions(quality), temporary / "distributions", kinds=("png",))
            save_figure(draw_random(quality), temporary / "contact_sheet", kinds=("png",))
            save_figure(draw_worst(quality), temporary / "worst", kinds=("png",))
        write_json(temporary / "quality.json", list_numbers(quality))
        write_page(temporary, quality)
        write_html(temporary / "quality.md", pictures=".png")


if __name__ == "__main__":
    run_stage(main)
