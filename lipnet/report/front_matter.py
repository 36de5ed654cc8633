"""The metadata at the head of a model card, as the Hugging Face Hub reads it."""

from collections.abc import Mapping

from lipnet.sources.discover import find_source

TAGS = ("lipreading", "visual-speech-recognition", "knowledge-distillation")


def front_matter(name: str, source: str, top1: Mapping[str, float]) -> list[str]:
    """The lines of YAML, with their marks, for a model of this name trained on `source`.

    `top1` is its accuracy (a fraction) on each split, listed in the Hub's `model-index`.
    """
    results = [
        line
        for split, value in top1.items()
        for line in (
            "      - task: {type: video-classification, name: word-level lipreading}",
            f"        dataset: {{type: {source}, name: {source}, split: {split}}}",
            f"        metrics: [{{type: accuracy, name: top-1, value: {value:.3f}}}]",
        )
    ]
    return [
        "---",
        f"license: {find_source(source).weights_licence}",
        "library_name: lipnet",
        "pipeline_tag: video-classification",
        f"tags: [{', '.join(TAGS)}]",
        f"datasets: [{source}]",
        "metrics: [accuracy]",
        "model-index:",
        f"  - name: {name}",
        "    results:",
        *results,
        "---",
    ]
