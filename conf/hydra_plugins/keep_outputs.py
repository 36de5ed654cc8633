"""A Hydra plugin that keeps the outputs of the other profiles when parameters are composed."""

from dvc.exceptions import NotDvcRepoError
from dvc.repo import Repo
from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin


class KeepOutputs(SearchPathPlugin):
    """Makes DVC forget which outputs it has linked from its cache.

    `dvc checkout`, with which `dvc exp run` starts, removes linked outputs that dvc.yaml does not
    name. As dvc.yaml names the outputs of one profile only, those of all others would go. Hydra
    calls this whenever a profile is composed, which is before that.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Forget the links; the search path is left as it is."""
        try:
            with Repo() as repo, repo.state.links as links:
                links.clear()
        except NotDvcRepoError:
            pass  # a configuration that is composed elsewhere has no outputs
