"""Prefect flows that walk the DVC graph through DVC's command line; they import no stage.

Sets the environment variables that Prefect reads at import, before any flow imports it.
"""

import os

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
# The first start creates the server's database, which can take longer than the default timeout.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
os.environ.setdefault("PREFECT_LOGGING_SERVER_LEVEL", "ERROR")
