"""Secrets in URLs: found, so that none is written to a tracked file, an index or a log."""

import re

# A user with a password; the password may have a slash, so the host is not parsed.
PASSWORD = re.compile(r"://[^\s/?#@]*:[^\s@]*@")
USER = re.compile(r"https?://[^\s/?#]*@", re.IGNORECASE)  # a token in the place of the user
QUERY = re.compile(
    r"[?&;#]([\w.-]*(?:token|signature|secret|passw|credential|api.?key|access.?key|auth|jwt)"
    r"[\w.-]*|sig|sas|pwd|key)=",
    re.IGNORECASE,
)


def find_secret(text: str) -> str:
    """What a text with URLs holds that only its owner may know, in words; "" if nothing."""
    if "://" not in text:
        return ""
    if PASSWORD.search(text):
        return "a password"
    if USER.search(text):
        return "a user or token before the host"
    found = QUERY.search(text)
    return f"a secret ({found[1]}=...)" if found else ""
