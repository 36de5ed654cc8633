"""Recipe: how a model is trained, apart from its architecture; the defaults are the paper's."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from lipnet.errors import InputError

OPTIMISERS = ("adamw", "adam", "sgd")
SCHEDULES = ("cosine", "cosine_lagged", "cosine_by_step", "one_cycle", "constant")
INPUT_FIELDS = ("field", "input_size", "mean", "std")
# The fields that change neither the views nor their order. All others do.
NON_STREAM_FIELDS = (
    *("optimiser", "lr", "weight_decay", "epochs", "schedule", "warmup_epochs"),
    *("alpha", "temperature", "ema", "seed", "stream", "eval_context"),
)
CROP_MARGIN = 96 / 88  # the paper cuts a random 88 x 88 out of 96 x 96
MAX_FIELD = 112  # LRW-1000: 112 x 112 out of 122 x 122


@dataclass(frozen=True)
class Recipe:
    """Everything that a training depends on except the architecture, the data and the teacher.

    Paper section 4 for optimiser, learning rate, batch, epochs, schedule, crop, flip and mixup;
    section 3.2 for the distillation loss. Fields that the paper does not state have a comment.
    """

    optimiser: str = "adamw"
    lr: float = 3e-4
    weight_decay: float = 1e-2  # the authors' code; the paper's text says 1e-4
    batch: int = 32
    micro_batch: int = 0  # most clips per forward pass, and per BatchNorm statistics; 0: the batch
    epochs: int = 80
    schedule: str = "cosine"  # by epoch; "cosine_lagged" repeats the first rate once
    warmup_epochs: int = 0
    field: int = 88  # pixels of the stored crop in a view (random 88 of 96)
    input_size: int = 88  # pixels of the network's input, to which the field is downsampled
    flip: float = 0.5
    mixup: float = 0.4  # Beta(mixup, mixup); 0 turns it off
    variable_length: bool = True  # cut training clips at random outside the word
    cut_share: float = 1.0  # of the clips that variable_length cuts; the others stay whole
    min_context: int = 0  # frames on each side of the word that no cut removes
    eval_context: int = -1  # frames on each side of the word in evaluation; -1: the whole clip
    mean: float = 0.421  # of pixels in [0, 1]; the authors' code
    std: float = 0.165
    alpha: float = 1.0  # weight of the distillation term; not stated in the paper
    temperature: float = 1.0  # none in the paper; the term is scaled by its square
    ema: float = 0.0  # decay of a running average of the weights, per step; 0 turns it off
    seed: int = 1
    stream: int = 0  # seed of order, crops, lengths and mixup only; 0: the same as `seed`

    def __post_init__(self) -> None:
        """Raise InputError, naming the field, for a value out of range."""
        _check_choice("optimiser", self.optimiser, OPTIMISERS)
        _check_choice("schedule", self.schedule, SCHEDULES)
        for name in ("lr", "std", "temperature"):
            _check(getattr(self, name) > 0, name, getattr(self, name), "must be above 0")
        for name in ("weight_decay", "mixup", "alpha", "warmup_epochs"):
            _check(getattr(self, name) >= 0, name, getattr(self, name), "must not be negative")
        _check(self.epochs >= 1, "epochs", self.epochs, "must be at least 1")
        _check(self.batch >= 2, "batch", self.batch, "must be at least 2, for batch statistics")
        fits = self.micro_batch == 0 or 2 <= self.micro_batch <= self.batch
        _check(fits, "micro_batch", self.micro_batch, f"must be 0 or in 2..{self.batch}")
        for name in ("flip", "cut_share"):
            fits = 0 <= getattr(self, name) <= 1
            _check(fits, name, getattr(self, name), "must be a fraction in 0..1")
        _check(self.min_context >= 0, "min_context", self.min_context, "must not be negative")
        fits = self.eval_context >= -1
        _check(fits, "eval_context", self.eval_context, "must be -1 (the whole clip) or more")
        _check(0 <= self.ema < 1, "ema", self.ema, "must be at least 0 and below 1")
        fits = 24 <= self.field <= MAX_FIELD
        _check(fits, "field", self.field, f"must be in 24..{MAX_FIELD}")
        fits = 16 <= self.input_size <= self.field
        _check(fits, "input_size", self.input_size, f"must be in 16..{self.field} (recipe.field)")
        fits = self.warmup_epochs < self.epochs
        _check(fits, "warmup_epochs", self.warmup_epochs, f"must be below {self.epochs} (epochs)")

    @property
    def stream_seed(self) -> int:
        """The seed of order and views: trainings that share it see the same batches."""
        return self.stream or self.seed

    @property
    def stored_field(self) -> int:
        """`field` plus the margin for random crops, in pixels of the stored crop."""
        return round(self.field * CROP_MARGIN)

    @property
    def stored_size(self) -> int:
        """`input_size` plus the margin in proportion: the size of crops in memory."""
        return round(self.input_size * CROP_MARGIN)

    @property
    def input_facts(self) -> dict[str, float]:
        """The fields that describe a model's input, for its weights file."""
        return {name: getattr(self, name) for name in INPUT_FIELDS}

    @property
    def view_facts(self) -> dict[str, float]:
        """All fields that the stream depends on: recipes with equal ones see the same batches."""
        facts = {
            name: value for name, value in asdict(self).items() if name not in NON_STREAM_FIELDS
        }
        return {**facts, "stream_seed": self.stream_seed}

    @classmethod
    def for_input(cls, facts: Mapping[str, object]) -> "Recipe":
        """A recipe whose views match these facts; InputError if one is missing.

        Models from before `eval_context` are evaluated on whole clips.
        """
        try:
            found = {name: facts[name] for name in INPUT_FIELDS}
            found["eval_context"] = facts.get("eval_context", -1)
            return cls(**found)  # type: ignore[arg-type]
        except (KeyError, TypeError) as error:
            raise InputError(f"the model's file does not describe its input: {error}") from None


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"unknown recipe.{name} {value!r}; known: {', '.join(known)}")


def _check(valid: bool, name: str, value: float, rule: str) -> None:
    if not valid:
        raise InputError(f"recipe.{name} {rule}, not {value}")
