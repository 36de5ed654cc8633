"""The machine that `lipnet doctor` measured: the rates of its trainings, for any other training."""

from collections.abc import Iterator, Sequence

from lipnet.doctor.rates import Rates, TrainingRate
from lipnet.errors import InputError
from lipnet.spec import ModelSpec
from pipeline.estimate import FORWARD_AND_BACKWARD, LineageWork, Machine, time_clip
from pipeline.machine import Rated, make_gpu
from pipeline.work import count_operations, weigh_model

NEGLIGIBLE = 0.005


def rate_reported(rates: Rates, cores: int | None = None) -> Rated:
    """A machine with the rates of a report, and as many cores unless `cores` is given.

    The device's rate is the highest, and on a GPU the host's time per operation the shortest, that
    any training reached. So no estimate for one of them is longer than it took; `origin` names
    those that took longer. InputError for `cores` of a CPU, whose rate is that of its own cores.
    """
    if cores is not None and rates.device == "cpu":
        raise InputError(
            f"--cores {cores}: the report measured a CPU with {rates.cores} cores, and how fast it "
            "trains with others is not known; leave --cores out"
        )
    works = [(rate, _describe(rate, rates.device)) for rate in rates.trainings]
    cores = cores or rates.cores
    gmacs = max(FORWARD_AND_BACKWARD * own.gmacs * rate.clips_per_second for rate, own in works)
    origin = f"{rates.name} ({rates.device}, {cores} cores), measured by lipnet doctor: "
    origin += f"{gmacs:,.0f} GMAC/s"
    if rates.device == "cpu":
        machine = Machine(cores, gmacs)
    else:
        host = min(r.batch / r.clips_per_second / own.step_operations for r, own in works)
        machine = make_gpu(cores, gmacs, seconds_per_operation=host)
        origin += f" and {1e6 * host:.1f} us per operation"
    return Rated(machine, "; ".join([origin, *_list_slower(works, machine)]))


def _describe(rate: TrainingRate, device: str) -> LineageWork:
    """The training as work, with its operations if it ran on a GPU."""
    spec = ModelSpec.parse(rate.spec)
    gmacs, parameters = weigh_model(spec, rate.labels, frames=rate.frames, size=rate.input_size)
    forward, step = count_operations(rate.spec) if device == "cuda" else (0, 0)
    return LineageWork(
        rate.spec,
        gmacs,
        parameters,
        generations=1,
        epochs=1,
        batch=rate.batch,
        forward_operations=forward,
        step_operations=step,
    )


def _list_slower(
    works: Sequence[tuple[TrainingRate, LineageWork]], machine: Machine
) -> Iterator[str]:
    """The trainings that took longer than their estimate, and by how much."""
    for rate, work in works:
        gmacs = FORWARD_AND_BACKWARD * work.gmacs
        seconds = time_clip(machine, gmacs, work.step_operations / work.batch)
        more = 1 / (seconds * rate.clips_per_second) - 1
        if more > NEGLIGIBLE:
            yield f"{rate.spec} took {100 * more:.0f} % longer than it would by these rates"
