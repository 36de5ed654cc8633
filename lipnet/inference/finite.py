"""Model outputs that are not finite are refused: a NaN would rank, and count, as any number."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lipnet.errors import InputError

# B clips  D outputs (logits or features)
NAMED = 3  # clips that an error message lists before it counts the rest


class NonFiniteOutput(InputError):
    """A model returned NaN or infinity for a clip."""


def check_finite(outputs_BD: Tensor, clip_ids: Sequence[str], *, model: str) -> None:
    """Raise NonFiniteOutput, naming the model and the clips, unless all outputs are finite."""
    finite_B = torch.isfinite(outputs_BD).flatten(1).all(dim=1)
    if bool(finite_B.all()):
        return
    wrong = [clip_ids[row] for row in (~finite_B).nonzero().flatten().tolist()]
    more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
    raise NonFiniteOutput(
        f"{model} returns values that are not finite for {', '.join(wrong[:NAMED])}{more}: "
        "its weights or its input are damaged"
    )
