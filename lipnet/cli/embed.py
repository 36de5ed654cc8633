"""`lipnet embed`: the features before the last linear layer, for shards or videos."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lipnet.cli.face import add_face
from lipnet.cli.unused import refuse_unused
from lipnet.errors import InputError

if TYPE_CHECKING:
    from lipnet.inference.embed import Embeddings

ABOUT = (
    "The .npz holds embeddings [N, D] float32, clip_ids and labels [N] (labels are empty for "
    "videos), and the videos that failed: failed and reasons. A video that fails is also a line; "
    "the exit status is 1 only if nothing could be embedded."
)

SPLIT = "test"


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb's arguments."""
    embed = verbs.add_parser("embed", help="features of shards or videos, as .npz", epilog=ABOUT)
    embed.add_argument("videos", type=Path, nargs="*", metavar="VIDEO")
    embed.add_argument("--shards", type=Path, metavar="DIR", help="output of the stage shards")
    embed.add_argument("--split", help=f"a split of the shards (default: {SPLIT})")
    embed.add_argument("--weights", type=Path, required=True, help="a weights.safetensors")
    embed.add_argument("--out", type=Path, required=True, metavar="FILE.npz")
    add_face(embed)
    embed.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Embed, write, and print each failure."""
    if bool(parsed.videos) == bool(parsed.shards):
        raise InputError("embed takes either videos or --shards DIR")
    if parsed.shards:
        refuse_unused({"--face": parsed.face}, "the clips of --shards are cropped already")
    else:
        refuse_unused({"--split": parsed.split}, "videos have no splits")
    if parsed.out.suffix != ".npz" or not parsed.out.parent.is_dir():
        raise InputError(f"--out {parsed.out}: must be an .npz file in a folder that exists")
    made = embed(parsed)
    write(parsed.out, made)
    for clip_id, reason in zip(made.failed, made.reasons, strict=True):
        print(f"{clip_id}: failed, {reason}")
    clips, features = made.embeddings.shape
    print(f"{clips} clips x {features} features -> {parsed.out}; {len(made.failed)} failed")
    if not clips:
        raise InputError(f"none of {len(made.failed)} videos could be embedded")


def embed(parsed: argparse.Namespace) -> "Embeddings":
    """The embeddings of the shards or videos that the arguments name."""
    from lipnet.inference.embed import embed_shards, embed_videos
    from lipnet.lease import lease_device

    with lease_device():
        if parsed.shards:
            return embed_shards(parsed.weights, parsed.shards, parsed.split or SPLIT)
        return embed_videos(parsed.weights, parsed.videos, face=parsed.face)


def write(path: Path, made: "Embeddings") -> None:
    """Write the file; InputError if that fails."""
    from lipnet.inference.embed import write_embeddings

    try:
        write_embeddings(path, made)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error}") from None
