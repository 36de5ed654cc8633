"""Reading clips with an exported ONNX file, through the interface of a weights file's model."""
# B batch  T frames  H W pixels  C channels  K classes

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipnet.errors import InputError
from lipnet.models.frontend import FRAMES_SEEN
from lipnet.models.lipreader import check_batch, check_word
from lipnet.models.weights import HEADER_KEY, ModelCard, parse_card
from lipnet.records import Record, parse_json
from lipnet.spec import ModelSpec

GRAPH_KEY = "lipnet_graph"  # the metadata entry next to the card's
STREAM = ("frame", "head")  # the graphs of a stream, in the order in which they run
GRAPHS = ("clip", *STREAM)
INSTALL = "install the extra `export` (pip install '.[export]' in the repository)"
Arrays = Mapping[str, NDArray[np.float32]]


class Session(Protocol):
    """The part of onnxruntime.InferenceSession that runs a graph."""

    def run(self, outputs: Sequence[str] | None, inputs: Arrays) -> list[Any]: ...


@dataclass(frozen=True)
class GraphFacts:
    """What the metadata of a graph holds besides the card; `reference_face` has the digest and the
    68 points, and is empty if the crops' face is not known. `reject_below` is the probability
    under which no word counts as read, None if none was chosen."""

    graph: str
    precision: str
    opset: int
    reference_face: Mapping[str, object] = field(default_factory=dict)
    reject_below: float | None = None
    calibration: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class OnnxReader:
    """A clip graph, or the two graphs of a stream, called as a Lipreader: each clip of a batch is
    one run over its own frames, without padding."""

    sessions: Sequence[Session]
    boundary: bool
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def __call__(
        self, frames_BTHW: Tensor, lengths_B: Tensor, word_BT: Tensor | None = None
    ) -> Tensor:
        """Normalised frames [B, T, H, W] and their lengths -> logits [B, K]."""
        valid = check_batch(frames_BTHW, lengths_B)
        word_BT = check_word(word_BT, valid) if self.boundary else None
        rows = []
        for row, length in enumerate(lengths_B.tolist()):
            frames_THW = frames_BTHW[row, :length].float().numpy()
            word_T = None if word_BT is None else word_BT[row, :length].float().numpy()
            rows.append(self._run(frames_THW, word_T))
        return torch.from_numpy(np.concatenate(rows))

    def _run(
        self, frames_THW: NDArray[np.float32], word_T: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        steps = inputs_of(len(self.sessions) > 1, frames_THW, word_T)
        if len(self.sessions) == 1:
            return run_graph(self.sessions[0], steps)
        frame, head = self.sessions
        features_TC = run_graph(frame, {"windows": steps.pop("windows")})
        return run_graph(head, {"features": features_TC, **steps})


def inputs_of(
    stream: bool, frames_THW: NDArray[np.float32], word_T: NDArray[np.float32] | None
) -> dict[str, NDArray[np.float32]]:
    """One clip as the inputs of a clip graph, or of a stream's frame graph and the head's word."""
    named = {"windows": stack_windows(frames_THW)} if stream else {"frames": frames_THW[None]}
    if word_T is not None:
        named["word"] = word_T if stream else word_T[None]
    return named


def stack_windows(frames_THW: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each frame with its two neighbours on either side [T, 5, H, W], zeros beyond the clip."""
    margin, steps = FRAMES_SEEN // 2, len(frames_THW)
    padded_THW = np.pad(frames_THW, ((margin, margin), (0, 0), (0, 0)))
    return np.stack([padded_THW[i : i + steps] for i in range(FRAMES_SEEN)], 1)


def run_graph(session: Session, inputs: Arrays) -> NDArray[np.float32]:
    """The only output of a graph; InputError if it cannot run these inputs."""
    try:
        return np.asarray(session.run(None, inputs)[0], np.float32)
    except Exception as error:  # its exceptions have no base class of their own
        shapes = ", ".join(f"{name} {each.shape}" for name, each in inputs.items())
        cause = str(error).strip().splitlines()[0]
        raise InputError(f"the ONNX graph does not run {shapes}: {cause}") from None


def load_onnx(path: Path, *, threads: int = 1) -> tuple[OnnxReader, ModelCard, GraphFacts]:
    """The model of an exported file; of a stream, either of its two files opens both.

    InputError if the file is damaged, is not an export of this library, or has no partner.
    """
    session, card, facts = _open(path, threads)
    paths = [path]
    sessions = [session]
    if facts.graph in STREAM:
        paths = [_partner(path, facts.graph, name) for name in STREAM]
        opened = [_open(each, threads) for each in paths]
        if opened[0][1] != opened[1][1] or [each[2].graph for each in opened] != list(STREAM):
            raise InputError(f"{paths[0]} and {paths[1]} are not the two graphs of one export")
        sessions = [each[0] for each in opened]
    _check_shapes(paths, sessions, card)
    return OnnxReader(sessions, ModelSpec.parse(card.spec).boundary), card, facts


def stream_path(out: Path, graph: str) -> Path:
    """The file of one graph of an export to `out`: out itself for a clip graph."""
    return out if graph == "clip" else out.with_name(f"{out.stem}-{graph}{out.suffix}")


def _partner(path: Path, graph: str, wanted: str) -> Path:
    if not path.stem.endswith(f"-{graph}"):
        raise InputError(
            f"{path} is the {graph} graph of a stream: its name must end in -{graph}.onnx, so that "
            "the other graph is found"
        )
    return stream_path(path.with_name(path.stem.removesuffix(f"-{graph}") + path.suffix), wanted)


def _open(path: Path, threads: int) -> tuple[Any, ModelCard, GraphFacts]:
    if not path.is_file():
        raise InputError(f"{path} does not exist")
    session = open_session(path, threads=threads)
    held = session.get_modelmeta().custom_metadata_map
    if HEADER_KEY not in held or GRAPH_KEY not in held:
        raise InputError(
            f"{path} is ONNX, but has no {HEADER_KEY!r} metadata: only files of `lipnet export` "
            "can be used"
        )
    return session, parse_card(path, held[HEADER_KEY]), _parse_facts(path, held[GRAPH_KEY])


def open_session(model: Path | bytes, *, threads: int = 1) -> Any:
    """An onnxruntime session on the CPU; InputError if onnxruntime is missing or refuses it."""
    runtime = import_runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors; they also come as exceptions
    source = model if isinstance(model, bytes) else str(model)
    try:
        return runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no base class of their own
        name = "the graph" if isinstance(model, bytes) else model
        cause = str(error).splitlines()[0]
        raise InputError(f"{name} is not a readable ONNX file: {cause}") from None


def import_runtime() -> Any:
    """onnxruntime; InputError if the extra is not installed."""
    try:
        import onnxruntime
    except ImportError:
        raise InputError(f"ONNX files need onnxruntime; {INSTALL}") from None
    return onnxruntime


def _parse_facts(path: Path, text: str) -> GraphFacts:
    try:
        found = Record(parse_json(text))
        facts = GraphFacts(
            graph=found.text("graph"),
            precision=found.text("precision"),
            opset=found.count("opset"),
            reference_face=found.fields("reference_face"),
            reject_below=found.optional_number("reject_below"),
            calibration=found.fields("calibration"),
        )
    except ValueError as error:
        raise InputError(f"{path}: its {GRAPH_KEY!r} metadata is damaged: {error}") from None
    if facts.graph not in GRAPHS:
        raise InputError(f"{path}: unknown graph {facts.graph!r}; known: {', '.join(GRAPHS)}")
    return facts


def _check_shapes(paths: Sequence[Path], sessions: Sequence[Any], card: ModelCard) -> None:
    """InputError unless the graphs have the input size and the labels of the card."""
    outputs = sessions[-1].get_outputs()[0].shape[-1]
    if outputs != len(card.labels):
        raise InputError(f"{paths[-1]}: {len(card.labels)} labels for {outputs} outputs")
    size = sessions[0].get_inputs()[0].shape[-1]
    if size != card.preprocessing.get("input_size"):
        raise InputError(
            f"{paths[0]}: a graph for {size} pixels, but its card has "
            f"{card.preprocessing.get('input_size')}"
        )
