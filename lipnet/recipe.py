"""A recipe: how a model is trained, apart from its architecture; the defaults are the paper's."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from lipnet.errors import InputError

OPTIMISERS = ("adamw", "adam", "sgd")
SCHEDULES = ("cosine", "cosine_lagged", "cosine_by_step", "one_cycle", "constant")
INPUT_FIELDS = ("field", "input_size", "mean", "std")
# The fields that change neither what a model is shown nor in which order. Any other field does.
UNSEEN_FIELDS = (
    *("optimiser", "lr", "weight_decay", "epochs", "schedule", "warmup_epochs"),
    *("alpha", "temperature", "ema", "seed", "stream", "eval_context"),
)
CROP_MARGIN = 96 / 88  # the paper cuts a random 88 x 88 out of 96 x 96
LARGEST_FIELD = 112  # LRW-1000: 112 x 112 out of 122 x 122


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
    micro_batch: int = 0  # most clips at once; BatchNorm sees only those. 0: the whole batch
    epochs: int = 80
    schedule: str = "cosine"  # by epoch; "cosine_lagged" repeats the first epoch's rate once
    warmup_epochs: int = 0
    field: int = 88  # pixels of the crop that a view shows (random 88 of 96)
    input_size: int = 88  # pixels that the network gets: the field is shrunk to them
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
    ema: float = 0.0  # what a running average of the weights keeps each step; 0 turns it off
    seed: int = 1
    stream: int = 0  # seed of order, cuts and mixup alone; 0: as `seed`

    def __post_init__(self) -> None:
        """Raise InputError, naming the field, for a value that no training can use."""
        _check_choice("optimiser", self.optimiser, OPTIMISERS)
        _check_choice("schedule", self.schedule, SCHEDULES)
        for name in ("lr", "std", "temperature"):
            _check(getattr(self, name) > 0, name, getattr(self, name), "must be above 0")
        for name in ("weight_decay", "mixup", "alpha", "warmup_epochs"):
            _check(getattr(self, name) >= 0, name, getattr(self, name), "must not be negative")
        _check(self.epochs >= 1, "epochs", self.epochs, "must be at least 1")
        _check(self.batch >= 2, "batch", self.batch, "must be at least 2, for batch statistics")
        cut = self.micro_batch == 0 or 2 <= self.micro_batch <= self.batch
        _check(cut, "micro_batch", self.micro_batch, f"must be 0 or lie in 2..{self.batch}")
        for name in ("flip", "cut_share"):
            _check(0 <= getattr(self, name) <= 1, name, getattr(self, name), "is a probability")
        _check(self.min_context >= 0, "min_context", self.min_context, "must not be negative")
        least = self.eval_context >= -1
        _check(least, "eval_context", self.eval_context, "must be -1 (the whole clip) or more")
        _check(0 <= self.ema < 1, "ema", self.ema, "must lie in 0..1, under 1")
        within = 24 <= self.field <= LARGEST_FIELD
        _check(within, "field", self.field, f"must lie in 24..{LARGEST_FIELD}")
        fits = 16 <= self.input_size <= self.field
        _check(fits, "input_size", self.input_size, f"must lie in 16..{self.field} (recipe.field)")
        under = self.warmup_epochs < self.epochs
        _check(under, "warmup_epochs", self.warmup_epochs, f"must be under {self.epochs} epochs")

    @property
    def stream_seed(self) -> int:
        """The seed of order and views: runs that share it see the same batches."""
        return self.stream or self.seed

    @property
    def stored_field(self) -> int:
        """`field` with the margin for random cropping, in pixels of the stored crop."""
        return round(self.field * CROP_MARGIN)

    @property
    def stored_size(self) -> int:
        """`input_size` with the same margin in proportion: what is held in memory."""
        return round(self.input_size * CROP_MARGIN)

    @property
    def input_facts(self) -> dict[str, float]:
        """What a model's input must be like, for its weights file."""
        return {name: getattr(self, name) for name in INPUT_FIELDS}

    @property
    def view_facts(self) -> dict[str, float]:
        """All that decides what is seen, in which order: recipes that agree see the same stream."""
        facts = {name: value for name, value in asdict(self).items() if name not in UNSEEN_FIELDS}
        return {**facts, "stream_seed": self.stream_seed}

    @classmethod
    def for_input(cls, facts: Mapping[str, object]) -> "Recipe":
        """A recipe that gives views as these facts describe; InputError if one is missing.

        Models from before `eval_context` are evaluated on whole clips.
        """
        try:
            found = {name: facts[name] for name in INPUT_FIELDS}
            found["eval_context"] = facts.get("eval_context", -1)
            return cls(**found)  # type: ignore[arg-type]
        except (KeyError, TypeError) as error:
            raise InputError(f"the model does not say what its input is like: {error}") from None


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"unknown recipe.{name} {value!r}; known: {', '.join(known)}")


def _check(good: bool, name: str, value: float, rule: str) -> None:
    if not good:
        raise InputError(f"recipe.{name} {rule}, not {value}")
