"""MLflow: runs, metrics and registered models of a profile; no other package imports mlflow."""

from pathlib import Path

from pipeline.help import answer_help

answer_help(__name__, Path(__file__).parent)
