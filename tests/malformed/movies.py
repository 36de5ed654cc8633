"""Videos of any codec, container, rate and orientation, written by PyAV."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

# T frames  H W pixels  C channels (BGR)
Frames = Sequence[NDArray[np.uint8]]
Write = Callable[[Path], object]
MILLISECOND = Fraction(1, 1000)
FINEST_RATE = 1001  # denominator of a frame rate, as in 30000/1001


def write_movie(
    path: Path,
    frames: Frames,
    *,
    codec: str = "mpeg4",
    kind: str = "mp4",
    pixels: str = "yuv420p",
    rate: float = 25,
    stamps: Sequence[int] = (),
    rotation: int = 0,
    mux: Mapping[str, str] | None = None,
    sound: bool = False,
) -> None:
    """Encode BGR frames; `stamps` are their times in milliseconds where these are not even."""
    fraction = Fraction(rate).limit_denominator(FINEST_RATE)
    tick = MILLISECOND if stamps else 1 / fraction
    with av.open(str(path), "w", format=kind, container_options=dict(mux or {})) as out:
        stream = out.add_stream(codec, rate=fraction)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        stream.codec_context.time_base = tick
        if rotation:
            stream.set_display_rotation(rotation)
        if sound:
            _add_sound(out)
        for place, frame_HWC in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame_HWC, format="bgr24").reformat(format=pixels)
            picture.pts = stamps[place] if stamps else place
            picture.time_base = tick
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))


def write_sound(path: Path, kind: str = "mp4") -> None:
    """A second of a tone, without any picture."""
    with av.open(str(path), "w", format=kind) as out:
        _add_sound(out)


def _add_sound(out: av.container.OutputContainer) -> None:
    stream = out.add_stream("aac" if out.format.name != "wav" else "pcm_s16le", rate=16000)
    tone = (8000 * np.sin(np.arange(16000) / 6)).astype(np.int16)[None]
    frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
    frame.sample_rate = 16000
    shape = stream.codec_context.format, stream.codec_context.layout
    resampler = AudioResampler(*shape, 16000, frame_size=stream.codec_context.frame_size or None)
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        out.mux(stream.encode(part))
    out.mux(stream.encode(None))


def once(write: Write) -> Write:
    """The same file, encoded once however often it is written."""

    @cache
    def encode() -> bytes:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            write(path)
            return path.read_bytes()

    return lambda path: path.write_bytes(encode())


def cut_short(write: Write, share: float) -> Write:
    """The same file without its end."""

    def write_part(path: Path) -> None:
        write(path)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])

    return write_part


def change_bytes(write: Write, change: Callable[[bytearray], bytes]) -> Write:
    """The same file with its bytes changed."""

    def write_changed(path: Path) -> None:
        write(path)
        path.write_bytes(change(bytearray(path.read_bytes())))

    return write_changed


def scatter_noise(seed: int, share: float) -> Callable[[bytearray], bytes]:
    """A change that overwrites this share of the bytes at random."""

    def change(content: bytearray) -> bytes:
        generator = np.random.default_rng(seed)
        places = generator.integers(0, len(content), max(1, int(len(content) * share)))
        for place in places:
            content[int(place)] = int(generator.integers(0, 256))
        return bytes(content)

    return change


def png_bytes(side: int = 32) -> bytes:
    """A grey PNG, written by hand."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return len(content).to_bytes(4, "big") + kind + content + check.to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    rows = zlib.compress((b"\0" + b"\x80" * side) * side)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )
