"""Notes: what is odd about a video that can be read all the same, so that it can be reported."""

from pathlib import Path

from lipnet.video.boxes import count_video_tracks, is_cut_short
from lipnet.video.decode import Decoding

MAX_STRETCH = 2  # frames at 25 per second for each frame of the file
NOTES = {
    "not_square": "pixels that are not square, which were made square",
    "stretched": f"over {MAX_STRETCH} frames at 25 per second for each of their own (a low rate, "
    "or a damaged table of times)",
    "several_streams": "several video streams, of which the first was used",
    "cut_short": "a file that ends within its media data, as an unfinished copy does",
}


def list_notes(path: Path, decoded: Decoding, frames: int) -> list[str]:
    """The keys of NOTES that apply to a video that was decoded into `frames` frames."""
    odd = {
        "not_square": decoded.aspect != 1,
        "stretched": frames > MAX_STRETCH * decoded.frames,
        "several_streams": count_video_tracks(path) > 1,
        "cut_short": is_cut_short(path),
    }
    return [note for note, applies in odd.items() if applies]
