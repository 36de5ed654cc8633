"""quality.md: the outcome of every clip and the quality of the crops."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lipnet.files import write_atomic
from lipnet.quality.facts import Check, Quality, check_quality, percent, percentiles, rank_clips
from lipnet.quality.speakers import SpeakerQuality

LISTED = 10  # clips per ranking
LISTED_SPEAKERS = 20
REPORT = "[report](../report/report.html)"


def write_page(folder: Path, quality: Quality) -> None:
    """Write quality.md next to the pictures that it shows."""
    parts = [
        [f"# Preprocessing of profile `{quality.profile}`", ""],
        format_checks(check_quality(quality)),
        format_counts(quality),
        format_faces(quality),
        format_speakers(quality.speakers),
        format_crops(quality),
        format_worst(quality),
    ]
    text = "\n".join(line for part in parts for line in part).rstrip() + "\n"
    with write_atomic(folder / "quality.md") as temporary:
        temporary.write_text(text, encoding="utf-8")


def format_checks(checks: list[Check]) -> list[str]:
    """The verdict, a link to the report on the models, and a table of all checks."""
    off = [check for check in checks if not check.fine]
    verdict = f"{len(off)} of {len(checks)} checks look off." if off else "All checks look fine."
    rows = (
        f"| {check.what} | {check.value} | {check.usual} | {'fine' if check.fine else '**look**'} |"
        for check in checks
    )
    link = f"The accuracy of the models is in their {REPORT}, which is written after training."
    head = ["| check | found | usual | |", "|---|---:|---:|---|"]
    return [verdict, "", link, "", *head, *rows, ""]


def format_counts(quality: Quality) -> list[str]:
    """Counts by source, split and outcome, each as a sum."""
    manifest, landmarks = quality.manifest, quality.landmarks
    precropped = landmarks.precropped_videos
    rest = f"; {precropped} are precropped and need no landmarks" if precropped else ""
    by = f", by `{landmarks.model}`" if landmarks.videos else ""
    lines = [
        "## Outcomes",
        "",
        f"- Source `{manifest.source}`: {manifest.describe_total()}"
        f"{_in_brackets(manifest.rejected)}.",
        f"- Landmarks{by}: {landmarks.videos} videos = "
        f"{landmarks.tracked_videos} tracked + {sum(landmarks.failed.values())} failed"
        f"{_in_brackets(landmarks.failed)}{rest}.",
        "",
        "| split | clips | = cut | + failed | reasons |",
        "|---|---:|---:|---:|---|",
    ]
    for split, count in quality.splits.items():
        failed = sum(count.failed.values())
        reasons = _list(count.failed)
        lines.append(f"| {split} | {count.clips} | {count.cut} | {failed} | {reasons} |")
    return [*lines, ""]


def format_faces(quality: Quality) -> list[str]:
    """Detection scores, gaps and jumps; or why there are none."""
    if quality.faces is None:
        return [
            "## Faces",
            "",
            "The corpus is precropped: no face was detected, and there are no landmarks to check. "
            "Look closely at the contact sheet.",
            "",
        ]
    faces, found = quality.faces, quality.faces.frames
    filled = f"{faces.interpolated} of them ({percent(faces.interpolated / len(found.seen_T), 2)})"
    return [
        "## Faces",
        "",
        f"{len(found.seen_T)} frames; in {filled} no face was seen, and the landmarks are "
        "interpolated from the neighbouring frames.",
        "",
        "| measure, per frame | 1 % | 5 % | median | 95 % | 99 % |",
        "|---|---:|---:|---:|---:|---:|",
        _row("detection score", found.score_T[found.seen_T]),
        _row("jump of the mouth's centre, px", found.jitter_T),
        _row(f"the same after the mean of {quality.smooth} frames, px", found.smoothed_T),
        "",
        "A jump is the distance from the middle of the positions in the previous and the next "
        "frame, in the crop's pixels: 0 for steady motion. The alignment uses the mean of "
        f"{quality.smooth} frames.",
        "",
    ]


def format_speakers(speakers: Sequence[SpeakerQuality]) -> list[str]:
    """The speakers next to each other, those with the most failures first."""
    if not speakers:
        return []
    rest = len(speakers) - LISTED_SPEAKERS
    rows = (
        f"| {one.speaker} | {one.clips} | {one.failed} | "
        f"{'-' if one.interpolated is None else percent(one.interpolated, 2)} | "
        f"{'-' if one.jitter is None else f'{one.jitter:.2f}'} |"
        for one in speakers[:LISTED_SPEAKERS]
    )
    return [
        "## Speakers",
        "",
        "Those with the largest share of failed clips first, then the least steady"
        + (f"; {rest} more are in quality.json" if rest > 0 else "")
        + ". A speaker who stands out may be one whom the landmark model does not fit.",
        "",
        "| speaker | clips | failed | frames without a face | jump of the mouth's centre, px |",
        "|---|---:|---:|---:|---:|",
        *rows,
        "",
    ]


def format_crops(quality: Quality) -> list[str]:
    """Brightness before and after the recipe's normalisation, and pixels outside of the frame."""
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
    return [
        *lines,
        "",
        f"The recipe subtracts {wanted.mean:g} and divides by {wanted.std:g}"
        f"{' (measured here)' if quality.measured else ''}. Weights that were "
        "trained elsewhere expect about 0 and 1 after that; other values mean that the light, the "
        "cropping or the range of the pixels differs from theirs.",
        *([f"To normalise this corpus: {quality.advice}."] if quality.advice else []),
        "",
        *format_outside(quality),
        "![distributions](distributions.png)",
        "",
        "## Contact sheet",
        "",
        "![random crops](contact_sheet.png)",
        "",
    ]


def format_outside(quality: Quality) -> list[str]:
    """How many clips have pixels outside of the frame; nothing if that is not known."""
    if "outside" not in quality.clips:
        return []
    outside = quality.clips["outside"]
    largest = percent(max(outside, default=0.0))
    return [
        f"{int((outside > 0).sum())} of {len(outside)} clips have pixels outside of their video's "
        f"frame (at most {largest} of a clip); the frame's edge is repeated there.",
        "",
    ]


def format_worst(quality: Quality) -> list[str]:
    """The worst clips by each measure, as images and by id."""
    lines = [
        "## Worst clips",
        "",
        "![worst crops](worst.png)",
        "",
        "| measure | clips |",
        "|---|---|",
    ]
    for ranking, worst in rank_clips(quality, LISTED):
        named = (
            f"`{clip_id}` {ranking.format_value(value)}"
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
