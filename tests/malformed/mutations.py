"""Mutations of a file's bytes: what disks, networks and hostile hands do to it."""

import json
import tarfile
from collections.abc import Callable, Sequence

import numpy as np

Draw = np.random.Generator
Mutation = Callable[[bytes, Draw], bytes]
BLOCK = 512
ODD_VALUES: tuple[object, ...] = (
    None, True, -1, 0, 1, 2**31, 2**63, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf"), "",
    "..", "/", "a\0b", "\ud800", "=1+1", "x" * 5000, [], [[]], {}, {"": None}, [1] * 9,
)  # fmt: skip


def flip(content: bytes, draw: Draw) -> bytes:
    """One to eight bytes changed."""
    changed = bytearray(content)
    for place in draw.integers(0, len(changed), draw.integers(1, 9)):
        changed[place] ^= int(draw.integers(1, 256))
    return bytes(changed)


def cut(content: bytes, draw: Draw) -> bytes:
    """Without its end."""
    return content[: draw.integers(0, len(content))]


def splice(content: bytes, draw: Draw) -> bytes:
    """A piece moved, repeated or removed."""
    first, last, to = sorted(draw.integers(0, len(content) + 1, 3).tolist())
    piece = content[first:last] * int(draw.integers(0, 4))
    return content[:first] + content[last:to] + piece + content[to:]


def fill(content: bytes, draw: Draw) -> bytes:
    """A piece overwritten by one byte, or by digits."""
    first, last = sorted(draw.integers(0, len(content) + 1, 2).tolist())
    last = min(last, first + 64)
    value = (b"\0", b"\xff", b"9", b"[", b"-")[draw.integers(5)]
    return content[:first] + value * (last - first) + content[last:]


def change_tar(content: bytes, draw: Draw) -> bytes:
    """One field of an entry's header changed, with the right check sum."""
    changed = bytearray(content)
    starts = _find_headers(content)
    if not starts:
        return flip(content, draw)
    start = starts[draw.integers(len(starts))]
    choice = draw.integers(4)
    if choice == 0:
        changed[start + 156] = b"0123456789DKLMNSVXgxZ\0"[draw.integers(22)]
    elif choice == 1:
        sizes = (b"77777777777\0", b"00000000000\0", b"\xff" * 12, b"\x80" + b"\x7f" * 11)
        changed[start + 124 : start + 136] = sizes[draw.integers(4)]
    elif choice == 2:
        names = (b"/etc/passwd", b"../../x", b"a", b"", b"a.crops.npy", b"a.json", b"\xff\xfe")
        changed[start : start + 100] = names[draw.integers(7)].ljust(100, b"\0")
    else:
        changed[start + 157 : start + 257] = b"a.json".ljust(100, b"\0")
        changed[start + 156] = ord("12"[draw.integers(2)])
    head = bytes(changed[start : start + BLOCK])
    total = 256 + sum(head[:148]) + sum(head[156:])
    changed[start + 148 : start + 156] = f"{total:06o}\0 ".encode()
    return bytes(changed)


def change_json(content: bytes, draw: Draw) -> bytes:
    """One value of a JSON text replaced by an odd one, or its key removed, or deeply nested."""
    if draw.integers(12) == 0:
        return b"[" * 100_000
    try:
        value = json.loads(content)
    except ValueError:
        return flip(content, draw)
    return json.dumps(_change_value(value, draw)).encode()


def _change_value(value: object, draw: Draw) -> object:
    odd = ODD_VALUES[draw.integers(len(ODD_VALUES))]
    if isinstance(value, dict) and value and draw.integers(8):
        key = list(value)[draw.integers(len(value))]
        if draw.integers(6) == 0:
            return {name: own for name, own in value.items() if name != key}
        return {**value, key: _change_value(value[key], draw)}
    if isinstance(value, list) and value and draw.integers(8):
        place = int(draw.integers(len(value)))
        if draw.integers(6) == 0:
            return value * 2
        return [*value[:place], _change_value(value[place], draw), *value[place + 1 :]]
    return odd


def change_safetensors(content: bytes, draw: Draw) -> bytes:
    """One value of the header changed, its tensors left."""
    length = int.from_bytes(content[:8], "little")
    header = change_json(content[8 : 8 + length], draw)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def change_card(content: bytes, draw: Draw) -> bytes:
    """One value of the model card changed."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    card = change_json(header["__metadata__"]["lipnet"].encode(), draw).decode()
    header["__metadata__"]["lipnet"] = card
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def change_table(content: bytes, draw: Draw) -> bytes:
    """One cell of a CSV file replaced by an odd value."""
    lines = content.decode().split("\n")
    row = int(draw.integers(max(1, len(lines) - 1)))
    cells = lines[row].split(",")
    cells[draw.integers(len(cells))] = str(ODD_VALUES[draw.integers(len(ODD_VALUES) - 1)])
    lines[row] = ",".join(cells)
    return "\n".join(lines).encode(errors="surrogatepass" if draw.integers(2) else "replace")


def _find_headers(content: bytes) -> Sequence[int]:
    starts = []
    for start in range(0, len(content), BLOCK):
        try:
            tarfile.TarInfo.frombuf(content[start : start + BLOCK], "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            continue
        starts.append(start)
    return starts


BYTES: tuple[Mutation, ...] = (flip, cut, splice, fill)
