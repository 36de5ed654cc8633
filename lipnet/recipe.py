"""Recipe: how a model is trained, apart from its architecture; the defaults are the paper's."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from lipnet.errors import InputError
from lipnet.records import Record

OPTIMISERS = ("adamw", "adam", "sgd")
WARMING = ("cosine", "cosine_lagged", "cosine_by_step")  # schedules that use `warmup_epochs`
DISTILLATIONS = ("kl", "dkd", "dist")
SCHEDULES = (*WARMING, "one_cycle", "exponential", "constant")
INPUT_FIELDS = ("field", "input_size", "mean", "std")
AUTO = "auto"  # of mean and std: those of the training crops, measured before training
PixelValue = float | Literal["auto"]
# The fields that change neither the views nor their order. All others do.
NON_STREAM_FIELDS = (
    *("optimiser", "lr", "weight_decay", "epochs", "schedule", "warmup_epochs", "last_rate"),
    *("alpha", "temperature", "distillation", "dkd_beta", "standardise"),
    *("ema", "seed", "stream", "eval_context"),
)
# The values at which a later field changes nothing.
OFF: dict[str, object] = {
    "cutout": 0.0,
    "jitter": 0.0,
    "jitter_scale": 0.0,
    "crop_area": 1.0,
    "brightness": 0.0,
    "time_mask": 0,
    "distillation": "kl",
    "standardise": False,
}
MAX_FIELD = 112  # LRW-1000: 112 x 112 out of 122 x 122
# Smallest and largest value of each number, with the reason if it is not obvious.
RANGES: dict[str, tuple[float, float, str]] = {
    "weight_decay": (0, 10, ""),
    "batch": (2, 65_536, "batch statistics need two clips"),
    "epochs": (1, 100_000, ""),
    "warmup_epochs": (0, 100_000, ""),
    "last_rate": (1e-6, 1, "a fraction of recipe.lr"),
    "field": (24, MAX_FIELD, ""),
    "flip": (0, 1, "a fraction"),
    "mixup": (0, 100, ""),
    "jitter": (0, 16, "pixels of the stored crop"),
    "jitter_scale": (0, 0.5, "a fraction"),
    "cutout": (0, 1, "a fraction of the input's side"),
    "cut_share": (0, 1, "a fraction"),
    "min_context": (0, 100_000, ""),
    "eval_context": (-1, 100_000, "-1 is the whole clip"),
    "mean": (0, 1, "pixels are in 0..1"),
    "std": (0.01, 1, "pixels are in 0..1"),
    "alpha": (0, 1000, ""),
    "temperature": (0.01, 1000, ""),
    "dkd_beta": (0, 1000, ""),
    "brightness": (0, 0.9, "a fraction"),
    "time_mask": (0, 100_000, "frames"),
    "crop_area": (0.1, 1, "a fraction; 1 is off"),
}
# Usual mean and deviation of the training crops after normalisation.
USUAL_MEAN, USUAL_STD = (-0.5, 0.5), (0.5, 2.0)
MIN_CORRELATED = 3  # clips of a micro-batch with "dist": two points are always on a line
CROP_MARGIN = 96 / 88  # the paper cuts a random 88 x 88 out of 96 x 96


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
    last_rate: float = 0.01  # of "exponential": the last rate / `lr` (Chung and Zisserman, 2016)
    field: int = 88  # pixels of the stored crop in a view (random 88 of 96)
    input_size: int = 88  # pixels of the network's input, to which the field is downsampled
    flip: float = 0.5
    mixup: float = 0.4  # Beta(mixup, mixup); 0 turns it off
    jitter: float = 0.0  # of each frame's place, in pixels of the stored crop; 0: none
    jitter_scale: float = 0.0  # of each clip's size, a fraction; 0: none
    crop_area: float = 1.0  # least area of a crop that is then resized to the view; 1: none
    brightness: float = 0.0  # most by which a clip's pixels are scaled up or down; 0: none
    time_mask: int = 0  # most frames that are replaced by the clip's mean (arXiv 2209.01383)
    cutout: float = 0.0  # side of a blank square / `input_size` (arXiv 1708.04552); 0: none
    variable_length: bool = True  # cut training clips at random outside the word
    cut_share: float = 1.0  # of the clips that variable_length cuts; the others stay whole
    min_context: int = 0  # frames on each side of the word that no cut removes
    eval_context: int = -1  # frames on each side of the word in evaluation; -1: the whole clip
    mean: PixelValue = 0.421  # of pixels in [0, 1]; the authors' code
    std: PixelValue = 0.165
    alpha: float = 1.0  # weight of the distillation term; not stated in the paper
    temperature: float = 1.0  # none in the paper; the term is scaled by its square
    distillation: str = "kl"  # or "dkd" (arXiv 2203.08679), "dist" (arXiv 2205.10536)
    dkd_beta: float = 8.0  # of "dkd": the weight of the divergence among all other labels
    standardise: bool = False  # logits of student and teacher, each clip's (arXiv 2403.01427)
    ema: float = 0.0  # decay of a running average of the weights, per step; 0 turns it off
    seed: int = 1
    stream: int = 0  # seed of order, crops, lengths and mixup only; 0: the same as `seed`

    def __post_init__(self) -> None:
        """Raise InputError, naming the field, for a value out of range."""
        _check_choice("optimiser", self.optimiser, OPTIMISERS)
        _check_choice("schedule", self.schedule, SCHEDULES)
        _check_choice("distillation", self.distillation, DISTILLATIONS)
        fits = math.isfinite(self.lr) and self.lr > 0
        _check(fits, "lr", self.lr, "must be a finite number above 0")
        for name, (low, high, why) in RANGES.items():
            value = getattr(self, name)
            if name in self.measured:
                continue
            reason = f" ({why})" if why else ""
            # NaN is in no range.
            _check(low <= value <= high, name, value, f"must be in {low:g}..{high:g}{reason}")
        fits = self.micro_batch == 0 or 2 <= self.micro_batch <= self.batch
        _check(fits, "micro_batch", self.micro_batch, f"must be 0 or in 2..{self.batch}")
        _check(0 <= self.ema < 1, "ema", self.ema, "must be at least 0 and below 1")
        fits = 16 <= self.input_size <= self.field
        _check(fits, "input_size", self.input_size, f"must be in 16..{self.field} (recipe.field)")
        fits = self.warmup_epochs < self.epochs
        _check(fits, "warmup_epochs", self.warmup_epochs, f"must be below {self.epochs} (epochs)")
        fits = self.warmup_epochs == 0 or self.schedule in WARMING
        rule = f"must be 0 with recipe.schedule {self.schedule}, which has no warm-up of its own"
        _check(fits, "warmup_epochs", self.warmup_epochs, rule)

        if self.standardise and self.distillation == "dist":
            raise InputError(
                "recipe.standardise has no use with recipe.distillation dist, which compares "
                "correlations: remove one of the two"
            )
        parts = min(math.ceil(self.batch / (self.micro_batch or self.batch)), self.batch // 2)
        smallest = self.batch // parts
        if self.distillation == "dist" and smallest < MIN_CORRELATED:
            name = "micro_batch" if self.micro_batch else "batch"
            raise InputError(
                f"recipe.{name} {getattr(self, name)} makes parts of {smallest} clips, over which "
                "the correlation of recipe.distillation dist is always 1 or -1: raise it"
            )

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
    def measured(self) -> tuple[str, ...]:
        """The fields that are "auto": `resolve` gives them numbers."""
        return tuple(name for name in ("mean", "std") if getattr(self, name) == AUTO)

    def resolve(self, *, mean: float, std: float) -> "Recipe":
        """The recipe with the training crops' mean and deviation (0 to 1) in place of "auto"."""
        if "std" in self.measured and not std >= RANGES["std"][0]:
            raise InputError(
                f"recipe.std is auto, but the training crops have a deviation of {std:g}, less "
                f"than {RANGES['std'][0]:g}: look at the crops, or set recipe.std to a number"
            )
        return replace(
            self,
            mean=mean if self.mean == AUTO else self.mean,
            std=std if self.std == AUTO else self.std,
        )

    @property
    def normalisation(self) -> tuple[float, float]:
        """Mean and deviation as numbers; InputError if one is still to be measured."""
        if isinstance(self.mean, str) or isinstance(self.std, str):
            raise InputError(
                "recipe.mean or recipe.std is auto: they are measured in training only"
            )
        return self.mean, self.std

    @property
    def input_facts(self) -> dict[str, PixelValue]:
        """The fields that describe a model's input, for its weights file."""
        return {name: getattr(self, name) for name in INPUT_FIELDS}

    @property
    def training_facts(self) -> dict[str, Any]:
        """All fields that a training depends on: those added later only if they are used, so that
        digests of earlier trainings stay the same."""
        facts = asdict(self)
        if self.schedule != "exponential":
            del facts["last_rate"]
        if self.distillation != "dkd":
            del facts["dkd_beta"]
        for name, off in OFF.items():
            if facts[name] == off:
                del facts[name]
        return facts

    @property
    def view_facts(self) -> dict[str, object]:
        """All fields that the stream depends on: recipes with equal ones see the same batches."""
        every = self.training_facts
        facts = {name: value for name, value in every.items() if name not in NON_STREAM_FIELDS}
        return {**facts, "stream_seed": self.stream_seed}

    def advise_normalisation(self, mean: float, std: float) -> str:
        """What to set for training crops with this mean and deviation (0 to 1); "" if they are
        near 0 and 1 after normalisation."""
        own_mean, own_std = self.normalisation
        shifted, scaled = (mean - own_mean) / own_std, std / own_std
        fine = USUAL_MEAN[0] <= shifted <= USUAL_MEAN[1] and USUAL_STD[0] <= scaled <= USUAL_STD[1]
        if fine or not RANGES["std"][0] <= std:
            return ""
        return (
            f"the training crops have mean {mean:.3f} and deviation {std:.3f}, but the recipe's "
            f"are {own_mean:g} and {own_std:g}; unless it starts from weights of another "
            f'corpus, use SET="recipe.mean={mean:.3f} recipe.std={std:.3f}", or auto for both'
        )

    @classmethod
    def for_input(cls, facts: Mapping[str, object]) -> "Recipe":
        """A recipe whose views match these facts; InputError if one is missing or wrong.

        Models from before `eval_context` are evaluated on whole clips.
        """
        missing = [name for name in INPUT_FIELDS if name not in facts]
        if missing:
            raise InputError(f"the model's file does not describe its input: no {missing[0]}")
        return cls.for_known_input(facts)

    @classmethod
    def for_known_input(cls, facts: Mapping[str, object]) -> "Recipe":
        """As `for_input`, with the defaults for facts that are missing.

        InputError for a fact of another type, that is not finite or is out of range.
        """
        found: dict[str, Any] = {}
        read = Record(dict(facts))
        try:
            for name in (*INPUT_FIELDS, "eval_context"):
                if name in read:
                    whole = isinstance(getattr(cls, name), int)
                    found[name] = read.integer(name) if whole else read.number(name)
            if "field" in found:
                found.setdefault("input_size", found["field"])
            return cls(**found)
        except ValueError as error:
            raise InputError(f"the model's file does not describe its input: {error}") from None


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"unknown recipe.{name} {value!r}; known: {', '.join(known)}")


def _check(valid: bool, name: str, value: float, rule: str) -> None:
    if not valid:
        raise InputError(f"recipe.{name} {rule}, not {value}")
