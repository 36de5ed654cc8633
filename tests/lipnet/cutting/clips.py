"""Clips for tests of shards."""

from lipnet.clip import Clip


def clip(name: str = "a", **changes: object) -> Clip:
    facts: dict[str, object] = {
        "clip_id": name, "video": "v.mp4", "label": "blue", "split": "train", "speaker": "s1",
        "unit": "u", "slot": "", "first": 0, "last": -1, "word_first": 0, "word_last": 9,
    }  # fmt: skip
    return Clip(**{**facts, **changes})  # type: ignore[arg-type]
