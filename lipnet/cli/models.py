"""`lipnet models`: the models of the paper's Tables 3 and 4, our figures next to those printed.

With --all also the efficient trunks, as the ImageNet classifiers that they were published as, and
the systems of other authors.
"""

import argparse
import json
import sys
import textwrap
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lipnet.measure.imagenet import PublishedNet
    from lipnet.measure.paper import OtherRow, PaperRow
    from lipnet.measure.systems import System

HEADINGS = ("corpus", "input", "spec", "M params", "paper", "", "GFLOPs", "paper", "")
NUMBERS = {3, 4, 6, 7}  # columns, right-aligned
WIDTH = 100
TRUNK_HEADINGS = (
    *("backbone", "M params", "paper", "", "G mult-adds", "paper", ""),
    *("+ tcn_1x, M", "GFLOPs"),
)
TRUNK_NUMBERS = {1, 2, 4, 5, 7, 8}
TRUNK_HEAD = "tcn_1x"
SYSTEM_HEADINGS = ("system", "source", "spec", "M params", "GFLOPs", "printed", "what")
SYSTEM_NUMBERS = {3, 4, 5}


@dataclass(frozen=True)
class Line:
    """A model: the paper's figures, and ours (None if it is not built)."""

    name: str
    spec: str | None
    corpus: str
    input: str
    params_m: float | None
    paper_params_m: str
    gflops: float | None
    paper_gflops: str
    note: str

    @property
    def equal(self) -> bool:
        """Whether both figures, rounded as the paper rounds, are the paper's."""
        params = _verdict(self.params_m, self.paper_params_m)
        return params == _verdict(self.gflops, self.paper_gflops) == "equal"

    @property
    def cells(self) -> tuple[str, ...]:
        """The line as a row under HEADINGS."""
        return (
            *(self.corpus, self.input, self.spec or self.name),
            *(_shown(self.params_m), self.paper_params_m),
            _verdict(self.params_m, self.paper_params_m),
            *(_shown(self.gflops), self.paper_gflops),
            _verdict(self.gflops, self.paper_gflops),
        )


@dataclass(frozen=True)
class TrunkLine:
    """An efficient trunk: as an ImageNet classifier ("-" if its paper prints no figure), and behind
    the lipreading front end with tcn_1x, for LRW's words and input."""

    backbone: str
    params_m: float
    paper_params_m: str
    gmacs: float
    paper_gmacs: str
    lipreader_params_m: float
    lipreader_gflops: float

    @property
    def cells(self) -> tuple[str, ...]:
        """The line as a row under TRUNK_HEADINGS."""
        return (
            *(self.backbone, f"{self.params_m:.3f}", self.paper_params_m),
            *(_verdict_if_printed(self.params_m, self.paper_params_m),),
            *(f"{self.gmacs:.4f}", self.paper_gmacs),
            *(_verdict_if_printed(self.gmacs, self.paper_gmacs),),
            *(f"{self.lipreader_params_m:.3f}", f"{self.lipreader_gflops:.3f}"),
        )


@dataclass(frozen=True)
class SystemLine:
    """A system of other authors: our figures for LRW's words and input (None if it is not built),
    and the accuracy that they print."""

    name: str
    source: str
    spec: str | None
    params_m: float | None
    gflops: float | None
    printed: str
    metric: str
    note: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The line as a row under SYSTEM_HEADINGS."""
        ours = ("-" if own is None else f"{own:.2f}" for own in (self.params_m, self.gflops))
        spec = "not built" if self.spec is None else self.spec
        return (self.name, self.source, spec, *ours, self.printed, self.metric)


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb's arguments."""
    models = verbs.add_parser("models", help="the paper's models, our figures next to its own")
    models.add_argument(
        "--all", action="store_true", help="also the efficient trunks and other systems"
    )
    models.add_argument("--json", action="store_true")
    models.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Print the tables; exit status 1 if a model of the paper differs in a printed digit."""
    from lipnet.measure.paper import OTHER_ROWS, PAPER_ROWS

    papers = [_count(row, name=row.spec, note="") for row in PAPER_ROWS]
    others = [_count(row, name=row.name, note=row.note) for row in OTHER_ROWS]
    trunks = _count_trunks() if parsed.all else []
    systems = _count_systems() if parsed.all else []
    if parsed.json:
        tables: dict[str, object] = {"paper": _entries(papers), "others": _entries(others)}
        if parsed.all:
            tables |= {"trunks": list(map(asdict, trunks)), "systems": list(map(asdict, systems))}
        print(json.dumps(tables))
    else:
        print("\n".join([*_page(papers, others), *_trunk_page(trunks), *_system_page(systems)]))
    differing = [f"{line.spec} ({line.corpus})" for line in papers if not line.equal]
    if differing:
        sys.exit(f"error: not the paper's printed digits: {', '.join(differing)}")


def _count(row: "PaperRow | OtherRow", *, name: str, note: str) -> Line:
    from lipnet.measure.cost import cost_of
    from lipnet.measure.paper import FRAMES
    from lipnet.spec import ModelSpec

    params_m = gflops = None
    if row.spec is not None:
        cost = cost_of(ModelSpec.parse(row.spec), row.classes, frames=FRAMES, size=row.size)
        params_m, gflops = cost.params_m, cost.gflops
    seen = f"{FRAMES}x{row.size}x{row.size}, {row.classes}"
    figures = (params_m, row.params_m, gflops, row.gflops)
    return Line(name, row.spec, row.corpus, seen, *figures, note)


def _count_trunks() -> list[TrunkLine]:
    from lipnet.measure.imagenet import PUBLISHED_NETS

    return [_count_trunk(net) for net in PUBLISHED_NETS]


def _count_trunk(net: "PublishedNet") -> TrunkLine:
    from lipnet.measure.cost import cost_of
    from lipnet.measure.imagenet import count_image_classifier
    from lipnet.measure.paper import CLASSES, FRAMES, LRW, SIZES
    from lipnet.spec import ModelSpec

    image = count_image_classifier(net)
    spec = ModelSpec.parse(f"{net.backbone} + {TRUNK_HEAD}")
    cost = cost_of(spec, CLASSES[LRW], frames=FRAMES, size=SIZES[LRW])
    published = (image.params / 1e6, net.params_m, image.multiply_adds / 1e9, net.gmacs)
    return TrunkLine(net.backbone, *published, cost.params_m, cost.gflops)


def _count_systems() -> list[SystemLine]:
    from lipnet.measure.systems import SYSTEMS

    return [_count_system(system) for system in SYSTEMS]


def _count_system(system: "System") -> SystemLine:
    from lipnet.measure.cost import cost_of
    from lipnet.measure.paper import CLASSES, FRAMES, LRW, SIZES
    from lipnet.spec import ModelSpec

    params_m = gflops = None
    if system.spec is not None:
        spec = ModelSpec.parse(system.spec)
        cost = cost_of(spec, CLASSES[LRW], frames=FRAMES, size=SIZES[LRW])
        params_m, gflops = cost.params_m, cost.gflops
    about = (system.printed, system.metric, system.note)
    return SystemLine(system.name, system.source, system.spec, params_m, gflops, *about)


def _system_page(systems: Sequence[SystemLine]) -> list[str]:
    if not systems:
        return []
    return [
        "",
        "Systems of other authors: ours for 500 words and 29x88x88, and their printed accuracy",
        "",
        *_table(systems, SYSTEM_HEADINGS, SYSTEM_NUMBERS),
        "",
        *(textwrap.fill(f"{line.name}: {line.note}.", WIDTH) for line in systems),
    ]


def _trunk_page(trunks: Sequence[TrunkLine]) -> list[str]:
    if not trunks:
        return []
    title = (
        "Efficient trunks: as ImageNet classifiers of 224 x 224 pixels, and behind our front end"
    )
    return ["", title, "", *_table(trunks, TRUNK_HEADINGS, TRUNK_NUMBERS)]


def _entries(lines: Iterable[Line]) -> list[dict[str, object]]:
    return [{**asdict(line), "equal": line.equal} for line in lines]


def _page(papers: Sequence[Line], others: Sequence[Line]) -> list[str]:
    equal = sum(line.equal for line in papers)
    return [
        "Tables 3 and 4 of the paper: parameters / 1e6 and GFLOPs, ours and as printed",
        "",
        *_table(papers),
        "",
        f"{equal} of {len(papers)} are equal in every printed digit.",
        "",
        "The models of others in those tables, as far as they are published",
        "",
        *_table(others),
        "",
        *(textwrap.fill(f"{line.name}: {line.note}.", WIDTH) for line in others),
    ]


def _table(
    lines: Sequence[Line | TrunkLine | SystemLine],
    headings: tuple[str, ...] = HEADINGS,
    numbers: AbstractSet[int] = frozenset(NUMBERS),
) -> list[str]:
    rows = [headings, *(line.cells for line in lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _shown(ours: float | None) -> str:
    return "-" if ours is None else f"{ours:.4f}"


def _verdict(ours: float | None, printed: str) -> str:
    if ours is None:
        return "not built"
    decimals = len(printed.partition(".")[2])
    if f"{ours:.{decimals}f}" == printed:
        return "equal"
    difference = ours - float(printed)
    return f"DIFFERS {difference:+.2f} ({difference / float(printed):+.1%})"


def _verdict_if_printed(ours: float, printed: str) -> str:
    return "" if printed == "-" else _verdict(ours, printed)
