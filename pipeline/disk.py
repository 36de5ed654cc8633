"""Whether the disks have room for what a profile will write."""

import configparser
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lipnet.errors import InputError
from pipeline.estimate import DECODED, RECORDED, STORED, Estimate, format_bytes
from pipeline.paths import Paths

ADVICE = {
    DECODED: "leave workers.cache empty: decoded clips take {} of it",
    STORED: "set shards.url to a place with more room: the shards take {} of it",
}
USE_LINKS = "let DVC use links instead of copies: dvc config cache.type hardlink,symlink"


@dataclass(frozen=True)
class Need:
    """Bytes that will be written to the disk of `place`; `advice` is a way to need fewer."""

    place: Path
    size: int
    advice: str = ""


def check_disk(
    rows: Sequence[Estimate],
    paths: Paths,
    *,
    repository: Path,
    kept: Mapping[str, Path | None] | None = None,
) -> None:
    """InputError if a disk is too small for what is missing: the outputs and DVC's copies of them,
    recorded logits, and what goes to the folders `kept` (DECODED and STORED).

    Existing outputs and unfinished ones in the untracked folder count as done. So does what is in
    a folder of `kept`, although it may be another profile's.
    """
    by_disk: dict[int, list[Need]] = {}
    for need in list_needs(rows, paths, repository=repository, kept=kept or {}):
        disk = find_existing(need.place).stat().st_dev
        by_disk.setdefault(disk, []).append(need)
    for needs in by_disk.values():
        check_room(needs)


def list_needs(
    rows: Sequence[Estimate],
    paths: Paths,
    *,
    repository: Path,
    kept: Mapping[str, Path | None],
) -> Iterator[Need]:
    """What will be written to which place."""
    sizes = {row.step: row.disk_bytes for row in rows}
    recorded = sizes.pop(RECORDED, 0)
    elsewhere = {step: sizes.pop(step, 0) for step in ADVICE}
    folders = {"raw": paths.raw, "landmarks": paths.landmarks, "shards": paths.shards}
    folders |= {"models": paths.models, "logits": paths.logits_val.parent}
    there = measure_folder(paths.recorded)
    missing = sum(max(0, size - measure_folder(folders[step])) for step, size in sizes.items())
    missing = max(0, missing - measure_folder(paths.tmp) + there)
    yield Need(repository, missing + max(0, recorded - there))
    cache, copies = read_cache(repository)
    if copies:  # of outputs, not of recordings
        yield Need(cache, missing, USE_LINKS)
    for step, size in elsewhere.items():
        folder = kept.get(step)
        if size and folder is not None:
            left = max(0, size - measure_folder(folder))
            yield Need(folder, left, ADVICE[step].format(format_bytes(left)))


def check_room(needs: Sequence[Need]) -> None:
    """InputError if the disk that all of `needs` are on has too few bytes free."""
    place, size = find_existing(needs[0].place), sum(need.size for need in needs)
    free = shutil.disk_usage(place).free
    if size <= free:
        return
    ways = ["free some space", "use a smaller profile"]
    ways += [need.advice for need in needs if need.advice and need.size]
    raise InputError(
        f"the disk of {place.resolve()} has {format_bytes(free)} free, but about "
        f"{format_bytes(size)} are needed: {', or '.join(ways)}"
    )


def read_cache(repository: Path) -> tuple[Path, bool]:
    """DVC's cache folder, and whether outputs are copied to it (they are unless it uses links)."""
    settings = configparser.ConfigParser(interpolation=None)
    try:
        settings.read([repository / ".dvc" / "config", repository / ".dvc" / "config.local"])
    except configparser.Error as error:
        raise InputError(f".dvc/config cannot be read: {error}") from error
    # DVC quotes values with a comma.
    kinds, folder = (
        settings.get("cache", name, fallback=usual).strip().strip("\"'")
        for name, usual in (("type", "reflink,copy"), ("dir", "cache"))
    )
    kind = kinds.split(",")[0].strip()
    return repository / ".dvc" / folder, kind not in ("hardlink", "symlink")


def measure_folder(folder: Path) -> int:
    """Bytes of all files below a folder, those that are links into DVC's cache too; 0 if there is
    none."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def find_existing(place: Path) -> Path:
    """`place` itself, or its nearest ancestor that exists."""
    place = place.absolute()
    return next(parent for parent in (place, *place.parents) if parent.exists())
