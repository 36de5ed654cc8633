"""Specs for tests over the tables: the sizes of a row, and its narrowest model."""

from hypothesis import strategies as st

from lipnet.errors import InputError
from lipnet.sizes import FixedChannels, HiddenWidth, NoSize, Units, Width
from lipnet.spec import MAPPED, ModelSpec

# From narrow to wide; every row has one of them.
SUFFIXES = ("_0.125x", "_0.25x", "_0.375x", "_0.5x", "_8", "_1x", "")


def sizes_of(part):
    """Every size that a row allows."""
    match part.size:
        case Width(published=()) as size:
            return st.floats(size.low, size.high)
        case Width(published=widths):
            return st.sampled_from(widths)
        case HiddenWidth() as size:
            return st.integers(1, size.high // size.branches).map(lambda n: n * size.branches)
        case Units() as size:
            return st.integers(1, size.high)
        case FixedChannels(default=channels):
            return st.just(channels)
        case NoSize():
            return st.just(0)
    raise AssertionError(f"no strategy for {part.size}")


def named_sizes(table):
    """(name, size) of every row of a table."""
    return st.sampled_from(sorted(table)).flatmap(
        lambda name: st.tuples(st.just(name), sizes_of(table[name]))
    )


def narrow_spec(backbone, head, *options):
    """The text of the narrowest model of two rows."""
    texts = (
        " + ".join((backbone + width, head + size, *options))
        for width in SUFFIXES
        for size in SUFFIXES
    )
    return next(filter(is_spec, texts))


def backbone_for(head, usual):
    """A backbone that the head fits."""
    return MAPPED[0] if head == "convlstm" else usual


def is_spec(text):
    """Whether a text is the spec of a model."""
    try:
        ModelSpec.parse(text)
    except InputError:
        return False
    return True


def keep_one_block_of_each_kind(model):
    """Shorten a ResNet + TCN in place, where torch's compiler would take a minute: the first block
    of each stage of the trunk, the first of the head."""
    for stage in model.trunk.stages:
        del stage[1:]
    del model.head.blocks[1:]
