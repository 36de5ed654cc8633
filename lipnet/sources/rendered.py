"""The corpus that this project renders: in LRW's layout, its .txt files also name the speaker."""

from dataclasses import replace

from lipnet.sources import lrw

SOURCE = replace(
    lrw.SOURCE,
    rendered=True,
    face="largest",
    attribution="Faces rendered by this project from one public-domain photograph.",
    weights_licence="mit",
    shareable=True,
    paper_name="",
)
