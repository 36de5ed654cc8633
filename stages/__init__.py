"""The stages of the DVC graph, one file each: `python -m stages.<name>`."""

from pathlib import Path

from pipeline.help import answer_help

answer_help(__name__, Path(__file__).parent)
