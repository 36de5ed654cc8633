"""Looks of models in one panel: grey from scratch, a colour of its own if distilled."""

from collections.abc import Sequence
from itertools import cycle, product

from lipnet.report.results import Entry

SCRATCH = ("#6b6b6b", "#8c8c8c", "#4a4a4a")
# Okabe and Ito's colours without yellow, which is pale on white; distinguishable in a panel.
DISTILLED = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7A4FA3", "#8C564B")


STYLES = ("-", "--", ":", "-.")


def looks_of(models: Sequence[Entry]) -> list[tuple[str, str]]:
    """One line style and colour per model of a panel, in order: once every colour is taken, they
    start again in the next style."""
    greys, colours = (cycle(product(STYLES, known)) for known in (SCRATCH, DISTILLED))
    return [next(greys if model.training == "scratch" else colours) for model in models]
