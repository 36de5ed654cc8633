"""MLflow's pages about a profile, as `tracking.publish` saved them, with titles and addresses."""

from collections.abc import Mapping

from lipnet.report.json_files import read_mapping
from pipeline.paths import DATA, Paths

COMPARISONS = {
    "generations": "the generations of {} compared",
    "students": "{} compared with the model of its spec without a teacher",
}


def list_pages(paths: Paths, server: str) -> list[tuple[str, str]]:
    """Title and address, on MLflow's server, of each page of the profile; [] if none was saved."""
    if not paths.mlflow_pages.exists():
        return []
    saved = read_mapping(paths.mlflow_pages)
    titles = {"report": "the report", "runs": "all models, the most accurate first"}
    pages = [(title, f"{server}{saved[name]}") for name, title in titles.items() if name in saved]
    for subject, title in COMPARISONS.items():
        found = saved.get(subject, {})
        if isinstance(found, Mapping):
            pages += [(title.format(name), f"{server}{path}") for name, path in found.items()]
    return pages


def format_pages(server: str) -> list[str]:
    """A line for each page of each profile that is in MLflow."""
    profiles = sorted(path.parent.name for path in (DATA / "tmp").glob("*/mlflow.json"))
    return [
        f"{profile}, {title}: {address}"
        for profile in profiles
        for title, address in list_pages(Paths(profile), server)
    ]
