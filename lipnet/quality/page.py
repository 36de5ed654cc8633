"""preprocessing.md: what became of every clip and how good the crops are, for a reader."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from lipnet.files import write_atomic
from lipnet.quality.facts import Quality, Sign, judge, percent, percentiles, rank_clips

LISTED = 10


def write_page(folder: Path, quality: Quality) -> None:
    """Write preprocessing.md beside the pictures that it shows."""
    parts = [
        [f"# Preprocessing of profile `{quality.profile}`", ""],
        tell_signs(judge(quality)),
        tell_counts(quality),
        tell_faces(quality),
        tell_crops(quality),
        tell_worst(quality),
    ]
    text = "\n".join(line for part in parts for line in part).rstrip() + "\n"
    with write_atomic(folder / "preprocessing.md") as beside:
        beside.write_text(text, encoding="utf-8")


def tell_signs(signs: list[Sign]) -> list[str]:
    """What to look at first."""
    off = [sign for sign in signs if not sign.fine]
    verdict = f"{len(off)} of {len(signs)} checks look off." if off else "All checks look fine."
    rows = (
        f"| {sign.what} | {sign.value} | {sign.usual} | {'fine' if sign.fine else '**look**'} |"
        for sign in signs
    )
    return [verdict, "", "| check | found | usual | |", "|---|---:|---:|---|", *rows, ""]


def tell_counts(quality: Quality) -> list[str]:
    """Counts by source, split and outcome, each an equation."""
    manifest, videos = quality.manifest, quality.videos
    ready = (
        f"; {videos['ready']} come with their mouths cut, and need none" if videos["ready"] else ""
    )
    lines = [
        "## What became of it",
        "",
        f"- Source `{manifest['source']}`: {manifest['files']} files = {manifest['videos']} with "
        f"clips + {manifest['rejected_files']} rejected{_in_brackets(manifest['rejected'])}.",
        f"- Landmarks: {videos['in']} videos = {videos['out']} tracked + "
        f"{sum(videos['failed'].values())} failed{_in_brackets(videos['failed'])}{ready}.",
        "",
        "| split | clips | = cut | + failed | why |",
        "|---|---:|---:|---:|---|",
    ]
    for split, count in quality.splits.items():
        failed = sum(count.failed.values())
        why = _list(count.failed)
        lines.append(f"| {split} | {count.clips} | {count.cut} | {failed} | {why} |")
    return [*lines, ""]


def tell_faces(quality: Quality) -> list[str]:
    """Detection scores, gaps and steadiness; or why there are none."""
    if quality.faces is None:
        return [
            "## Faces",
            "",
            "The corpus brings its mouths ready cut: no face was looked for and there are no "
            "landmarks to judge. Look at the contact sheet all the more.",
            "",
        ]
    faces, found = quality.faces, quality.faces.frames
    filled = f"{faces.interpolated} of them ({percent(faces.interpolated / len(found.seen_T), 2)})"
    return [
        "## Faces",
        "",
        f"{len(found.seen_T)} frames; in {filled} no face was seen, and the landmarks "
        "come from the frames beside them.",
        "",
        "| measure, by frame | 1 % | 5 % | median | 95 % | 99 % |",
        "|---|---:|---:|---:|---:|---:|",
        _row("detection score", found.score_T[found.seen_T]),
        _row("jump of the mouth's centre, px", found.jitter_T),
        _row(f"the same after the mean of {quality.smooth} frames, px", found.smoothed_T),
        "",
        "A jump is the distance from the middle between the frame before and the frame after, in "
        f"the crop's pixels: steady motion has none. The alignment follows the mean of "
        f"{quality.smooth} frames.",
        "",
    ]


def tell_crops(quality: Quality) -> list[str]:
    """Brightness against the statistics that the recipe normalises by, and the frame's border."""
    wanted = quality.training
    lines = [
        "## Crops",
        "",
        "| split | mean brightness | deviation | mean after normalisation | deviation after it |",
        "|---|---:|---:|---:|---:|",
    ]
    for split, found in quality.brightness.items():
        mean, std = (found.mean - wanted.mean) / wanted.std, found.std / wanted.std
        lines.append(f"| {split} | {found.mean:.3f} | {found.std:.3f} | {mean:+.2f} | {std:.2f} |")
    outside = quality.clips["outside"]
    most = percent(max(outside, default=0.0))
    return [
        *lines,
        "",
        f"The recipe takes off {wanted.mean:g} and divides by {wanted.std:g}. Weights that were "
        "trained elsewhere expect about 0 and 1 after that; far from them, the light, the cut or "
        "the range of the pixels differs from theirs.",
        "",
        f"{int((outside > 0).sum())} of {len(outside)} clips reach beyond their video's frame "
        f"(most: {most} of the pixels), where its edge is repeated.",
        "",
        "![distributions](distributions.png)",
        "",
        "## Contact sheet",
        "",
        "![random crops](contact_sheet.png)",
        "",
    ]


def tell_worst(quality: Quality) -> list[str]:
    """The worst clips by each measure, as pictures and by id."""
    lines = ["## Worst", "", "![worst crops](worst.png)", "", "| measure | clips |", "|---|---|"]
    for ranking, worst in rank_clips(quality, LISTED):
        named = (
            f"`{clip_id}` {ranking.tell(value)}"
            for clip_id, value in zip(worst["clip_id"], worst[ranking.column], strict=True)
        )
        lines.append(f"| {ranking.title} | {', '.join(named) or 'none'} |")
    return lines


def _row(name: str, values: Iterable[float]) -> str:
    cells = (f"{value:.2f}" for value in percentiles(list(values)).values())
    return f"| {name} | {' | '.join(cells)} |"


def _list(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in counts.items())


def _in_brackets(counts: Mapping[str, int]) -> str:
    return f" ({_list(counts)})" if counts else ""
