"""Prefect's side: it walks the DVC graph by DVC's command line and knows nothing of the stages.

Settings that Prefect reads when it is imported stand here, before any flow imports it.
"""

import os

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
# A first start makes the server's database, which takes a busy machine longer than the default.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
os.environ.setdefault("PREFECT_LOGGING_SERVER_LEVEL", "ERROR")
