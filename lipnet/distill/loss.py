"""The distillation loss (paper section 3.2, equation 1)."""

import torch
import torch.nn.functional as F
from torch import Tensor

# B batch  K classes


def cross_entropy_mixed(
    logits_BK: Tensor, labels_B: Tensor, partner_labels_B: Tensor, *, share: float
) -> Tensor:
    """Cross-entropy with mixup: `share` of each clip's label, the rest of its partner's label."""
    own = F.cross_entropy(logits_BK, labels_B)
    if share == 1.0:
        return own
    return share * own + (1.0 - share) * F.cross_entropy(logits_BK, partner_labels_B)


def distillation_loss(
    student_BK: Tensor, teacher_BK: Tensor, *, temperature: float = 1.0
) -> Tensor:
    """KL(teacher || student) in nats, batch mean, times temperature squared (1 in the paper)."""
    student = F.log_softmax(student_BK / temperature, dim=1)
    teacher = F.log_softmax(teacher_BK / temperature, dim=1)
    divergence = F.kl_div(student, teacher, reduction="batchmean", log_target=True)
    return divergence * temperature**2


def zero_loss(logits_BK: Tensor) -> Tensor:
    """A constant 0 on the logits' device and in their type."""
    return torch.zeros((), dtype=logits_BK.dtype, device=logits_BK.device)
