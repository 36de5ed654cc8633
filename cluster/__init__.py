"""Ray: a pool of actors for preprocessing, and groups of processes that train one model."""
