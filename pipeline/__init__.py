"""The shell around the stages: parameters, paths, profiles, the preflight check and locks."""

from pathlib import Path

from pipeline.help import answer_help

answer_help(__name__, Path(__file__).parent)
