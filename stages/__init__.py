"""The stages of the DVC graph, one file each: `python -m stages.<name>`."""

from pathlib import Path

from pipeline.help import answer_help
from pipeline.inputs import note_inputs

answer_help(__name__, Path(__file__).parent)
note_inputs(__name__)
