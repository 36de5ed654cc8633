"""How long lineages take on several devices, if each waits for its teacher."""

import heapq
from collections.abc import Mapping


def schedule(seconds: Mapping[str, float], teachers: Mapping[str, str], *, devices: int) -> float:
    """Seconds until the last lineage is done, each on one device and after its teacher.

    Of those that can start, the one with the longest chain of lineages behind it starts first.
    """
    left = {lineage: _longest(lineage, seconds, teachers) for lineage in seconds}
    ready = [(-left[name], name) for name in seconds if teachers.get(name) not in seconds]
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < devices:
            _, name = heapq.heappop(ready)
            heapq.heappush(running, (now + seconds[name], name))
        now, done = heapq.heappop(running)
        for name in seconds:
            if teachers.get(name) == done:
                heapq.heappush(ready, (-left[name], name))
    return now


def _longest(lineage: str, seconds: Mapping[str, float], teachers: Mapping[str, str]) -> float:
    """Seconds of the longest chain that starts with the lineage."""
    students = [name for name in seconds if teachers.get(name) == lineage]
    behind = max((_longest(name, seconds, teachers) for name in students), default=0.0)
    return seconds[lineage] + behind
