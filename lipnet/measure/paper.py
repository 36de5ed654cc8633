"""The paper's printed numbers (Ma et al., ICASSP 2021, Tables 1, 3 and 4) as data."""

from dataclasses import dataclass

LRW, LRW1000 = "LRW", "LRW-1000"
CLASSES = {LRW: 500, LRW1000: 1000}
SIZES = {LRW: 88, LRW1000: 112}  # pixels of the square input that FLOPs were counted on
FRAMES = 29  # in both tables


@dataclass(frozen=True)
class PaperRow:
    """One model of Tables 3 and 4, numbers as printed; top-1 in percent, None if not printed."""

    spec: str
    corpus: str
    params_m: str
    gflops: str
    top1_scratch: float | None
    top1_distilled: float | None

    @property
    def classes(self) -> int:
        """Words of the corpus."""
        return CLASSES[self.corpus]

    @property
    def size(self) -> int:
        """Pixels of the square input."""
        return SIZES[self.corpus]


PAPER_ROWS = (
    PaperRow("resnet18 + mstcn_3x", LRW, "36.4", "10.31", 85.3, None),
    PaperRow("shufflenetv2_1x + mstcn_3x", LRW, "28.8", "2.23", 84.4, 85.5),
    PaperRow("shufflenetv2_0.5x + mstcn_3x", LRW, "27.9", "1.69", 83.1, 83.5),
    PaperRow("shufflenetv2_1x + tcn_2x", LRW, "9.1", "1.31", 82.7, 84.6),
    PaperRow("shufflenetv2_1x + dsmstcn_3x", LRW, "9.3", "1.26", 84.5, 85.3),
    PaperRow("shufflenetv2_1x + tcn_1x", LRW, "3.8", "1.12", 81.0, 82.7),
    PaperRow("shufflenetv2_0.5x + tcn_2x", LRW, "8.2", "0.77", 81.6, 82.5),
    PaperRow("shufflenetv2_0.5x + tcn_1x", LRW, "2.9", "0.58", 78.1, 79.9),
    PaperRow("shufflenetv2_0.5x + dstcn_2x", LRW, "3.5", "0.58", 76.2, 77.9),
    PaperRow("resnet18 + mstcn_3x", LRW1000, "36.7", "15.78", 41.4, None),
    PaperRow("shufflenetv2_1x + tcn_1x", LRW1000, "3.9", "1.73", 40.7, 41.4),
    PaperRow("shufflenetv2_1x + dstcn_1x", LRW1000, "2.5", "1.68", 39.1, 40.4),
    PaperRow("shufflenetv2_0.5x + tcn_1x", LRW1000, "3.0", "0.89", 40.5, 41.1),
    PaperRow("shufflenetv2_0.5x + dstcn_1x", LRW1000, "1.6", "0.84", 39.1, 40.2),
)


@dataclass(frozen=True)
class OtherRow:
    """A model of other authors in Tables 3 and 4, for comparison; top-1 in percent.

    `spec` is the closest model that published facts allow, None if they are not sufficient; `note`
    describes what differs or what is missing.
    """

    name: str
    corpus: str
    params_m: str
    gflops: str
    top1: float
    spec: str | None
    note: str

    @property
    def classes(self) -> int:
        """Words of the corpus."""
        return CLASSES[self.corpus]

    @property
    def size(self) -> int:
        """Pixels of the square input."""
        return SIZES[self.corpus]


OTHER_ROWS = (
    OtherRow(
        "ResNet-34 + BGRU (512)",
        LRW,
        "29.7",
        "18.71",
        83.4,
        "resnet34 + bgru_512",
        "without the linear layer 512 -> 256 of its authors' code, with which it has 29.0 M",
    ),
    OtherRow(
        "MobiVSR-1 + TCN",
        LRW,
        "4.5",
        "10.75",
        72.2,
        None,
        "not built; its abstract names depthwise 3-D convolutions, channel shuffling and a design "
        "parameter; no source found gives the blocks, channels, kernels, strides or TCN",
    ),
    OtherRow(
        "3D DenseNet + BGRU (256)",
        LRW1000,
        "15.0",
        "30.32",
        34.8,
        "densenet3d + bgru_256",
        "dense blocks of 4, 8, 12 and 8 layers as in its authors' code; six layers in the first, "
        "which no source found has, would be 15.02 M and 30.31 G",
    ),
)


@dataclass(frozen=True)
class BornAgain:
    """A column of Tables 1 and 2: an initial model, its generations and ensemble, in percent."""

    corpus: str
    teacher_optimiser: str
    top1_by_generation: tuple[float, ...]
    top1_ensemble: float


# ResNet-18 + MS-TCN throughout; generation 0 is the model trained without a teacher.
BORN_AGAIN = (
    BornAgain(LRW, "adam", (85.6, 87.4, 87.8, 87.9, 87.7), 88.5),
    BornAgain(LRW, "adamw", (87.0, 87.8, 87.5), 88.6),
    BornAgain(LRW1000, "adam", (43.2, 45.3, 44.7), 46.6),
)
