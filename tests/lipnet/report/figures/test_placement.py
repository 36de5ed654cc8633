"""Labels are apart from one another and from the points, and inside the axes."""

from itertools import combinations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lipnet.report.figures.placement import Label, boxes_of, place_labels


def test_labels_of_crowded_points_do_not_overlap() -> None:
    figure = Figure(figsize=(9, 5))
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    points = [(0.5 + 0.02 * number, 0.5 + 0.015 * number) for number in range(6)]
    axes.plot(*zip(*points, strict=True), "o")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    figure.draw_without_rendering()
    obstacles = boxes_of(axes, points, radius=4)
    labels = [Label(f"ShuffleNet v2 {number}x\nDS-MS-TCN", *p) for number, p in enumerate(points)]
    place_labels(axes, labels, obstacles, size=9)
    boxes = [text.get_window_extent() for text in axes.texts if text.get_text()]
    assert len(boxes) == 6
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    inside = axes.get_window_extent()
    assert all(inside.contains(box.x0, box.y0) and inside.contains(box.x1, box.y1) for box in boxes)
