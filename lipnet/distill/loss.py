"""The distillation losses: the paper's (section 3.2, equation 1) and three later ones."""

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


def standardise(logits_BK: Tensor) -> Tensor:
    """Each clip's logits less their mean, over their deviation (Sun et al., CVPR 2024, arXiv
    2403.01427): the student need not match the size of the teacher's logits."""
    deviation_B1 = logits_BK.std(1, keepdim=True)
    return (logits_BK - logits_BK.mean(1, keepdim=True)) / (deviation_B1 + 1e-7)


def decoupled_loss(
    student_BK: Tensor,
    teacher_BK: Tensor,
    labels_B: Tensor,
    *,
    beta: float,
    temperature: float = 1.0,
) -> Tensor:
    """KL of the label against all others, plus `beta` times KL among the others; batch mean, times
    temperature squared (DKD: Zhao et al., CVPR 2022, arXiv 2203.08679, with alpha 1).

    With the teacher's probability of the others as `beta` this is `distillation_loss`.
    """
    is_label_BK = F.one_hot(labels_B, student_BK.shape[1]).bool()
    own_B2, own_others_BK = _split_off(student_BK / temperature, is_label_BK)
    known_B2, known_others_BK = _split_off(teacher_BK / temperature, is_label_BK)
    label_B = (known_B2.exp() * (known_B2 - own_B2)).sum(1)
    # The label's column is masked first: it may overflow, and 0 times infinity has no gradient.
    known_others_BK, own_others_BK = (
        own_BK.masked_fill(is_label_BK, 0.0) for own_BK in (known_others_BK, own_others_BK)
    )
    others_B = (known_others_BK.exp() * (known_others_BK - own_others_BK)).sum(1)
    return (label_B + beta * others_B).mean() * temperature**2


def _split_off(logits_BK: Tensor, is_label_BK: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the label and of all others together [B, 2], and of each other label
    among the others; the label's own column has no meaning."""
    every_B = logits_BK.logsumexp(1)
    others_B = logits_BK.masked_fill(is_label_BK, float("-inf")).logsumexp(1)
    label_B = logits_BK.masked_fill(~is_label_BK, 0.0).sum(1)
    both_B2 = torch.stack([label_B, others_B], 1) - every_B.unsqueeze(1)
    return both_B2, logits_BK - others_B.unsqueeze(1)


def correlation_loss(student_BK: Tensor, teacher_BK: Tensor, *, temperature: float = 1.0) -> Tensor:
    """1 less the correlation of student and teacher probabilities, as a mean over the clips, plus
    the same over the labels, across the batch; times temperature squared (DIST: Huang et al.,
    NeurIPS 2022, arXiv 2205.10536, with beta = gamma = 1)."""
    own_BK = (student_BK / temperature).softmax(1)
    known_BK = (teacher_BK / temperature).softmax(1)
    clips, labels = (_correlate(own_BK, known_BK, dim).mean() for dim in (1, 0))
    return (2 - clips - labels) * temperature**2


def _correlate(one: Tensor, other: Tensor, dim: int) -> Tensor:
    """Pearson's correlation along a dimension; 0 if one of the two does not vary."""
    centred = [own - own.mean(dim, keepdim=True) for own in (one, other)]
    return F.cosine_similarity(centred[0], centred[1], dim=dim)


def zero_loss(logits_BK: Tensor) -> Tensor:
    """A constant 0 on the logits' device and in their type."""
    return torch.zeros((), dtype=logits_BK.dtype, device=logits_BK.device)
