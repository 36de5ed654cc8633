"""Systems of other authors and the figures that they print: which of our specs is nearest and what
differs, or why there is none. The rows of the paper's own tables are in paper.py.

An accuracy is only here if it was read in the source or in the paper; "-" is a figure that we have
not read.
"""

from dataclasses import dataclass

LRW_TOP1, SPORTS_TOP1 = "LRW top-1", "Sports-1M video Hit@1"


@dataclass(frozen=True)
class System:
    """A system: the figures as printed, the spec that is nearest (None: not built), and a note.

    `source` is an arXiv id, or the venue; `metric` is what `printed` is, in percent.
    """

    name: str
    source: str
    printed: str
    metric: str
    spec: str | None
    note: str


_FUSION_NOTE = "for 29 frames; where frames are joined is published, the kernels are our reading"
_SPORTS_NOTE = "grey, and a last map of 3 x 3; the published network, in colour, has {} weights"

SYSTEMS = (
    System("VGG-M, multiple towers", "ACCV 2016", "61.1", LRW_TOP1, "vggm_mt", _FUSION_NOTE),
    System("VGG-M, early fusion", "ACCV 2016", "-", LRW_TOP1, "vggm_ef", _FUSION_NOTE),
    System("VGG-M, towers in 3-D", "ACCV 2016", "-", LRW_TOP1, "vggm_mt3", _FUSION_NOTE),
    System("VGG-M, early fusion in 3-D", "ACCV 2016", "-", LRW_TOP1, "vggm_ef3", _FUSION_NOTE),
    System(
        "Inception-v4, towers",
        "Lip2Word",
        "64.2",
        LRW_TOP1,
        "inceptionv4_mt",
        "the same number of weights; padded convolutions, so that small crops fit",
    ),
    System(
        "ResNet-34 + BLSTM",
        "1703.04105",
        "83.0",
        LRW_TOP1,
        "resnet34 + blstm_256",
        "trained in several steps there, in one here",
    ),
    System(
        "ResNet-18 + BLSTM",
        "1811.01194",
        "84.3",
        LRW_TOP1,
        "resnet18 + blstm_256",
        "its recipe is not used here",
    ),
    System(
        "single frame",
        "CVPR 2014",
        "59.3",
        SPORTS_TOP1,
        "alexnet + mean",
        _SPORTS_NOTE.format("73,908,071"),
    ),
    System(
        "early fusion",
        "CVPR 2014",
        "-",
        SPORTS_TOP1,
        "alexnet_early",
        _SPORTS_NOTE.format("74,221,703"),
    ),
    System(
        "late fusion",
        "CVPR 2014",
        "-",
        SPORTS_TOP1,
        "alexnet_late",
        _SPORTS_NOTE.format("125,288,295"),
    ),
    System(
        "slow fusion",
        "CVPR 2014",
        "60.9",
        SPORTS_TOP1,
        "alexnet_slow",
        _SPORTS_NOTE.format("75,511,751"),
    ),
    System(
        "context and fovea",
        "CVPR 2014",
        "-",
        SPORTS_TOP1,
        "alexnet2 + mean",
        _SPORTS_NOTE.format("129,035,495"),
    ),
    System(
        "3-D CNN with hardwired maps",
        "TPAMI 2013",
        "90.2",
        "KTH",
        "ji3d + mean",
        "295,458 weights with three classes, as printed; on KTH its input is larger",
    ),
    System(
        "Inception-v4 (ImageNet)",
        "1602.07261",
        "80.0",
        "ImageNet top-1",
        "inceptionv4 + tcn_1x",
        "42,679,816 weights with its own stem and classifier",
    ),
    System(
        "MSDNet (CIFAR-100)",
        "1703.09844",
        "-",
        "CIFAR-100 top-1",
        "msdnet + tcn_1x",
        "its last exit alone; with seven exits 3,067,960 weights, and 15.0 to 51.9 M multiply-adds",
    ),
    System(
        "two-stream I3D + BLSTM",
        "1905.02540",
        "84.1",
        LRW_TOP1,
        None,
        "needs two Inception networks that were trained on Kinetics; "
        "resnet18 + blstm_256 + motion sees the same two inputs",
    ),
    System(
        "ResNet-34, 3-D DenseNet, BiConvLSTM",
        "1908.11618",
        "83.3",
        LRW_TOP1,
        None,
        "how its two trunks are joined, widths and attention are not published in full; "
        "densenet3d + convlstm_128 has one trunk and the head",
    ),
    System(
        "Watch, Attend and Spell",
        "1611.05358",
        "76.2",
        LRW_TOP1,
        None,
        "it decodes letters: another task",
    ),
    System(
        "ResNet-18 + BGRU, faces, cutout",
        "2003.03206",
        "85.0",
        LRW_TOP1,
        None,
        "sees whole faces of 112 pixels, which are not stored here; recipe.cutout is on mouths",
    ),
)
