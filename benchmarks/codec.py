"""Codecs for crops in a shard: bytes, encoding and decoding time, PSNR, relative to raw uint8.

    python -m benchmarks.codec [--grid ROOT] [--videos 14] [--rounds 5]

Runs in one thread, interleaved: each round packs and unpacks every clip with every codec in turn,
then reads a shard of all clips with each codec of lipnet. Times are CPU times of the thread, so
that other processes hardly change them. Crops come from GRID if it is available, else from
rendered videos.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from benchmarks.clips import FRAMES, GRID, find_clips
from lipnet.shards.codec import Crops, find_codec, unpack
from lipnet.shards.meta import ClipMeta
from lipnet.shards.tar import read_shard, write_shard

# T frames  H W pixels
OURS = ("raw", "delta", "png", "jpeg90", "jpeg92", "jpeg95", "jpeg98")
LRW_CLIPS = 538_763

Pack = Callable[[Crops], bytes]
Unpack = Callable[[bytes], Crops]


@dataclass
class Measured:
    """One codec's figures over all clips and rounds."""

    sizes: list[int] = field(default_factory=list)
    encode_s: list[float] = field(default_factory=list)
    decode_s: list[float] = field(default_factory=list)
    read_s: list[float] = field(default_factory=list)
    square_error: list[float] = field(default_factory=list)

    @property
    def psnr(self) -> float:
        error = float(np.mean(self.square_error))
        return float("inf") if error == 0 else 10 * np.log10(255**2 / error)


def list_codecs() -> dict[str, tuple[Pack, Unpack]]:
    """Our codecs, and two that were rejected: OpenCV's plain PNG and lossless WebP."""

    def ours(name: str) -> tuple[Pack, Unpack]:
        codec = find_codec(name)
        return lambda crops: codec.encode(crops), lambda content: unpack(codec.suffix, content)

    def strip(kind: str, *options: int) -> tuple[Pack, Unpack]:
        def pack(crops: Crops) -> bytes:
            return bytes(cv2.imencode(kind, crops.reshape(-1, crops.shape[2]), options)[1])

        return pack, _decode_strip

    plain = strip(".png", cv2.IMWRITE_PNG_COMPRESSION, 1)
    webp = strip(".webp", cv2.IMWRITE_WEBP_QUALITY, 101)
    return {name: ours(name) for name in OURS} | {"(png, level 1)": plain, "(webp)": webp}


def _decode_strip(content: bytes) -> Crops:
    """The square images of a strip in any of OpenCV's formats."""
    image = np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE))
    return image.astype(np.uint8).reshape(-1, image.shape[1], image.shape[1])


def measure_packing(clips: list[Crops], results: dict[str, Measured]) -> None:
    """Pack and unpack every clip with every codec, once."""
    for crops in clips:
        for name, (pack, unpack_it) in list_codecs().items():
            start = time.thread_time()
            content = pack(crops)
            packed = time.thread_time()
            kept = unpack_it(content)
            done = time.thread_time()
            found = results[name]
            found.sizes.append(len(content))
            found.encode_s.append(packed - start)
            found.decode_s.append(done - packed)
            found.square_error.append(float(((kept.astype(int) - crops) ** 2).mean()))


def measure_reading(shards: dict[str, Path], clips: int, results: dict[str, Measured]) -> None:
    """Read every shard once, from the page cache."""
    for name, shard in shards.items():
        start = time.thread_time()
        count = sum(1 for _ in read_shard(shard))
        results[name].read_s.append((time.thread_time() - start) / clips)
        assert count == clips


def write_shards(folder: Path, clips: list[Crops]) -> dict[str, Path]:
    """Write a shard of all clips with each of our codecs."""
    named = [(crops, ClipMeta.unlabelled(f"{i:05d}", 0, 1)) for i, crops in enumerate(clips)]
    shards = {name: folder / f"{name}.tar" for name in OURS}
    for name, shard in shards.items():
        write_shard(shard, iter(named), name)
    return shards


def format_table(results: dict[str, Measured]) -> Iterator[str]:
    """The table, as lines of markdown."""
    yield "| codec | bytes per clip | of raw | LRW GB | pack ms | unpack ms | clips/s | PSNR dB |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    raw = float(np.mean(results["raw"].sizes))
    for name, found in results.items():
        size = float(np.mean(found.sizes))
        read = f"{1 / median(found.read_s):.0f}" if found.read_s else ""
        psnr = "lossless" if found.psnr == float("inf") else f"{found.psnr:.1f}"
        yield (
            f"| {name} | {size:.0f} | {size / raw:.3f} | {size * LRW_CLIPS / 1e9:.0f} "
            f"| {1e3 * median(found.encode_s):.2f} | {1e3 * median(found.decode_s):.2f} "
            f"| {read} | {psnr} |"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--grid", type=Path, default=GRID, help="GRID's root")
    parser.add_argument(
        "--videos", type=int, default=14, help="sentences per speaker, or rendered videos"
    )
    parser.add_argument("--rounds", type=int, default=5)
    wanted = parser.parse_args()
    cv2.setNumThreads(1)
    clips, where = find_clips(wanted.grid, wanted.videos)
    results = {name: Measured() for name in list_codecs()}
    with TemporaryDirectory() as folder:
        shards = write_shards(Path(folder), clips)
        for _ in range(wanted.rounds):
            measure_packing(clips, results)
            measure_reading(shards, len(clips), results)
    print(f"{len(clips)} clips of {FRAMES} x 96 x 96 from {where}, {wanted.rounds} rounds\n")
    print("\n".join(format_table(results)))


if __name__ == "__main__":
    main()
