"""Ray: a pool of actors for the preprocessing, and processes that train one model together."""
