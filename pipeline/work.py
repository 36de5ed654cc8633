"""The work of a profile: the size of its corpus, its lineages, and what of them is done."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from lipnet.clip import CLIP_FRAMES
from lipnet.errors import InputError
from lipnet.files import digest_of
from lipnet.lineage.generation import GENERATION_FILE
from lipnet.lineage.summary import LINEAGE_FILE
from lipnet.sources.discover import discover_clips, find_source
from lipnet.sources.manifest import count_splits, read_summary
from lipnet.sources.source import Published
from lipnet.spec import ModelSpec
from pipeline.estimate import BYTES_PER_PIXEL, Corpus, LineageWork, weigh_gmacs, weigh_shards
from pipeline.params import Params
from pipeline.paths import Paths, source_root

SPLITS = ("train", "val", "test")


def count_corpus(params: Params, paths: Paths) -> Corpus:
    """The size of the corpus: from the parameters if it is rendered, else from a manifest of the
    same source, else from the files of the corpus."""
    source = params.source
    adapter = find_source(source.name)
    clip_frames = adapter.frames_per_clip(source.options)
    frames = max(adapter.frames_per_video, clip_frames)
    if not source.root and params.synthetic is not None:
        words = len(params.synthetic.words)
        clips = {split: words * n for split, n in params.synthetic.clips_per_word.items()}
        videos, size = sum(clips.values()), params.crops.size
        return Corpus(videos, frames, clips, words, rendered=True, crop_size=size)
    known = read_counts(paths.manifest, source.name, source.options)
    if known is None:
        found, _ = discover_clips(source.name, source_root(params), source.options)
        known = len({c.video for c in found}), len({c.label for c in found}), count_splits(found)
    videos, labels, clips = known
    return _make_corpus(params, Published(videos, labels, clips), frames)


def find_corpus(params: Params, paths: Paths) -> Corpus | None:
    """The size of the corpus without reading its files: from the parameters, from a manifest, or as
    its authors published it; None if none of these knows it."""
    source = params.source
    adapter = find_source(source.name)
    is_rendered = not source.root and params.synthetic is not None
    if is_rendered or read_counts(paths.manifest, source.name, source.options) is not None:
        return count_corpus(params, paths)
    whole = adapter.published(source.options)
    frames = max(adapter.frames_per_video, adapter.frames_per_clip(source.options))
    return None if whole is None else _make_corpus(params, whole, frames)


def plan_corpus(params: Params, clips: str, labels: int) -> Corpus:
    """The size of a corpus that is not here, of "train/val/test" clips and this many labels."""
    counts = clips.split("/")
    if len(counts) != 3 or not all(count.isdecimal() and int(count) for count in counts):
        raise InputError(f"--clips {clips}: clips of train/val/test, as in 488763/25000/25000")
    if labels < 2:
        raise InputError(f"--labels {labels}: 2 or more")
    numbers = dict(zip(SPLITS, map(int, counts), strict=True))
    frames = find_source(params.source.name).frames_per_clip(params.source.options)
    size = Published(sum(numbers.values()), labels, numbers)
    return _make_corpus(params, size, max(frames, CLIP_FRAMES))


def _make_corpus(params: Params, size: Published, frames_per_video: int) -> Corpus:
    """A corpus of files, of this size."""
    adapter = find_source(params.source.name)
    return Corpus(
        size.videos,
        frames_per_video,
        size.clips,
        size.labels,
        rendered=False,
        ready=adapter.cropped,
        frames_per_clip=adapter.frames_per_clip(params.source.options),
        crop_size=params.crops.size,
    )


def weigh_pixel(params: Params) -> float:
    """Bytes in the stage's output per stored pixel: 0 if the shards are stored at a URL."""
    return 0.0 if params.shards.url else BYTES_PER_PIXEL[find_kind(params)]


def find_kind(params: Params) -> str:
    """The shards' codec without its quality."""
    return params.shards.codec.rstrip("0123456789")


def find_stored(params: Params) -> Path | None:
    """The folder that shards.url names; None if it names none on this machine."""
    path = params.shards.url.removeprefix("file://")
    return Path(path).expanduser() if path and "://" not in path else None


def weigh_stored(params: Params, corpus: Corpus) -> int:
    """Bytes of the shards in the folder that shards.url names."""
    if find_stored(params) is None:
        return 0
    return weigh_shards(replace(corpus, bytes_per_pixel=BYTES_PER_PIXEL[find_kind(params)]))


def read_counts(
    folder: Path, source: str, options: Mapping[str, object]
) -> tuple[int, int, dict[str, int]] | None:
    """Videos, labels and clips by split of a manifest; None if there is none of this source."""
    if not (folder / "summary.json").is_file():
        return None
    summary = read_summary(folder)
    if (summary.source, summary.options) != (source, digest_of(dict(options))):
        return None
    clips = {split: size.clips for split, size in summary.splits.items()}
    return summary.videos, summary.labels, clips


def list_work(
    params: Params, labels: int, *, frames: int = CLIP_FRAMES, paths: Paths | None = None
) -> list[LineageWork]:
    """The lineages of the profile, with the cost of their models on clips of `frames` frames, and
    the generations that `paths` has already.

    A scratch lineage has one model more than it has born-again generations: g0. A compressed one
    has one model, and its source is its teacher. All widths of a lineage train together.
    """

    def weigh(lineage: str, size: int) -> tuple[float, int]:
        return weigh_model(params.spec_of(lineage), labels, frames=frames, size=size)

    def weigh_widths(lineage: str, size: int) -> float:
        spec = params.spec_of(lineage)
        specs = [spec.at_width(width) for width in params.widths_of(lineage)[1:]]
        return sum(weigh_model(own, labels, frames=frames, size=size)[0] for own in specs)

    works = []
    for lineage in params.lineages:
        recipe = params.recipe_of(lineage)
        epochs = params.epochs_of(lineage)
        if lineage in params.scratch:
            epochs = max(epochs, params.initial_recipe_of(lineage).epochs)
        gmacs, parameters = weigh(lineage, recipe.input_size)
        gmacs += weigh_widths(lineage, recipe.input_size)
        models = count_models(params, lineage)
        work = LineageWork(lineage, gmacs, parameters, models, epochs, batch=recipe.batch)
        teacher = params.source_of(lineage)
        if teacher is not None:  # it sees the same frames as its student
            cost = weigh(teacher, recipe.input_size)[0] * count_teachers(params, lineage)
            work = replace(work, teacher=teacher, teacher_gmacs=cost)
        done = 0 if paths is None else count_done(paths, lineage, models)
        works.append(replace(work, done=done))
    return works


def count_teachers(params: Params, lineage: str) -> int:
    """The models that teach a lineage's first generation: one, or all of the teacher's lineage."""
    entry = params.taught.get(lineage)
    return count_models(params, entry.teacher) if entry and entry.members == "all" else 1


def count_models(params: Params, lineage: str) -> int:
    """The models of a lineage if it does not stop early."""
    if lineage in params.scratch:
        return params.scratch[lineage].generations + 1
    return params.taught[lineage].generations if lineage in params.taught else 1


def add_operations(params: Params, works: list[LineageWork]) -> list[LineageWork]:
    """The same lineages with the operations of their steps, which decide on a GPU."""
    found = []
    for work in works:
        spec = params.spec_of(work.lineage)
        own = count_operations(str(spec))
        narrower = [
            count_operations(str(spec.at_width(w))) for w in params.widths_of(work.lineage)[1:]
        ]
        teaching = count_operations(str(params.spec_of(work.teacher)))[0] if work.teacher else 0
        teaching *= count_teachers(params, work.lineage)
        found.append(
            replace(
                work,
                forward_operations=own[0],
                step_operations=own[1] + sum(step for _, step in narrower),
                teacher_operations=teaching,
            )
        )
    return found


@cache
def count_operations(spec: str) -> tuple[int, int]:
    """Operations of a batch of the spec's model: forward, and of a whole step."""
    from lipnet.measure import operations  # imports torch, see weigh_model

    counted = operations.count_operations(ModelSpec.parse(spec))
    return counted.forward, counted.step


def count_done(paths: Paths, lineage: str, models: int) -> int:
    """The generations of a lineage that are finished; all of them if the lineage is."""
    if (paths.lineage(lineage) / LINEAGE_FILE).is_file():
        return models
    folder = paths.tmp / "models" / lineage
    found = (path.parent.name for path in folder.glob(f"g*/{GENERATION_FILE}"))
    return sum(name[1:].isdecimal() for name in found)  # not g0.<digest>, which is set aside


def weigh_recordings(params: Params, corpus: Corpus) -> int:
    """Bytes of the teachers' logits that will be recorded for further students."""
    from lipnet.distill.recording import recording_bytes  # imports torch, see weigh_model

    clips = corpus.clips.get("train", 0)
    budget = round(params.compute.record_gib * 2**30)
    needs = [
        recording_bytes(params.recipe_of(group[0]).epochs, clips, corpus.labels)
        for group in params.group_by_teacher_logits()
    ]
    return min(budget, sum(need for need in needs if need <= budget))


def weigh_decoded(params: Params, corpus: Corpus) -> int:
    """Bytes of decoded clips in workers.cache: the splits that do not fit into memory, once per
    size at which the recipes of the profile store them."""
    if params.workers.cache_folder is None:
        return 0
    recipes = [params.recipe_of(lineage) for lineage in params.lineages]
    memory = params.workers.memory_gib * 2**30
    decoded = 0
    for size, _ in {(recipe.stored_size, recipe.stored_field) for recipe in recipes}:
        for split, clips in corpus.clips.items():
            shared = params.compute.workers if split == "train" else 1
            need = clips * corpus.frames_per_clip * size**2
            decoded += need if need > memory / shared else 0  # a process has its share
    return decoded


def check_cascades(params: Params, labels: int) -> None:
    """InputError for a cascade whose small model costs at least as much as its large one."""
    from lipnet.measure.cost import cost_of  # imports torch, see weigh_model

    def count(lineage: str) -> float:
        size = params.recipe_of(lineage).input_size
        return cost_of(params.spec_of(lineage), labels, frames=CLIP_FRAMES, size=size).gflops

    for name, pair in params.cascades.items():
        small, large = count(pair.small), count(pair.large)
        if small >= large:
            raise InputError(
                f"cascades.{name}: {pair.small} costs {small:.3f} GFLOPs and {pair.large} "
                f"{large:.3f}: the small model has to be the cheaper one"
            )


@cache
def weigh_model(spec: ModelSpec, labels: int, *, frames: int, size: int) -> tuple[float, int]:
    """Weighted gmacs per clip, and the number of parameters, of a spec's model."""
    # Imports torch, which is slow: only after errors in the corpus have been reported.
    from lipnet.measure.cost import cost_of

    cost = cost_of(spec, labels, frames=frames, size=size)
    return weigh_gmacs(cost.gmacs, spec.backbone), cost.params
