"""Stage `manifest`: from a corpus on disk to the list of its clips."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lipnet.sources.discover import discover_clips, find_source
from lipnet.sources.manifest import ManifestSummary, check_complete, describe_gaps, write_manifest
from pipeline.params import load_params
from pipeline.paths import Paths, source_root
from pipeline.program import run_stage


def main() -> None:
    """Discover the profile's clips and write data/<profile>/manifest/."""
    params = load_params()
    options = params.source.options
    folder = Paths(params.profile).manifest
    summary = make_manifest(params.source.name, source_root(params), options, folder=folder)
    print_summary(summary, folder)


def make_manifest(
    source: str, root: Path, options: Mapping[str, object], *, folder: Path
) -> ManifestSummary:
    """Discover, check and write; an InputError leaves the folder unchanged."""
    adapter = find_source(source)
    clips, rejected = discover_clips(source, root, options)
    check_complete(clips, adapter.advise(root, options))
    for line in describe_gaps(clips):
        print(f"warning: {line}")
    counted = adapter.counted
    return write_manifest(folder, clips, rejected, source=source, options=options, counted=counted)


def print_summary(summary: ManifestSummary, folder: Path) -> None:
    """Print clips by split, labels, and rejected files or lines by reason."""
    table = Table("split", "clips", "videos", "labels", "speakers", title="Manifest")
    for split, size in summary.splits.items():
        table.add_row(split, *map(str, (size.clips, size.videos, size.labels, size.speakers)))
    console = Console()
    console.print(table)
    console.print(f"{summary.clips} clips of {summary.labels} labels; {summary.describe_total()}")
    if summary.overlap is not None:
        console.print(str(summary.overlap), soft_wrap=True)
    for reason, count in summary.rejected.items():
        console.print(
            f"  rejected, {reason}: {count} (listed in {folder / 'rejected.csv'})", markup=False
        )


if __name__ == "__main__":
    run_stage(main)
