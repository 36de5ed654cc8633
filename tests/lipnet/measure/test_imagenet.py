"""Each trunk behind its published stem and classifier has the published network's size."""

import pytest

from lipnet.measure.imagenet import PUBLISHED_NETS, count_image_classifier

# Weights, and multiply-adds / 1e6 of an image.
COUNTED = {
    "mobilenetv1_1x": (4_231_976, "568.7"),
    "mobilenetv2_1x": (3_504_872, "300.8"),
    "mobilenetv2_0.5x": (1_968_680, "97.1"),
    "efficientnetb0": (5_288_548, "385.8"),
    "ghostnet_1x": (5_182_508, "141.2"),
    "ghostnet_0.5x": (2_587_292, "42.3"),
    "shufflenetv1_1x": (1_865_728, "137.5"),
    "shufflenetv1_0.25x": (306_124, "13.3"),
    "shufflenetv1_0.5x": (718_324, "37.6"),
    "shufflenetv1_1.5x": (3_442_168, "292.4"),
    "shufflenetv1_2x": (5_450_776, "524.0"),
}


@pytest.mark.parametrize("net", PUBLISHED_NETS, ids=lambda net: net.backbone)
def test_counts_are_those_of_the_published_network(net):
    cost = count_image_classifier(net)
    assert (cost.params, f"{cost.multiply_adds / 1e6:.1f}") == COUNTED[net.backbone]
    assert cost.multiply_adds / 1e9 == pytest.approx(float(net.gmacs), rel=0.025)
