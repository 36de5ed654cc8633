"""The stage `report`: how it describes the clips."""

from lipnet.sources.synthetic.options import SyntheticOptions
from pipeline.params import Params
from pipeline.sections import Source
from stages.report import describe_corpus


def test_rendered_clips_have_a_known_ceiling_and_others_none() -> None:
    words = ("PARK", "BARK", "MILLION", "ABOUT")
    clips = {"train": 4, "val": 2, "test": 3}
    section = Params.model_construct(
        source=Source(name="synthetic"),
        synthetic=SyntheticOptions(words=words, clips_per_word=clips),
    )
    # PARK and BARK look the same
    assert describe_corpus(section) == {"source": "synthetic", "ceiling_top1": 0.75}
    real = section.model_copy(update={"source": Source(name="lrw", root="/lrw")})
    assert describe_corpus(real) == {"source": "lrw"}
