"""The page's section on compressed models: how small they are and what that costs."""

from collections.abc import Sequence

from lipnet.report.columns import NONE, describe_machines, format_top1
from lipnet.report.markdown import gain, join, percent
from lipnet.report.names import ModelNames
from lipnet.report.rows import Compression, LeaderboardRow

HEADINGS = (
    *("how", "bytes", "test top-1 [95 %]", "over its source [95 %]", "times smaller"),
    *("bits per weight", "val top-1", "ms, torch", "ms, ONNX Runtime", "epochs of tuning", "id"),
)


def describe_compressed(rows: Sequence[LeaderboardRow], names: ModelNames) -> list[str]:
    """A table with a group per source, whose own line comes first; nothing without such models."""
    packed = [(row, row.compression) for row in rows if row.compression]
    if not packed:
        return []
    lines = [
        "## Compressed models",
        "",
        "Each is the best model of its lineage on validation, with its weights stored in another "
        "form; bytes are those of the whole weights file. Times smaller: than the file of its "
        "source, in single precision. Differences are paired by test clip, in points. A tuned "
        "model was trained further in that form, taught by its source. Nothing was chosen from "
        "these models, and parameters and FLOPs are those of the source. A width or an exit is "
        "a smaller model, with its own, and its weights are some of the source's. Milliseconds are "
        f"medians of one clip on one thread of {describe_machines(rows)}, in PyTorch with "
        "BatchNorm layers and in ONNX Runtime with these folded into the convolutions. Loaded "
        "weights are in single precision, so packed files take the time of their source; w8a8 "
        "runs in ONNX Runtime only.",
        "",
        join(HEADINGS),
        join(["---", *["---:"] * (len(HEADINGS) - 2), "---"]),
    ]
    by_name = {row.model: row for row in rows}
    for source in dict.fromkeys(row.teacher for row, _ in packed):
        first = next(own for row, own in packed if row.teacher == source)
        lines.append(join([f"**{names.full(source)}**", *[""] * (len(HEADINGS) - 1)]))
        lines.append(_describe_source(by_name[source], first))
        lines += [_describe_copy(row, own) for row, own in packed if row.teacher == source]
    return [*lines, ""]


def _describe_source(row: LeaderboardRow, copy: Compression) -> str:
    file_bytes = copy.ratio * copy.file_bytes
    return join(
        [
            "as trained",
            f"{file_bytes:,.0f}",
            format_top1(row.test),
            "-",
            "1.0",
            f"{8 * file_bytes / (1e6 * row.params_m):.2f}",
            percent(row.val.top1),
            *_latencies(row),
            "-",
            f"`{row.model}`",
        ]
    )


def _describe_copy(row: LeaderboardRow, own: Compression) -> str:
    return join(
        [
            own.how,
            f"{own.file_bytes:,}",
            format_top1(row.test),
            gain(own.difference, own.difference_low, own.difference_high),
            f"{own.ratio:.1f}",
            f"{own.bits_per_weight:.2f}",
            percent(row.val.top1),
            *_latencies(row),
            str(own.tuned_epochs or "none"),
            f"`{row.model}`",
        ]
    )


def _latencies(row: LeaderboardRow) -> tuple[str, str]:
    """Milliseconds by torch and by ONNX Runtime."""
    found = row.latency
    if found is None:
        return NONE, NONE
    is_graph = row.compression is not None and row.compression.is_graph
    onnx = NONE if found.onnx_ms_p50 is None else f"{found.onnx_ms_p50:.1f}"
    return NONE if is_graph else f"{found.ms_p50:.1f}", onnx
