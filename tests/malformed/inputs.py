"""The corpus of odd and broken inputs."""

import io
import json
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from tests.malformed import scenes
from tests.malformed.movies import (
    Write,
    change_bytes,
    cut_short,
    once,
    png_bytes,
    scatter_noise,
    write_sound,
)
from tests.malformed.odd import (
    ACCOUNTED,
    EITHER,
    NO_FACE,
    REFUSED_NAME,
    SHORT_TEXT,
    TEXT,
    UNUSABLE,
    Odd,
    movie,
    nothing,
    put,
)

# Each can be read from a name that ends in .mp4: FFmpeg looks at what is inside.
CONTAINERS: dict[str, Write] = {
    "mp4": movie(),
    "mp4-index-first": movie(mux={"movflags": "faststart"}),
    "mp4-fragments": movie(mux={"movflags": "frag_keyframe+empty_moov"}),
    "h264": movie(codec="libx264"),
    "avi": movie(codec="mjpeg", kind="avi", pixels="yuvj420p"),
    "mpg": movie(codec="mpeg1video", kind="mpeg"),
    "ts": movie(codec="mpeg2video", kind="mpegts"),
    "mkv": movie(codec="libx264", kind="matroska"),
    "flv": movie(codec="flv", kind="flv"),
}
CONTAINERS = {kind: once(write) for kind, write in CONTAINERS.items()}


def list_cut() -> list[Odd]:
    """Every container, cut at every tenth of its bytes."""
    cut = []
    for kind, write in CONTAINERS.items():
        # An mp4's index is at its end, and nothing can be read without it.
        ends = ("landmarks unreadable",) if kind in ("mp4", "h264") else ACCOUNTED
        for tenth in range(1, 10):
            cut.append(Odd(f"{kind}-cut-at-{tenth}-tenths", cut_short(write, tenth / 10), ends))
    return cut


def list_damaged() -> list[Odd]:
    """Bytes that changed on the way."""
    damaged = []
    for kind, write in CONTAINERS.items():
        for seed, share in enumerate((0.0005, 0.01, 0.2)):
            odd = change_bytes(write, scatter_noise(seed, share))
            damaged.append(Odd(f"{kind}-noise-{share:g}", odd, ACCOUNTED))
        odd = change_bytes(write, lambda b: bytes(64) + bytes(b[64:]))
        damaged.append(Odd(f"{kind}-without-its-head", odd, ACCOUNTED))
        odd = change_bytes(write, lambda b: bytes(b[: len(b) // 2]) + bytes(len(b) // 2))
        damaged.append(Odd(f"{kind}-zeros-at-the-end", odd, ACCOUNTED))
    twice, padded = change_bytes(movie(), lambda b: bytes(b * 2)), scatter_noise(7, 1.0)
    return [
        *damaged,
        Odd("mp4-twice", twice, ACCOUNTED),
        Odd("mp4-and-garbage", change_bytes(movie(), lambda b: bytes(b) + b"\xff\0" * 5000)),
        Odd("garbage-and-mp4", change_bytes(movie(), lambda b: b"\xff\0" * 500 + b), ACCOUNTED),
        Odd("garbage", change_bytes(movie(), padded), ACCOUNTED),
        Odd("two-streams-glued", change_bytes(CONTAINERS["ts"], lambda b: bytes(b * 2))),
    ]


def list_no_videos() -> list[Odd]:
    """Files of another kind under a video's name."""
    npy, tar, archive = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(npy, np.arange(9))
    with tarfile.open(fileobj=tar, mode="w") as pack:
        pack.addfile(tarfile.TarInfo("a"))
    with zipfile.ZipFile(archive, "w") as pack:
        pack.writestr("a", "b")
    empty_box = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2"
    contents = {
        "one-byte": b"\0",
        "letters": b"no video, just words\n" * 99,
        "page": b"<!doctype html><html><body>404 Not Found</body></html>",
        "json": json.dumps({"error": "quota exceeded"}).encode(),
        "zip": archive.getvalue(),
        "tar": tar.getvalue(),
        "npy": npy.getvalue(),
        "pickle": pickle.dumps({"frames": list(range(99))}),
        "subtitles": b"1\n00:00:00,000 --> 00:00:01,000\nhello\n",
        "zeros": bytes(100_000),
        "mp4-head-only": empty_box,
        "playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nODD_99999.mp4\n"
        b"#EXT-X-ENDLIST\n",
        "concat-list": b"ffconcat version 1.0\nfile ODD_99999.mp4\n",
        "session": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        b"m=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "lfs-pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    }
    listed = [Odd(name, put(content), UNUSABLE) for name, content in contents.items()]
    return [
        *listed,
        Odd("zero-bytes", put(b""), ("manifest zero_bytes",)),
        Odd("png", put(png_bytes()), NO_FACE),
        Odd("sound-mp4", write_sound, UNUSABLE),
        Odd("sound-wav", partial(write_sound, kind="wav"), UNUSABLE),
    ]


def list_counts_and_rates() -> list[Odd]:
    """Few and many frames, slow and fast, even and uneven."""
    listed = [
        Odd(f"{count}-frames", movie(partial(scenes.face, count)))
        for count in (1, 2, 3, 5, 9, 10, 11, 28, 30, 75)
    ]
    long = movie(partial(scenes.face, 3000, side=128))
    listed += [
        Odd("3000-frames", long),
        Odd("1-frame-of-a-short-word", movie(partial(scenes.face, 1)), text=put(SHORT_TEXT)),
        Odd("5-frames-of-a-short-word", movie(partial(scenes.face, 5)), text=put(SHORT_TEXT)),
    ]
    rates = (1, 2, 5, 12, 15, 23.976, 24, 29.97, 30, 48, 50, 59.94, 60, 90, 120, 240)
    listed += [Odd(f"{rate:g}-fps", movie(rate=rate)) for rate in rates]
    uneven = {
        "jitter": [0, 35, 85, 120, 158, 203, 241, 279, 322, 359, 401, 440],
        "pause": [0, 40, 80, 120, 160, 200, 1200, 1240, 1280, 1320, 1360, 1400],
        "slower-and-slower": [10 * t * t for t in range(12)],
        "bursts": [200 * (t // 4) + t % 4 for t in range(12)],
        "late-start": [5000 + 40 * t for t in range(12)],
        "a-minute-between-two": [40 * t + 60_000 * (t > 5) for t in range(12)],
        "two-rates": [40 * t if t < 6 else 200 + 17 * (t - 5) for t in range(12)],
    }
    for name, stamps in uneven.items():
        for kind, codec in (("mp4", "libx264"), ("matroska", "mpeg4")):
            write = movie(codec=codec, kind=kind, stamps=stamps)
            listed.append(Odd(f"uneven-{name}-{kind}", write))
    return listed


def list_pictures() -> list[Odd]:
    """Turned, and of odd sizes."""
    listed = []
    for quarters in (1, 2, 3):
        turned = partial(scenes.turned, quarters)
        # A telephone stores the picture as the sensor lies, and a note how to turn it.
        listed.append(Odd(f"turned-{quarters}-with-note", movie(turned, rotation=-90 * quarters)))
        listed.append(Odd(f"turned-{quarters}-without-note", movie(turned), EITHER))
    listed.append(Odd("note-of-45-degrees", movie(rotation=45), EITHER))
    sizes: dict[tuple[int, int], tuple[str, ...]] = {
        (16, 16): NO_FACE, (2, 2): NO_FACE, (32, 32): NO_FACE, (64, 64): EITHER,
        (1024, 16): NO_FACE, (16, 1024): NO_FACE, (258, 254): ("fine",), (640, 480): ("fine",),
        (720, 1280): EITHER, (256, 512): EITHER, (512, 256): EITHER,
    }  # fmt: skip
    for (width, height), ends in sizes.items():
        scene = partial(scenes.sized, width, height)
        listed.append(Odd(f"size-{width}x{height}", movie(scene), ends))
    listed += [
        Odd("size-4k", movie(partial(scenes.sized, 3840, 2160, 3)), EITHER),
        Odd("size-4k-square", movie(partial(scenes.sized, 2160, 2160, 3))),
        Odd("size-odd-17x33",
            movie(partial(scenes.sized, 17, 33), codec="ffv1", kind="matroska", pixels="bgr0"),
            NO_FACE),
        Odd("size-odd-255x257",
            movie(partial(scenes.sized, 255, 257), codec="ffv1", kind="matroska", pixels="bgr0")),
    ]  # fmt: skip
    return listed


STORED = [
    ("ffv1", "matroska", "gray"), ("ffv1", "matroska", "gray10le"),
    ("ffv1", "matroska", "gray16le"), ("ffv1", "matroska", "yuv420p10le"),
    ("ffv1", "matroska", "yuv444p12le"), ("ffv1", "matroska", "yuva420p"),
    ("libx264", "mp4", "gray"), ("libx264", "mp4", "yuv420p10le"),
    ("libx264", "mp4", "yuv422p"), ("libx264", "mp4", "yuv444p"),
    ("libvpx-vp9", "webm", "yuv420p"), ("mpeg2video", "mpegts", "yuv422p"),
    ("prores", "mov", "yuv422p10le"), ("png", "mov", "rgb24"), ("png", "mov", "rgba"),
    ("png", "mov", "gray"), ("png", "mov", "monob"), ("png", "mov", "rgb48be"),
    ("qtrle", "mov", "rgb24"), ("huffyuv", "avi", "yuv422p"), ("gif", "gif", "rgb8"),
    ("apng", "apng", "rgb24"), ("rawvideo", "avi", "bgr24"), ("rawvideo", "nut", "bgr24"),
    ("rawvideo", "yuv4mpegpipe", "yuv420p"), ("wmv2", "asf", "yuv420p"),
    ("snow", "avi", "yuv420p"), ("mpeg4", "mp4", "yuv420p"),
]  # fmt: skip


def list_stored() -> list[Odd]:
    """Every way to store a pixel, and sound with it."""
    listed = []
    for codec, kind, pixels in STORED:
        write = movie(codec=codec, kind=kind, pixels=pixels)
        ends = EITHER if pixels == "monob" else ("fine",)  # black and white alone
        listed.append(Odd(f"stored-{codec}-{kind}-{pixels}", write, ends))
    return [*listed, Odd("with-sound", movie(sound=True))]


AWAY = [0] * 5 + [30, 60, 100, 140, 200, 260, 300]
SCENES: dict[str, tuple[Callable[[], scenes.Frames], tuple[str, ...]]] = {
    "black": (partial(scenes.flat, 0), NO_FACE),
    "white": (partial(scenes.flat, 255), NO_FACE),
    "grey": (partial(scenes.flat, 128), NO_FACE),
    "snow": (scenes.noise, NO_FACE),
    "ramp": (scenes.ramp, NO_FACE),
    "board": (scenes.board, NO_FACE),
    "letters-on-screen": (scenes.screen_text, NO_FACE),
    "half-left": (partial(scenes.half, "left"), EITHER),
    "half-right": (partial(scenes.half, "right"), EITHER),
    "half-top": (partial(scenes.half, "top"), EITHER),
    "half-bottom": (partial(scenes.half, "bottom"), EITHER),
    "two-faces": (scenes.two, ("fine",)),
    "two-faces-one-smaller": (partial(scenes.two, 160), ("fine",)),
    "face-leaves": (partial(scenes.shifted, AWAY), ("fine",)),
    "face-comes": (partial(scenes.shifted, AWAY[::-1]), ("fine",)),
    "face-jumps": (partial(scenes.shifted, [0, 60, -60] * 4), ("fine",)),
    "face-at-the-edge": (partial(scenes.shifted, [90] * 12), EITHER),
    "face-in-the-first-frame": (partial(scenes.shown, [True] + [False] * 11), ("fine",)),
    "face-in-the-last-frame": (partial(scenes.shown, [False] * 11 + [True]), ("fine",)),
    "face-in-one-frame-between": (
        partial(scenes.shown, [False] * 4 + [True] + [False] * 7), EITHER),
    "face-in-every-other-frame": (partial(scenes.shown, [True, False] * 6), ("fine",)),
    "face-upside-down": (partial(scenes.turned, 2), EITHER),
    "negative": (partial(scenes.toned, -1.0, 255), EITHER),
    "dark": (partial(scenes.toned, 0.1, 0), EITHER),
    "glaring": (partial(scenes.toned, 3.0, 60), EITHER),
    "pale": (partial(scenes.toned, 0.1, 120), EITHER),
    "blurred": (partial(scenes.blurred, 9), EITHER),
    "smeared": (partial(scenes.blurred, 61), EITHER),
    "noisy": (partial(scenes.noisy, 40), EITHER),
    "drowned-in-noise": (partial(scenes.noisy, 200), EITHER),
}  # fmt: skip


def list_faces() -> list[Odd]:
    """No face, some of one, more than one, one that comes or goes."""
    return [Odd(name, movie(scene), ends) for name, (scene, ends) in SCENES.items()]


def list_names() -> list[Odd]:
    """Names that LRW's layout does not have, and the longest that it may have."""
    refused = [
        "ODD_1.MP4", "ODD_2.avi", "ODD_3.m4v", "ODD_4", "ODD_5.mp4.part", "ODD_6 .mp4", "odd_7.mp4",
        "ODD-8.mp4", "ODD_.mp4", "ODD_9.2.mp4", "ODD_x.mp4", ".ODD_10.mp4", "._ODD_11.mp4",
        ".DS_Store", "ODD_12(1).mp4", "ODD_13\n.mp4", "ODD_'14'.mp4", "ODD_%03d.mp4", "-ODD_15.mp4",
        "ÖDD_1.mp4", "口_1.mp4", "👄_1.mp4", "ODD_" + "é" * 120 + ".mp4", "ODD_٣.mp4",
        os.fsdecode(b"ODD_\xff\xfe.mp4"),
    ]  # fmt: skip
    listed = [Odd(f"name-{name!a:.40}", movie(), REFUSED_NAME, file=name) for name in refused]
    digits = "0" * 200 + "1"
    return [
        *listed,
        Odd("name-of-200-digits", movie(), file=f"ODD_{digits}.mp4"),
        Odd("name-of-200-digits-black", movie(partial(scenes.flat, 0)), NO_FACE,
            file=f"ODD_2{digits}.mp4"),
        Odd("text-alone", put(TEXT), ("manifest no_video",), nothing, "ODD_77777.txt"),
        Odd("folder-for-a-video", Path.mkdir, REFUSED_NAME),
        Odd("pipe-for-a-video", os.mkfifo, REFUSED_NAME),
        Odd("link-to-nowhere", lambda path: path.symlink_to("nowhere"),
            ("manifest unreadable_video",)),
        Odd("link-to-itself", lambda path: path.symlink_to(path.name),
            ("manifest unreadable_video",)),
    ]  # fmt: skip


NO_DURATION, BAD = ("manifest no_duration",), ("manifest bad_duration",)
UNREADABLE = ("manifest unreadable_annotation",)
TEXTS: dict[str, tuple[Write, tuple[str, ...]]] = {
    "missing": (nothing, ("manifest no_annotation",)),
    "empty": (put(b""), NO_DURATION),
    "blank": (put(b"\n \n"), NO_DURATION),
    "without-duration": (put(b"Text:  ODD\nConf:  3\n"), NO_DURATION),
    "duration-of-nothing": (put(b"Duration:\n"), NO_DURATION),
    "duration-zero": (put(b"Duration: 0 seconds"), BAD),
    "duration-negative": (put(b"Duration: -0.4 seconds"), BAD),
    "duration-nan": (put(b"Duration: nan seconds"), BAD),
    "duration-endless": (put(b"Duration: 1e999 seconds"), BAD),
    "duration-of-an-hour": (put(b"Duration: 3600 seconds"), BAD),
    "duration-with-comma": (put(b"Duration: 0,47 seconds"), BAD),
    "duration-in-minutes": (put(b"Duration: 0.01 minutes"), BAD),
    "duration-in-words": (put(b"Duration: half a second"), BAD),
    "duration-of-a-minute": (put(b"Duration: 60 seconds"), ("fine",)),
    "utf-16": (put(TEXT.decode().encode("utf-16")), NO_DURATION),
    "byte-order-mark": (put(b"\xef\xbb\xbf" + TEXT), ("fine",)),
    "line-ends-of-windows": (put(TEXT.replace(b"\n", b"\r\n")), ("fine",)),
    "bytes": (put(bytes(range(256)) * 4), NO_DURATION),
    "of-a-megabyte": (put(b"x" * 1_000_000 + b"\n" + TEXT), NO_DURATION),
    "of-another-word": (put(TEXT.replace(b"ODD", b"EVEN")), ("fine",)),
    "video": (movie(), NO_DURATION),
    "folder": (Path.mkdir, UNREADABLE),
    "pipe": (os.mkfifo, UNREADABLE),
    "link-to-nowhere": (lambda path: path.symlink_to("nowhere"), UNREADABLE),
    "forbidden": (lambda path: (path.write_bytes(TEXT), path.chmod(0)), UNREADABLE),
}


def list_texts() -> list[Odd]:
    """A .txt that is missing, empty, wrong or cannot be read."""
    listed = [Odd(f"text-{name}", movie(), ends, text) for name, (text, ends) in TEXTS.items()]

    def forbid(path: Path) -> None:
        movie()(path)
        path.chmod(0)

    return [*listed, Odd("video-forbidden", forbid, ("landmarks unreadable",))]


INPUTS = [
    *list_cut(), *list_damaged(), *list_no_videos(), *list_counts_and_rates(), *list_pictures(),
    *list_stored(), *list_faces(), *list_names(), *list_texts(),
]  # fmt: skip
