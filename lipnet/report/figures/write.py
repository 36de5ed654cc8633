"""The report's figures, as PNG and SVG with equal bytes for equal results (matplotlib, Agg)."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from lipnet.report.figures.confusion import draw_confusion, draw_viseme_confusion
from lipnet.report.figures.cost import draw_accuracy_by_cost
from lipnet.report.figures.curves import draw_learning_curves
from lipnet.report.figures.generations import draw_generations
from lipnet.report.figures.size import draw_accuracy_by_size
from lipnet.report.figures.style import house_style, save_figure
from lipnet.report.results import Results

FIGURES = (
    *("accuracy_params", "accuracy_gflops", "accuracy_bytes", "learning_curves", "generations"),
    *("confusion", "confusion_visemes"),
)


def write_figures(folder: Path, results: Results, *, ceiling: float | None) -> None:
    """Draw every figure that the study has data for into `folder`; `ceiling`: the highest top-1
    that the clips allow."""
    drawings: dict[str, Callable[[], Figure | None]] = {
        "accuracy_params": lambda: draw_accuracy_by_cost(results, "params_m", ceiling=ceiling),
        "accuracy_gflops": lambda: draw_accuracy_by_cost(results, "gflops", ceiling=ceiling),
        "accuracy_bytes": lambda: draw_accuracy_by_size(results),
        "learning_curves": lambda: draw_learning_curves(results),
        "generations": lambda: draw_generations(results),
        "confusion": lambda: draw_confusion(results),
        "confusion_visemes": lambda: draw_viseme_confusion(results),
    }
    folder.mkdir(parents=True, exist_ok=True)
    with house_style():
        for name in FIGURES:
            figure = drawings[name]()
            if figure is not None:
                save_figure(figure, folder / name)
