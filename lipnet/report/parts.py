"""Parts of a network: what an exit has in common with the network that it is a part of."""

from lipnet.clip import CLIP_FRAMES
from lipnet.how import How
from lipnet.measure.cost import cost_of_trunk
from lipnet.spec import ModelSpec


def shared_cost(how: str, spec: str, input_size: int) -> tuple[float, float]:
    """GFLOPs and GMACs that a model has in common with the one that it is a part of by the steps
    `how`: those of front end and stages of an exit whose weights are the network's own, else none.
    """
    parsed = How.parse(how) if how else None
    if parsed is None or not parsed.exit or parsed.coding is not None:
        return 0.0, 0.0
    return cost_of_trunk(ModelSpec.parse(spec), frames=CLIP_FRAMES, size=input_size)
