"""A recipe: how a model is trained, apart from its architecture; the defaults are the paper's."""

from dataclasses import dataclass

from lipnet.errors import InputError

OPTIMISERS = ("adamw", "adam", "sgd")
SCHEDULES = ("cosine", "cosine_lagged", "one_cycle", "constant")
CROP_MARGIN = 96 / 88  # the paper cuts a random 88 x 88 out of 96 x 96


@dataclass(frozen=True)
class Recipe:
    """Everything that training depends on but the architecture, the data and the teacher.

    Paper section 4 for optimiser, learning rate, batch, epochs, schedule, crop, flip and mixup;
    section 3.2 for the distillation loss. What the paper leaves silent is said at the field.
    """

    optimiser: str = "adamw"
    lr: float = 3e-4
    weight_decay: float = 1e-2  # the authors' code; the paper's text says 1e-4
    batch: int = 32
    epochs: int = 80
    schedule: str = "cosine"  # by epoch; "cosine_lagged" repeats the first epoch's rate once
    warmup_epochs: int = 0
    input_size: int = 88  # pixels; crops are shrunk by input_size / 88 when they are loaded
    flip: float = 0.5
    mixup: float = 0.4  # Beta(mixup, mixup); 0 turns it off
    variable_length: bool = True
    mean: float = 0.421  # of pixels in [0, 1]; the authors' code
    std: float = 0.165
    alpha: float = 1.0  # weight of the distillation term; not stated in the paper
    temperature: float = 1.0  # none in the paper; the term is scaled by its square
    seed: int = 1

    def __post_init__(self) -> None:
        """Raise InputError, naming the field, for a value that no training can use."""
        _check_choice("optimiser", self.optimiser, OPTIMISERS)
        _check_choice("schedule", self.schedule, SCHEDULES)
        for name in ("lr", "std", "temperature"):
            _check(getattr(self, name) > 0, name, getattr(self, name), "must be above 0")
        for name in ("weight_decay", "mixup", "alpha", "warmup_epochs"):
            _check(getattr(self, name) >= 0, name, getattr(self, name), "must not be negative")
        for name in ("batch", "epochs"):
            _check(getattr(self, name) >= 1, name, getattr(self, name), "must be at least 1")
        _check(0 <= self.flip <= 1, "flip", self.flip, "is a probability")
        _check(16 <= self.input_size <= 88, "input_size", self.input_size, "must lie in 16..88")
        under = self.warmup_epochs < self.epochs
        _check(under, "warmup_epochs", self.warmup_epochs, f"must be under {self.epochs} epochs")

    @property
    def loaded_size(self) -> int:
        """Side of the crops in memory, in pixels: the margin for random cropping kept in scale."""
        return round(self.input_size * CROP_MARGIN)


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"unknown recipe.{name} {value!r}; known: {', '.join(known)}")


def _check(good: bool, name: str, value: float, rule: str) -> None:
    if not good:
        raise InputError(f"recipe.{name} {rule}, not {value}")
