"""No password and no token of MLflow's address is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.uri import hide_password

SECRET = "s3cr3t"
# Characters that people put in passwords, also those that an address would have to escape.
PARTS = st.text("abcXYZ019/:@?#&=%+~.!$", max_size=6)


@given(user=st.sampled_from(["", "me", "me@example.org"]), before=PARTS, after=PARTS)
def test_a_password_is_never_shown(user: str, before: str, after: str) -> None:
    password = f"{before}{SECRET}{after}"
    for address in (
        f"https://{user}:{password}@mlflow.example.org/x",
        f"postgresql+psycopg2://{user}:{password}@db/mlflow",
    ):
        shown = hide_password(f"MLflow at {address} cannot be used")
        assert SECRET not in shown
        assert shown.startswith("MLflow at ")
        assert shown.endswith(" cannot be used")


@given(before=st.from_regex(r"[a-z]{0,5}", fullmatch=True))
@pytest.mark.parametrize(
    "name", ["token", "access_token", "sig", "X-Amz-Signature", "api_key", "pwd"]
)
@pytest.mark.parametrize("sign", "?&;")
def test_a_token_is_never_shown(sign: str, name: str, before: str) -> None:
    shown = hide_password(f"url: /api{sign}{name}={before}{SECRET} (refused)")
    assert shown == f"url: /api{sign}{name}=*** (refused)"


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:5000/#/experiments/1",
        "sqlite:///mlflow.db",
        "https://mlflow.example.org/x?page=2",
        "models:/lipnet-tiny@champion",
    ],
)
def test_addresses_without_secrets_are_shown_whole(text: str) -> None:
    assert hide_password(text) == text
